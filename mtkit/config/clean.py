"""Recipe section `clean:`: which pairs are mended, and which are left out."""

from typing import Literal, Self

from pydantic import Field, NonNegativeInt, model_validator

from mtkit.config.section import Section


class CleanConfig(Section):
    """How the training text is mended, and which pairs are left out, before it is tokenised. Recipe section `clean:`."""

    invisible: bool = True
    """Take out characters that nobody sees: control characters, byte order marks, soft hyphens, direction marks, zero-width spaces. The code points
    U+0080 to U+009F become what Windows-1252 means by them, as in browsers. On: they only split words into rare pieces."""
    entities: bool = True
    """Write HTML entities as the characters they stand for, `&amp;` as &. One between quotation marks or backquotes stays, since such a text
    speaks about it. On: what a model learns from it would come out in translations."""
    normal_form: Literal["none", "NFC", "NFKC"] = "NFC"
    """Unicode normal form. NFC makes equal what looks equal; NFKC also replaces ligatures, wide letters and the like, which the tokenizer's own
    normalisation mostly does anyway."""
    spaces: bool = True
    """One plain space for each run of spaces of whatever kind, none at the ends. On: line breaks within a text become spaces in any case."""
    min_chars: NonNegativeInt = 0
    """Drop a pair with a side of fewer characters; 0 is off: short sentences are sentences."""
    max_chars: NonNegativeInt = 2000
    """Drop a pair with a side of more characters; 0 is off. Far beyond sentences, and a guard against whole files in one line."""
    garbled: bool = True
    """Drop a pair with U+FFFD, which stands for a character that was lost, or with UTF-8 that was read as Windows-1252, as in schÃ¶n. On: it cannot be
    translated into."""
    min_letters: float = Field(default=0.2, ge=0.0, le=1.0)
    """Drop a pair with a side of which fewer of the characters, spaces aside, are letters; 0 is off. Low: code and tables of figures hold few."""
    min_script: float = Field(default=0.3, ge=0.0, le=1.0)
    """Drop a pair with a side of which fewer of the letters are of its language's scripts; 0 is off, and so is a language code that is not known. In a
    language that is not written in Latin letters a tenth of that is enough, since names and code are; there, a few Latin letters alone pass too."""
    max_char_ratio: float = Field(default=3.0, ge=0.0)
    """Drop a pair whose longer side has more than this many times the width of the shorter; 0 is off. Letters of Chinese, Japanese and Korean are two
    wide, as on a screen, which makes languages alike; 10 is added to both sides, so that short ones may differ."""
    min_copy_letters: NonNegativeInt = 20
    """Drop a pair whose sides are the same, case and punctuation aside, and have at least this many letters; 0 is off, 1 drops every copy. Names and
    short titles may rightly be the same, while copied sentences teach a model to copy (Khayrallah and Koehn 2018)."""
    test_overlap: Literal["off", "pair", "either"] = "pair"
    """Drop a pair that is also in `data.validation` or `data.test`, case and punctuation aside: as a pair, in whichever direction, or with either of its
    sides. Scores on known sentences say nothing; but with either, everyday sentences such as `Thank you.` are lost from training."""
    duplicates: Literal["keep", "exact", "folded"] = "exact"
    """Of pairs that are the same, keep the first only: exact, or folded, where case and punctuation do not count. This is tried last, over all corpora
    together; tags make a difference."""

    @model_validator(mode="after")
    def limits_agree(self) -> Self:
        if 0 < self.max_chars < self.min_chars:
            raise ValueError(f"min_chars ({self.min_chars}) is more than max_chars ({self.max_chars})")
        if 0 < self.max_char_ratio < 1:
            raise ValueError(f"max_char_ratio ({self.max_char_ratio}) is less than 1, which no pair can meet; 0 switches the rule off")
        return self
