"""Recipe section `preprocess:`: which pairs are kept."""

from pydantic import Field, PositiveInt

from mtkit.config.section import Section


class PreprocessConfig(Section):
    """Which training pairs are kept. Recipe section `preprocess:`."""

    max_length: PositiveInt = 256
    """Drop a pair with more pieces than this on a side."""
    max_ratio: float = Field(default=4.0, ge=1.0)
    """Drop a pair whose longer side has more than this many times the pieces of the shorter; sides of fewer than 10 pieces pass."""
