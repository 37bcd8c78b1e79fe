"""Vocabularies of a MarianTokenizer: SentencePiece models and tables of ids."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mtkit.interop.huggingface.files import (
    SRC_MODEL_NAME,
    TGT_MODEL_NAME,
    TGT_VOCAB_NAME,
    VOCAB_NAME,
    read_object,
    read_spm,
)
from mtkit.interop.huggingface.settings import ForeignSettings
from mtkit.interop.obstacles import Obstacle
from mtkit.interop.vocabulary import (
    TAG,
    SpecialTexts,
    arrange_vocabulary,
    check_removed,
)
from mtkit.tokenizer.subword import Tokenizer

TREATMENT = "transformers reads words with them as unknown, mtkit splits them into other subwords"
"""What becomes of the tokens of a SentencePiece model that have no id."""


class ForeignVocabularies(NamedTuple):
    """The tokenizer of a model."""

    tokenizer: Tokenizer
    tags: tuple[str, ...]
    """Tokens before a source, such as >>deu<<."""
    notes: list[str]
    tgt_tags: tuple[str, ...] = ()
    """Tokens that begin each translation, such as deu_Latn."""
    n_added: int = 0
    """Number of tokens at the end that the model does not have."""


def read_vocabularies(
    directory: Path, settings: ForeignSettings
) -> tuple[ForeignVocabularies | None, list[Obstacle]]:
    """Read the vocabularies of both sides.

    Returns:
        The vocabularies, or None if an obstacle leaves no meaningful ones; and all obstacles.
    Raises:
        MtkitError: A file is missing or damaged.
    """
    obstacles: list[Obstacle] = []
    is_separate = settings.tokenizer.get("separate_vocabs") is True
    src_tokens = _read_tokens(directory / VOCAB_NAME, settings.vocab_sizes[0], obstacles)
    tgt_tokens = src_tokens
    if is_separate:
        path = directory / TGT_VOCAB_NAME
        tgt_tokens = _read_tokens(path, settings.vocab_sizes[1], obstacles)
        if settings.model.tied_embeddings in ("inputs", "all"):
            obstacles.append(
                Obstacle("source and target share their embeddings, but not their vocabulary")
            )
    elif settings.vocab_sizes[0] != settings.vocab_sizes[1]:
        obstacles.append(
            Obstacle(
                f"vocab_size is {settings.vocab_sizes[0]} and decoder_vocab_size "
                f"{settings.vocab_sizes[1]}, but there is one {VOCAB_NAME}"
            )
        )
    if obstacles:
        return None, obstacles
    special = _special_texts(settings, src_tokens, tgt_tokens, is_separate, obstacles)
    if special is None:
        return None, obstacles
    models = [read_spm(directory / name) for name in (SRC_MODEL_NAME, TGT_MODEL_NAME)]
    tags = _tags(settings, src_tokens, {text for texts in special for text in texts})
    has_one_model = models[0] == models[1] and not is_separate
    path = directory / SRC_MODEL_NAME
    src = arrange_vocabulary(models[0], src_tokens, special[0], tags, str(path))
    tgt = src
    if not has_one_model:
        path = directory / TGT_MODEL_NAME
        tgt = arrange_vocabulary(models[1], tgt_tokens, special[1], (), str(path))
    notes: list[str] = []
    sides = [(SRC_MODEL_NAME, src, models[0]), (TGT_MODEL_NAME, tgt, models[1])]
    for name, arranged, model in sides[: 1 if has_one_model else 2]:
        check_removed(arranged, model, name, TREATMENT, notes, obstacles)
    return ForeignVocabularies(Tokenizer(src.subword, tgt.subword), tags, notes), obstacles


def _read_tokens(path: Path, vocab_size: int, obstacles: list[Obstacle]) -> list[str]:
    """Read a table of ids. Returns the tokens by id."""
    return tokens_by_id(read_object(path), vocab_size, path.name, obstacles)


def tokens_by_id(
    ids: dict[str, Any], vocab_size: int, name: str, obstacles: list[Obstacle]
) -> list[str]:
    """Return the tokens of a table in the order of their ids.

    Args:
        ids: The table.
        vocab_size: Number of tokens of the model.
        name: Name of the table in obstacles.
        obstacles: Receives what is wrong with the table.
    """
    tokens = sorted(ids, key=lambda token: ids[token] if type(ids[token]) is int else -1)
    if [ids[token] for token in tokens] != list(range(len(tokens))):
        obstacles.append(Obstacle(f"the ids of {name} are not 0 to {len(tokens) - 1:,}"))
    elif len(tokens) != vocab_size:
        obstacles.append(
            Obstacle(f"{name} has {len(tokens):,} tokens, but the model {vocab_size:,}")
        )
    elif "" in ids:
        obstacles.append(Obstacle(f"{name} has a token without text"))
    return tokens


def _special_texts(
    settings: ForeignSettings,
    src_tokens: Sequence[str],
    tgt_tokens: Sequence[str],
    is_separate: bool,
    obstacles: list[Obstacle],
) -> tuple[SpecialTexts, SpecialTexts] | None:
    unk, eos, pad = (
        token_text(settings.tokenizer, name, default)
        for name, default in (("unk_token", "<unk>"), ("eos_token", "</s>"), ("pad_token", "<pad>"))
    )
    ids = {"pad": settings.pad_id, "eos": settings.eos_id, "start": settings.start_id}
    if beyond := [name for name, token_id in ids.items() if token_id >= len(tgt_tokens)]:
        obstacles += [Obstacle(f"the {name} token {ids[name]} has no entry") for name in beyond]
        return None
    tgt = SpecialTexts(
        tgt_tokens[settings.pad_id], unk, tgt_tokens[settings.start_id], tgt_tokens[settings.eos_id]
    )
    src = SpecialTexts(pad, unk, pad, eos) if is_separate else tgt
    for name, texts, tokens in (VOCAB_NAME, src, src_tokens), (TGT_VOCAB_NAME, tgt, tgt_tokens):
        known = frozenset(tokens)
        obstacles += [
            Obstacle(f"{name} has no {text}")
            for text in dict.fromkeys(texts)
            if text not in known and (is_separate or name == VOCAB_NAME)
        ]
    if eos != tgt.eos:
        obstacles.append(Obstacle(f"eos_token is {eos}, but eos_token_id is that of {tgt.eos}"))
    return None if obstacles else (src, tgt)


def token_text(tree: dict[str, Any], name: str, default: str = "") -> str:
    """Return the text of a special token that tokenizer_config.json names."""
    value = tree.get(name)
    value = value.get("content") if isinstance(value, dict) else value
    return value if isinstance(value, str) else default


def _tags(
    settings: ForeignSettings, src_tokens: Sequence[str], special: set[str]
) -> tuple[str, ...]:
    named: list[str] = []
    for key in "additional_special_tokens", "extra_special_tokens":
        value = settings.tokenizer.get(key)
        named += [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
    known = frozenset(named)
    return tuple(
        token
        for token in src_tokens
        if (token in known or TAG.fullmatch(token)) and token not in special
    )
