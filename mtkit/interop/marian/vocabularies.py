"""Vocabularies of a Marian model: SentencePiece models, or tables of their subwords."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mtkit.errors import MtkitError
from mtkit.interop.foreign_files import read_bytes
from mtkit.interop.marian.package import Package
from mtkit.interop.marian.preprocess_script import SCRIPT_NAME
from mtkit.interop.marian.vocab_yml import read_vocab_yml
from mtkit.interop.obstacles import Obstacle
from mtkit.interop.vocabulary import (
    TAG,
    ArrangedVocabulary,
    SpecialTexts,
    arrange_vocabulary,
    check_removed,
)
from mtkit.io.tokenizer_files import CONTROL, TEXT, TYPE, UNKNOWN, read_entries, read_settings
from mtkit.tokenizer.normalization_rules import with_replacements
from mtkit.tokenizer.subword import MAX_MODEL_BYTES, Tokenizer

_EOS, _UNK, _PAD = "</s>", "<unk>", "<pad>"
_TABLES = (".yml", ".yaml", ".json")
_SPM_NAMES = {
    "source": ("source.spm", "src.spm", "source.model"),
    "target": ("target.spm", "trg.spm", "target.model"),
}
"""Names of the models that packages with tables split text with."""
_TREATMENT = "Marian reads them as unknown, mtkit splits their words into other subwords"
_OTHER_SPLITTERS = ("source.bpe", "source.bpe.model", "source.tcmodel")


class MarianVocabularies(NamedTuple):
    """The tokenizer of a model."""

    tokenizer: Tokenizer
    sizes: tuple[int, int]
    """Sizes of the source and the target vocabulary in Marian, which has no padding token."""
    tags: tuple[str, ...]
    """Tokens before a source, such as >>deu<<."""
    paths: tuple[Path, ...]
    """Files that were read."""
    notes: list[str]


class _Side(NamedTuple):
    """Subwords of one side and their ids."""

    tokens: list[str]
    """Tokens by id, without padding."""
    spm_path: Path
    spm_bytes: bytes
    unk: str
    eos: str


def read_vocabularies(
    package: Package, replacements: Mapping[str, str]
) -> tuple[MarianVocabularies | None, list[Obstacle]]:
    """Read the vocabularies of both sides.

    Args:
        package: The files.
        replacements: Text for characters that are replaced before subwords are found, on both
            sides: the training data of OPUS-MT was preprocessed in the same way on both.
    Returns:
        The vocabularies, or None if an obstacle leaves no meaningful ones; and all obstacles.
    Raises:
        MtkitError: A file is missing or damaged.
    """
    obstacles: list[Obstacle] = []
    src, tgt = (
        _read_side(path, side, obstacles)
        for path, side in zip(package.vocab_paths, ("source", "target"), strict=True)
    )
    if src is None or tgt is None:
        return None, obstacles
    if replacements:
        src, tgt = (_with_replacements(side, replacements) for side in (src, tgt))
    tags = tuple(
        token for token in src.tokens if TAG.fullmatch(token) and token not in (src.unk, src.eos)
    )
    is_one = src.spm_bytes == tgt.spm_bytes and src.tokens == tgt.tokens
    arranged = [_arrange(src, tags), _arrange(tgt, () if tags and not is_one else tags)]
    notes: list[str] = []
    for side, vocabulary in list(zip((src, tgt), arranged, strict=True))[: 1 if is_one else 2]:
        check_removed(vocabulary, side.spm_bytes, side.spm_path.name, _TREATMENT, notes, obstacles)
    if obstacles:
        return None, obstacles
    tokenizer = Tokenizer(arranged[0].subword, arranged[0 if is_one else 1].subword)
    paths = dict.fromkeys((*package.vocab_paths, src.spm_path, tgt.spm_path))
    sizes = len(src.tokens), len(tgt.tokens)
    return MarianVocabularies(tokenizer, sizes, tags, tuple(paths), notes), obstacles


def _with_replacements(side: _Side, replacements: Mapping[str, str]) -> _Side:
    normalization = read_settings(side.spm_bytes, str(side.spm_path)).normalization or "custom"
    name = f"{normalization} + {SCRIPT_NAME}"
    return side._replace(spm_bytes=with_replacements(side.spm_bytes, replacements, name))


def _read_side(path: Path, side: str, obstacles: list[Obstacle]) -> _Side | None:
    if path.suffix == ".spm":
        return _read_spm(path)
    if path.suffix not in _TABLES:
        obstacles.append(
            Obstacle(
                f"the vocabulary {path.name} is of a kind that mtkit does not read; it reads .spm "
                "and .yml"
            )
        )
        return None
    tokens = _read_table(path, obstacles)
    folder = path.parent
    spm_path = next((folder / name for name in _SPM_NAMES[side] if (folder / name).exists()), None)
    if spm_path is None:
        others = [name for name in _OTHER_SPLITTERS if (folder / name).exists()]
        how = f"it is split with {others[0]}" if others else f"there is no {_SPM_NAMES[side][0]}"
        obstacles.append(
            Obstacle(
                f"the {side} is not split into subwords by a SentencePiece model: {how}",
                f"copy the SentencePiece model of the {side} to {_SPM_NAMES[side][0]}, if there "
                "is one",
            )
        )
        return None
    if tokens is None:
        return None
    return _Side(tokens, spm_path, read_bytes(spm_path, MAX_MODEL_BYTES), _UNK, _EOS)


def _read_spm(path: Path) -> _Side:
    """Read a vocabulary that is a SentencePiece model, whose ids are Marian's."""
    content = read_bytes(path, MAX_MODEL_BYTES)
    read_settings(content, str(path))
    entries = read_entries(content)
    tokens = [entry[TEXT].decode() for entry in entries]
    unk = [text for text, entry in zip(tokens, entries, strict=True) if entry.get(TYPE) == UNKNOWN]
    controls = [
        text for text, entry in zip(tokens, entries, strict=True) if entry.get(TYPE) == CONTROL
    ]
    if not unk or _EOS not in controls:
        raise MtkitError(
            f"`{path}`: has no {_EOS} or no unknown token",
            "give the model that Marian was run with",
        )
    return _Side(tokens, path, content, unk[0], _EOS)


def _read_table(path: Path, obstacles: list[Obstacle]) -> list[str] | None:
    """Return the tokens of a table by id."""
    ids = read_vocab_yml(path)
    tokens = sorted(ids, key=ids.__getitem__)
    n_before = len(obstacles)
    if [ids[token] for token in tokens] != list(range(len(tokens))):
        obstacles.append(Obstacle(f"the ids of {path.name} are not 0 to {len(tokens) - 1:,}"))
    obstacles += [
        Obstacle(f"{path.name} has no {text}") for text in (_EOS, _UNK) if text not in ids
    ]
    if "" in ids:
        obstacles.append(Obstacle(f"{path.name} has a token without text"))
    return tokens if len(obstacles) == n_before else None


def _arrange(side: _Side, tags: Sequence[str]) -> ArrangedVocabulary:
    pad = _PAD
    while pad in side.tokens:
        pad = f"<{pad}>"
    special = SpecialTexts(pad=pad, unk=side.unk, bos=pad, eos=side.eos)
    return arrange_vocabulary(
        side.spm_bytes, [*side.tokens, pad], special, tags, str(side.spm_path)
    )
