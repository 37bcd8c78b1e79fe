"""Recipe section `preprocess:`: limits on the length of pairs, and checks of the corpora."""

from typing import Literal

from pydantic import Field

from mtkit.config.section import PositiveInt, Section


class PreprocessConfig(Section):
    """Limits on the length of training pairs after cleaning and tokenization, and checks that
    reject a corpus. Recipe section `preprocess:`.
    """

    max_length: PositiveInt = 256
    """Drop a pair with more subwords than this on a side."""
    max_ratio: float = Field(default=4.0, ge=1.0, le=1e12)
    """Drop a pair whose longer side has more than this many times the subwords of the shorter;
    sides of fewer than 10 subwords pass."""
    max_dropped: float = Field(default=0.5, ge=0.0, le=1.0)
    """Maximum share of a corpus that may be dropped, by all rules together; more is an error,
    because the usual cause is a wrong language code or a wrong file. 1 accepts any share."""
    check_alignment: Literal["error", "warning", "off"] = "error"
    """What to do with a corpus in which line N of the source belongs to another line than N of the
    target. A sample is checked before the token store is made, in about half a second per
    corpus."""
