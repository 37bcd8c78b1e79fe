"""Recipe section `tokenizer:`: how text is split into subwords."""

from typing import Literal, Self

from pydantic import Field, model_validator

from mtkit.config.section import PositiveInt, RecipePath, Section, Seed


class TokenizerConfig(Section):
    """How SentencePiece is trained. Recipe section `tokenizer:`."""

    type: Literal["unigram", "bpe", "char"] = "bpe"
    """Type of model: bpe (Sennrich et al. 2016), unigram (Kudo 2018) or char."""
    vocab_size: int = Field(default=8000, ge=8, le=1_000_000)
    """Vocabulary size, including special tokens and bytes; per side if each side has its own
    model."""
    joint: bool = True
    """One model for both sides (required for three-way tied embeddings), or one for each."""
    character_coverage: float = Field(default=1.0, ge=0.98, le=1.0)
    """Share of the characters in the corpus that become tokens; 0.9995 suits Hangul, Han and
    kana."""
    byte_fallback: bool = True
    """Encode unseen characters as bytes, so that there are no unknown tokens. Takes 256 tokens of
    the vocabulary."""
    normalization: Literal["nfc", "nmt_nfkc", "nmt_nfkc_cf", "nfkc", "nfkc_cf", "identity"] = "nfc"
    """Unicode normalization of all text, which cannot be undone after translation. nfc keeps
    ordinary text; the others are those of SentencePiece: names with nfkc replace ㅋ, full-width ！,
    …, ² and many more, names ending in _cf also fold case. See
    docs/concepts/unicode-normalization.md."""
    user_symbols: tuple[str, ...] = ()
    """Strings that are never split, for example <2ko>."""
    max_sentences: PositiveInt = 2_000_000
    """Train on at most this many lines, drawn at random; limits memory."""
    seed: Seed = 1
    """Seed of that draw."""
    init_from: RecipePath | None = None
    """Directory of a model or tokenizer whose vocabulary is used, with the same ids; type,
    vocab_size, joint, byte_fallback and normalization are then taken from it. Default:
    training.init_from; null trains a new tokenizer."""
    extend: int = Field(default=0, ge=0, le=1_000_000)
    """Add at most this many tokens for characters and words of data.train that are missing in the
    vocabulary of init_from; per side if each side has its own model."""

    @model_validator(mode="after")
    def extends_something(self) -> Self:
        if self.extend and self.init_from is None:
            raise ValueError(
                f"extend ({self.extend}) needs a vocabulary to extend; give its model as "
                "tokenizer.init_from or training.init_from"
            )
        return self
