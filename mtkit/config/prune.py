"""Settings for pruning a vocabulary."""

from typing import Literal

from pydantic import Field

from mtkit.config.section import PositiveInt, Section


class PruneConfig(Section):
    """Settings for pruning a vocabulary: options of `mtkit vocab prune`."""

    min_count: PositiveInt = 1
    """Number of occurrences in the corpus from which a subword is kept."""
    size: int | None = Field(default=None, ge=8, le=1_000_000)
    """Maximum vocabulary size: the most frequent subwords of the corpus are kept; with separate
    vocabularies, the maximum for each."""
    characters: Literal["all", "corpus"] = "all"
    """Single characters to keep: all, so that no text has more unknown characters than before; or
    those of the corpus."""
