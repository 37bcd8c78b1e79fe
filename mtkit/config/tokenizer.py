"""Recipe section `tokenizer:`: training of the subword tokenizer."""

from typing import Literal, Self

from pydantic import Field, model_validator

from mtkit.config.section import PositiveInt, RecipePath, Section, Seed


class TokenizerConfig(Section):
    """Training of the SentencePiece tokenizer. Recipe section `tokenizer:`."""

    type: Literal["unigram", "bpe", "char"] = "bpe"
    """Kind of subword model: bpe (Sennrich et al. 2016), unigram (Kudo 2018) or char (single
    characters)."""
    vocab_size: int = Field(default=8000, ge=8, le=1_000_000)
    """Vocabulary size in subwords, special tokens and byte tokens included; with separate
    vocabularies, the size of each."""
    joint: bool = True
    """Train one tokenizer on both sides (required by model.tied_embeddings inputs and all); if
    false, one for each side."""
    character_coverage: float = Field(default=1.0, ge=0.98, le=1.0)
    """Share of the characters of the training text that the vocabulary covers; 0.9995 suits Hangul,
    Han and kana."""
    byte_fallback: bool = True
    """Encode characters outside the vocabulary as UTF-8 bytes instead of the unknown token; takes
    256 entries of the vocabulary."""
    normalization: Literal["nfc", "nmt_nfkc", "nmt_nfkc_cf", "nfkc", "nfkc_cf", "identity"] = "nfc"
    """Unicode normalization of all text, which the output does not undo. nfc keeps ordinary text
    unchanged; the others are SentencePiece's rules: names with nfkc replace ㅋ, full-width ！, …, ²
    and many other characters by compatible ones, and names ending in _cf also fold case. See
    docs/concepts/unicode-normalization.md."""
    user_symbols: tuple[str, ...] = ()
    """Strings that are always one token, for example <2ko>."""
    max_sentences: PositiveInt = 2_000_000
    """Maximum number of lines to train on, drawn at random; bounds the memory used."""
    seed: Seed = 1
    """Random seed for drawing these lines."""
    init_from: RecipePath | None = None
    """Directory of a model or tokenizer whose vocabulary is reused with the same token ids; type,
    vocab_size, joint, byte_fallback and normalization are then taken from it. Default:
    training.init_from; null trains a new tokenizer."""
    extend: int = Field(default=0, ge=0, le=1_000_000)
    """Maximum number of subwords to add for characters and words of data.train that the vocabulary
    of init_from lacks; with separate vocabularies, the maximum for each."""

    @model_validator(mode="after")
    def extends_something(self) -> Self:
        if self.extend and self.init_from is None:
            raise ValueError(
                f"extend ({self.extend}) needs a vocabulary to extend; "
                "set tokenizer.init_from or training.init_from to the directory of its model"
            )
        return self
