"""How a lexical shortlist is made."""

from typing import Any

from pydantic import Field

from mtkit.config.section import NonNegativeInt, PositiveInt, Section


class ShortlistConfig(Section):
    """How a lexical shortlist is made: options of `mtkit shortlist`."""

    n_candidates: int = Field(default=100, ge=1, le=999)
    """Probable translations kept for each source piece."""
    n_frequent: NonNegativeInt = 200
    """Most frequent target pieces, which every sentence may use."""
    max_pairs: PositiveInt = 1_000_000
    """Pairs to read from a larger corpus, drawn evenly."""


def default_value(name: str) -> Any:
    """What a setting is unless it is given."""
    return ShortlistConfig.model_fields[name].default
