"""Settings of a lexical shortlist."""

from typing import Any

from pydantic import Field

from mtkit.config.section import NonNegativeInt, PositiveInt, Section


class ShortlistConfig(Section):
    """How a lexical shortlist is built: options of `mtkit shortlist`."""

    n_candidates: int = Field(default=100, ge=1, le=999)
    """Probable translations kept for each source token."""
    n_frequent: NonNegativeInt = 200
    """Most frequent target tokens, which are allowed for every sentence."""
    max_pairs: PositiveInt = 1_000_000
    """Maximum number of pairs to read; from a larger corpus they are drawn evenly."""


def default_value(name: str) -> Any:
    """Return the default of a setting."""
    return ShortlistConfig.model_fields[name].default
