"""Recipe section `tokenizer:`: how text becomes pieces."""

from typing import Literal, Self

from pydantic import Field, model_validator

from mtkit.config.section import PositiveInt, RecipePath, Section, Seed


class TokenizerConfig(Section):
    """How SentencePiece is trained. Recipe section `tokenizer:`."""

    type: Literal["unigram", "bpe", "char"] = "bpe"
    """Kind of model: bpe (Sennrich et al. 2016), unigram (Kudo 2018) or char."""
    vocab_size: int = Field(default=8000, ge=8, le=1_000_000)
    """Number of pieces, special and byte pieces included; per side when the sides are separate."""
    joint: bool = True
    """One model for both sides (needed for three-way tied embeddings), or one for each."""
    character_coverage: float = Field(default=1.0, ge=0.98, le=1.0)
    """Share of the characters in the corpus that get a piece of their own; 0.9995 suits Hangul, Han and kana."""
    byte_fallback: bool = True
    """Spell unseen characters as bytes, so that nothing becomes an unknown piece. Takes 256 pieces."""
    normalization: Literal["nfc", "nmt_nfkc", "nmt_nfkc_cf", "nfkc", "nfkc_cf", "identity"] = "nfc"
    """Unicode normalisation of all text, which the model then cannot undo. nfc keeps ordinary text; the others are SentencePiece's: those with nfkc
    replace ㅋ, full-width ！, …, ² and many more, those ending in _cf also fold case. See docs/concepts/unicode-normalization.md."""
    user_symbols: tuple[str, ...] = ()
    """Strings that are never split, for example <2ko>."""
    max_sentences: PositiveInt = 2_000_000
    """Train on at most this many lines, drawn at random; bounds the memory."""
    seed: Seed = 1
    """Seed of that draw."""
    init_from: RecipePath | None = None
    """Folder of a model or tokenizer whose vocabulary is taken over, every piece with its id; type, vocab_size, joint, byte_fallback and
    normalization are then its own. By default training.init_from; with null a tokenizer is trained anew."""
    extend: int = Field(default=0, ge=0, le=1_000_000)
    """Add at most this many pieces for characters and words of data.train that the vocabulary of init_from lacks; per side when the sides are
    separate."""

    @model_validator(mode="after")
    def extends_something(self) -> Self:
        if self.extend and self.init_from is None:
            raise ValueError(
                f"extend ({self.extend}) needs a vocabulary to extend; name its model as tokenizer.init_from or training.init_from"
            )
        return self
