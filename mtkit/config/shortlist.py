"""Settings of a lexical shortlist."""

from pydantic import Field

from mtkit.config.section import NonNegativeInt, PositiveInt, Section


class ShortlistConfig(Section):
    """Settings of a lexical shortlist: options of `mtkit shortlist`."""

    n_candidates: int = Field(default=100, ge=1, le=999)
    """Number of probable translations kept for each source token."""
    n_frequent: NonNegativeInt = 200
    """Number of most frequent target tokens allowed in every sentence."""
    max_pairs: PositiveInt = 1_000_000
    """Maximum number of pairs to read; from a larger corpus they are sampled evenly."""
