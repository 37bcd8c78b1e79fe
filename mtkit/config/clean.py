"""Recipe section `clean:`: text fixes and filters."""

from typing import Literal, Self

from pydantic import Field, model_validator

from mtkit.config.section import NonNegativeFloat, NonNegativeInt, Section

TestOverlap = Literal["off", "pair", "either"]
"""Pairs of held-out sets that are dropped from training: none, those that match on both sides, or
on either.
"""


class CleanConfig(Section):
    """Text fixes and pair filters, applied before tokenization. Recipe section `clean:`.

    The defaults drop almost nothing from good corpora.
    """

    invisible: bool = True
    """Remove invisible characters: control characters, byte order marks, soft hyphens, direction
    marks, zero-width spaces. U+0080 to U+009F become the characters of Windows-1252. On by default,
    since such characters only split words into rare subwords."""
    entities: bool = True
    """Replace HTML entities by their characters, except in quotation marks or backquotes, where a
    text quotes them. On by default, since a model would learn to write them."""
    normal_form: Literal["none", "NFC", "NFKC"] = "NFC"
    """Unicode normalization form. NFC gives characters that look the same the same encoding; NFKC
    also replaces full-width letters, …, ², ½ and the like in the training text, so that the model
    never writes them; see docs/concepts/unicode-normalization.md."""
    spaces: bool = True
    """Collapse each run of whitespace to one plain space and strip both ends. Line breaks within a
    text become spaces even if this is off."""
    min_chars: NonNegativeInt = 0
    """Minimum number of characters on each side of a pair; 0 is off, since short sentences are
    valid training data."""
    max_chars: NonNegativeInt = 2000
    """Maximum number of characters on each side of a pair; 0 is off. Far above the length of
    sentences: it guards against whole files in one line."""
    garbled: bool = True
    """Drop pairs with U+FFFD, which replaces a lost character, or with UTF-8 that was decoded as
    Windows-1252 (schÃ¶n). On by default, since a model would learn to write them."""
    min_letters: float = Field(default=0.2, ge=0.0, le=1.0)
    """Minimum share of letters among the characters of each side, spaces excluded; 0 is off. Low by
    default, since code and figures contain few letters."""
    min_script: float = Field(default=0.3, ge=0.0, le=1.0)
    """Minimum share of each side's letters that belong to a script of its language; 0 is off, as is
    an unknown language code. For scripts other than Latin a tenth of this suffices, and a side of
    only a few Latin letters is always kept, since names and code are written so."""
    wrong_language: bool = True
    """Drop pairs of which a side is in another language of the same script, as its frequent words
    show. Finds about two thirds of news sentences in a wrong language, half of captions and a fifth
    of sentences of five words, and nothing where the frequent words of a language are not known. On
    by default: it drops 3 of 535,000 correct German, English and French lines."""
    max_char_ratio: NonNegativeFloat = 3.0
    """Maximum ratio of the sides' widths, after 10 is added to both; 0 is off. Chinese, Japanese
    and Korean letters have width 2, others 1, which makes languages comparable; the 10 lets short
    texts differ."""
    min_copy_letters: NonNegativeInt = 20
    """Minimum number of letters for dropping a pair with the same text on both sides, ignoring case
    and punctuation; 0 is off, 1 drops every copy. Copied sentences teach a model to copy
    (Khayrallah and Koehn 2018), while names and short titles may be the same in both languages."""
    test_overlap: TestOverlap = "pair"
    """Drop pairs that also occur in `data.validation` or `data.test`, ignoring case and punctuation
    and in either direction (pair), or of which one side does (either). Training on test sentences
    inflates scores, but either also drops everyday sentences such as `Thank you.`"""
    duplicates: Literal["keep", "exact", "folded"] = "exact"
    """Keep only the first of equal pairs with equal tags, over all corpora: equal except for spaces
    at the ends (exact), or also except for case and punctuation (folded); keep drops none. Applied
    after all other rules."""

    @model_validator(mode="after")
    def limits_agree(self) -> Self:
        if 0 < self.max_chars < self.min_chars:
            raise ValueError(
                f"min_chars ({self.min_chars}) is more than max_chars ({self.max_chars})"
            )
        if 0 < self.max_char_ratio < 1:
            raise ValueError(
                f"max_char_ratio ({self.max_char_ratio}) is less than 1, "
                "which no pair can satisfy; 0 turns the rule off"
            )
        return self
