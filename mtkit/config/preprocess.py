"""Recipe section `preprocess:`: how long the pairs may be, once they are tokenised."""

from pydantic import Field

from mtkit.config.section import PositiveInt, Section


class PreprocessConfig(Section):
    """How long training pairs may be, once they are cleaned and tokenised. Recipe section `preprocess:`."""

    max_length: PositiveInt = 256
    """Drop a pair with more pieces than this on a side."""
    max_ratio: float = Field(default=4.0, ge=1.0, le=1e12)
    """Drop a pair whose longer side has more than this many times the pieces of the shorter; sides of fewer than 10 pieces pass."""
