"""Recipe section `tokenizer:`: how text becomes pieces."""

from typing import Literal

from pydantic import Field, PositiveInt

from mtkit.config.section import Section


class TokenizerConfig(Section):
    """How SentencePiece is trained. Recipe section `tokenizer:`."""

    type: Literal["unigram", "bpe", "char"] = "bpe"
    """Kind of model: bpe (Sennrich et al. 2016), unigram (Kudo 2018) or char."""
    vocab_size: int = Field(default=8000, ge=8)
    """Number of pieces, special and byte pieces included; per side when the sides are separate."""
    joint: bool = True
    """One model for both sides (needed for three-way tied embeddings), or one for each."""
    character_coverage: float = Field(default=1.0, ge=0.98, le=1.0)
    """Share of the characters in the corpus that get a piece of their own; 0.9995 suits Hangul, Han and kana."""
    byte_fallback: bool = True
    """Spell unseen characters as bytes, so that nothing becomes an unknown piece. Takes 256 pieces."""
    normalization: Literal["nmt_nfkc", "nmt_nfkc_cf", "nfkc", "nfkc_cf", "identity"] = "nmt_nfkc"
    """SentencePiece's Unicode normalisation; the ones ending in _cf fold case."""
    user_symbols: tuple[str, ...] = ()
    """Strings that are never split, for example <2ko>."""
    max_sentences: PositiveInt = 2_000_000
    """Train on at most this many lines, drawn at random; bounds the memory."""
    seed: int = Field(default=1, ge=0)
    """Seed of that draw."""
