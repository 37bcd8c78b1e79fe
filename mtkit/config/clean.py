"""Recipe section `clean:`: repairs of the text, and rules for dropping pairs."""

from typing import Literal, Self

from pydantic import Field, model_validator

from mtkit.config.section import NonNegativeFloat, NonNegativeInt, Section


class CleanConfig(Section):
    """How training text is repaired and which pairs are dropped, before tokenization.

    Recipe section `clean:`.

    The defaults drop almost nothing from good corpora.

    """

    invisible: bool = True
    """Remove invisible characters: control characters, byte order marks, soft hyphens, direction
    marks, zero-width spaces. U+0080 to U+009F are replaced by the characters of Windows-1252. On by
    default, since such characters only split words into rare subwords."""
    entities: bool = True
    """Replace HTML entities by the characters they stand for, except in quotation marks or
    backquotes, where a text is about entities. On by default, since a model would learn to write
    them."""
    normal_form: Literal["none", "NFC", "NFKC"] = "NFC"
    """Unicode normal form. NFC makes text equal that looks equal; NFKC also replaces full-width
    letters, …, ², ½ and similar characters in the training text, so the model never writes them;
    see docs/concepts/unicode-normalization.md."""
    spaces: bool = True
    """Replace each run of spaces of any kind by one plain space, and strip spaces at the ends. Line
    breaks within a text become spaces in any case."""
    min_chars: NonNegativeInt = 0
    """Drop a pair with fewer characters on a side; 0 is off, since short sentences are useful
    too."""
    max_chars: NonNegativeInt = 2000
    """Drop a pair with more characters on a side; 0 is off. Far longer than sentences: it guards
    against whole files in one line."""
    garbled: bool = True
    """Drop a pair with U+FFFD, which replaces a lost character, or with UTF-8 that was decoded as
    Windows-1252 (schÃ¶n). On by default, since a model would learn to write it."""
    min_letters: float = Field(default=0.2, ge=0.0, le=1.0)
    """Drop a pair with a side in which letters are a smaller share of the characters, not counting
    spaces; 0 is off. Low, since code and figures contain few letters."""
    min_script: float = Field(default=0.3, ge=0.0, le=1.0)
    """Drop a pair with a side in which letters of its language's scripts are a smaller share of the
    letters; 0 is off, as is an unknown language code. If the script is not Latin, a tenth of it is
    required, and a side of a few Latin letters is accepted: names and code are written so."""
    max_char_ratio: NonNegativeFloat = 3.0
    """Drop a pair with a side that is wider than this many times the other, after adding 10 to
    both; 0 is off. Chinese, Japanese and Korean letters have width 2, others width 1, which makes
    languages comparable; the 10 lets short texts differ."""
    min_copy_letters: NonNegativeInt = 20
    """Drop a pair with equal sides (ignoring case and punctuation) if it has at least this many
    letters; 0 is off, 1 drops every copy. Copied sentences teach a model to copy (Khayrallah and
    Koehn 2018), while names and short titles may well be equal."""
    test_overlap: Literal["off", "pair", "either"] = "pair"
    """Drop a pair that is also in `data.validation` or `data.test`, ignoring case and punctuation,
    in either direction; either: also a pair with one side in common. Known sentences inflate
    scores, but either also drops everyday sentences such as `Thank you.`"""
    duplicates: Literal["keep", "exact", "folded"] = "exact"
    """Keep only the first of equal pairs with equal tags, over all corpora: equal except for spaces
    at the ends (exact), or ignoring case and punctuation (folded). The last rule to be applied."""

    @model_validator(mode="after")
    def limits_agree(self) -> Self:
        if 0 < self.max_chars < self.min_chars:
            raise ValueError(
                f"min_chars ({self.min_chars}) is more than max_chars ({self.max_chars})"
            )
        if 0 < self.max_char_ratio < 1:
            raise ValueError(
                f"max_char_ratio ({self.max_char_ratio}) is less than 1, which drops every pair; 0 "
                "switches the rule off"
            )
        return self
