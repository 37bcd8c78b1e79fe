"""Recipe section `preprocess:`: length limits of tokenized pairs, and checks of whole corpora."""

from typing import Literal

from pydantic import Field

from mtkit.config.section import PositiveInt, Section


class PreprocessConfig(Section):
    """Length limits of cleaned and tokenized training pairs, and checks of whole corpora. Recipe
    section `preprocess:`."""

    max_length: PositiveInt = 256
    """Maximum number of tokens on each side of a pair; longer pairs are dropped."""
    max_ratio: float = Field(default=4.0, ge=1.0, le=1e12)
    """Maximum ratio of the sides' token counts; pairs above it are dropped unless both sides have
    fewer than 10 tokens."""
    max_dropped: float = Field(default=0.5, ge=0.0, le=1.0)
    """Maximum share of a corpus that all rules together may drop; more is an error, since the usual
    cause is a wrong language code or a wrong file. 1 accepts any share."""
    check_alignment: Literal["error", "warning", "off"] = "error"
    """Response to a misaligned corpus, where line N of the source does not match line N of the
    target: error, warning or off. A sample is checked, in about half a second per corpus, before
    the token store is built."""
