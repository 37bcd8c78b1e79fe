"""Recipe section `clean:`: which pairs are mended, and which are left out."""

from typing import Literal, Self

from pydantic import Field, model_validator

from mtkit.config.section import NonNegativeFloat, NonNegativeInt, Section


class CleanConfig(Section):
    """How training text is mended and which pairs are left out, before it is tokenised. Recipe section `clean:`.

    The defaults take next to nothing from sound corpora.
    """

    invisible: bool = True
    """Take out what nobody sees: control characters, byte order marks, soft hyphens, direction marks, zero-width spaces. U+0080 to U+009F become what
    Windows-1252 means by them. On, since such characters only split words into rare pieces."""
    entities: bool = True
    """Write HTML entities as the characters they stand for, except in quotation marks or backquotes, where a text speaks about them. On, since a
    model would learn to write them."""
    normal_form: Literal["none", "NFC", "NFKC"] = "NFC"
    """Unicode's normal form. NFC makes equal what looks equal; NFKC also replaces full-width letters, …, ², ½ and the like in the training text, so
    that the model never writes them; see docs/concepts/unicode-normalization.md."""
    spaces: bool = True
    """Write one plain space for each run of spaces of any kind, and none at the ends. Line breaks within a text become spaces even without it."""
    min_chars: NonNegativeInt = 0
    """Drop a pair with fewer characters on a side; 0 is off, since short sentences are sentences."""
    max_chars: NonNegativeInt = 2000
    """Drop a pair with more characters on a side; 0 is off. Far above sentences: it guards against whole files in one line."""
    garbled: bool = True
    """Drop a pair with U+FFFD, which stands for a lost character, or with UTF-8 that was read as Windows-1252 (schÃ¶n). On, since a model would learn
    to write it."""
    min_letters: float = Field(default=0.2, ge=0.0, le=1.0)
    """Drop a pair with a side where letters are a smaller share of the characters, spaces aside; 0 is off. Low, since code and figures hold few."""
    min_script: float = Field(default=0.3, ge=0.0, le=1.0)
    """Drop a pair with a side where letters of its language's scripts are a smaller share of the letters; 0 is off, as is a language code that is not
    known. Where the script is not Latin, a tenth of it is asked, and nothing of a side of a few Latin letters: names and code are written so."""
    max_char_ratio: NonNegativeFloat = 3.0
    """Drop a pair with a side that is wider than this many times the other, once 10 is added to both; 0 is off. Chinese, Japanese and Korean letters
    are two wide, others one, which makes languages alike; the 10 lets short texts differ."""
    min_copy_letters: NonNegativeInt = 20
    """Drop a pair with the same text on both sides, but for case and punctuation, if it has this many letters; 0 is off, 1 drops every copy. Copied
    sentences teach a model to copy (Khayrallah and Koehn 2018), while names and short titles may well be the same."""
    test_overlap: Literal["off", "pair", "either"] = "pair"
    """Drop a pair that is also in `data.validation` or `data.test`, but for case and punctuation and in either direction; either: also a pair of
    which one side is. Known sentences make scores too good, but with either, everyday sentences such as `Thank you.` are lost."""
    duplicates: Literal["keep", "exact", "folded"] = "exact"
    """Keep only the first of equal pairs with equal tags, over all corpora: equal but for spaces at the ends (exact), or but for case and punctuation
    too (folded). The last rule that is tried."""

    @model_validator(mode="after")
    def limits_agree(self) -> Self:
        if 0 < self.max_chars < self.min_chars:
            raise ValueError(
                f"min_chars ({self.min_chars}) is more than max_chars ({self.max_chars})"
            )
        if 0 < self.max_char_ratio < 1:
            raise ValueError(
                f"max_char_ratio ({self.max_char_ratio}) is less than 1, which no pair can meet; 0 switches the rule off"
            )
        return self
