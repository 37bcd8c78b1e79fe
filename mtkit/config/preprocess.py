"""Recipe section `preprocess:`: how long the pairs may be, once they are tokenised, and which corpora are refused."""

from typing import Literal

from pydantic import Field

from mtkit.config.section import PositiveInt, Section


class PreprocessConfig(Section):
    """How long training pairs may be, once they are cleaned and tokenised, and which corpora are refused. Recipe section `preprocess:`."""

    max_length: PositiveInt = 256
    """Drop a pair with more pieces than this on a side."""
    max_ratio: float = Field(default=4.0, ge=1.0, le=1e12)
    """Drop a pair whose longer side has more than this many times the pieces of the shorter; sides of fewer than 10 pieces pass."""
    max_dropped: float = Field(default=0.5, ge=0.0, le=1.0)
    """Largest share of a corpus that may be dropped, by all rules together; more is an error, because the usual cause is a wrong language code or a
    wrong file. 1 accepts any share."""
    check_alignment: Literal["error", "warning", "off"] = "error"
    """What to do with a corpus in which line N of the source goes with another line than N of the target. A sample is looked at, for about half a
    second per corpus, before the token store is made."""
