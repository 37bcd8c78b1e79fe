"""Vocabularies of M2M100 and NLLB: one for all languages, with a token for each language."""

from pathlib import Path
from typing import Any, NamedTuple

from mtkit.interop.huggingface.files import (
    JOINT_MODEL_NAME,
    TOKENIZER_CONFIG_NAME,
    TOKENIZER_NAME,
    VOCAB_NAME,
    read_object,
    read_spm,
)
from mtkit.interop.huggingface.settings import ForeignSettings
from mtkit.interop.huggingface.tokenizer_json import TokenizerJson
from mtkit.interop.huggingface.vocabularies import (
    TREATMENT,
    ForeignVocabularies,
    token_text,
    tokens_by_id,
)
from mtkit.interop.obstacles import Obstacle, list_names
from mtkit.interop.vocabulary import (
    SpecialTexts,
    arrange_vocabulary,
    check_removed,
    merges_without_id,
)
from mtkit.io.tokenizer_files import read_settings, read_tokens
from mtkit.tokenizer.subword import Tokenizer

_M2M100_CODES = {
    "m2m100": (
        "af am ar ast az ba be bg bn br bs ca ceb cs cy da de el en es et fa ff fi fr fy ga gd "
        "gl gu ha he hi hr ht hu hy id ig ilo is it ja jv ka kk km kn ko lb lg ln lo lt lv mg "
        "mk ml mn mr ms my ne nl no ns oc or pa pl ps pt ro ru sd si sk sl so sq sr ss su sv sw "
        "ta th tl tn tr uk ur uz vi wo xh yi yo zh zu"
    ),
    "wmt21": "en ha is ja cs ru zh de",
}
"""Languages of M2M100Tokenizer, in the order of their ids, which follow those of vocab.json."""
_FAIRSEQ_TOKENS = ("<s>", "<pad>", "</s>", "<unk>")
"""First tokens of a vocabulary of fairseq."""
_N_SPM_SPECIAL = 3
"""Number of special tokens at the start of a SentencePiece model: <unk>, <s> and </s>."""
_ROLES = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)


class _Table(NamedTuple):
    """Ids of a vocabulary."""

    ids: dict[str, int]
    languages: list[str]
    """The tokens that select a language."""
    model: bytes | None
    """The SentencePiece model; None if an obstacle leaves none."""


def read_language_vocabulary(
    directory: Path, settings: ForeignSettings
) -> tuple[ForeignVocabularies | None, list[Obstacle]]:
    """Read the vocabulary of a model whose sources and targets begin with a language token.

    Returns:
        The vocabulary, or None if an obstacle leaves no meaningful one; and all obstacles.
    Raises:
        MtkitError: A file is missing or damaged.
    """
    obstacles: list[Obstacle] = []
    name = settings.tokenizer.get("tokenizer_class")
    has_table = (directory / VOCAB_NAME).exists() and not (directory / TOKENIZER_NAME).exists()
    if name == "M2M100Tokenizer" or (name is None and has_table):
        table = _m2m100_table(directory, settings, obstacles)
    else:
        table = _nllb_table(directory, settings, obstacles)
    size = settings.vocab_sizes[0]
    n_tokens = len(table.ids)
    # The matrices have further rows, so that their number is even.
    padding = {f"madeupword{i - n_tokens:04d}": i for i in range(n_tokens, size)}
    tokens = tokens_by_id({**table.ids, **padding}, size, "the tokenizer", obstacles)
    if obstacles or table.model is None:
        return None, obstacles
    if not table.languages:
        return None, [Obstacle("the tokenizer has no token that selects a language")]
    numbers = (settings.pad_id, settings.start_id, settings.eos_id)
    if max(numbers) >= n_tokens or "<unk>" not in table.ids:
        return None, [Obstacle("the tokenizer lacks one of <unk>, padding, start and end")]
    pad, start, eos = (tokens[number] for number in numbers)
    path = directory / JOINT_MODEL_NAME
    # The table of M2M100 lacks subwords that others are merged from.
    added = merges_without_id(table.model, frozenset(tokens))
    special = SpecialTexts(pad, "<unk>", start, eos)
    arranged = arrange_vocabulary(
        table.model, [*tokens, *added], special, table.languages, str(path), added
    )
    notes: list[str] = []
    if added:
        notes.append(f"{len(added):,} subwords of {path.name} have no id: {TREATMENT}")
    elif read_settings(table.model).type == "unigram":
        check_removed(arranged, table.model, path.name, TREATMENT, notes, obstacles)
    tokenizer = Tokenizer(arranged.subword, arranged.subword)
    tags = tuple(table.languages)
    return ForeignVocabularies(tokenizer, tags, notes, tags, len(added)), obstacles


def _m2m100_table(directory: Path, settings: ForeignSettings, obstacles: list[Obstacle]) -> _Table:
    """Read vocab.json, which the languages follow."""
    ids = read_object(directory / VOCAB_NAME)
    name = settings.tokenizer.get("language_codes", "m2m100")
    if name not in _M2M100_CODES:
        known = ", ".join(_M2M100_CODES)
        obstacles.append(Obstacle(f"language_codes is {str(name)[:80]!r}; mtkit has {known}"))
    languages = [f"__{code}__" for code in _M2M100_CODES.get(name, "").split()]
    ids |= {token: len(ids) + i for i, token in enumerate(languages)}
    return _Table(ids, languages, read_spm(directory / JOINT_MODEL_NAME))


def _nllb_table(directory: Path, settings: ForeignSettings, obstacles: list[Obstacle]) -> _Table:
    """Read tokenizer.json, or the SentencePiece model and the added tokens."""
    model_path = directory / JOINT_MODEL_NAME
    model = read_spm(model_path) if model_path.exists() else None
    if (directory / TOKENIZER_NAME).exists():
        tokenizer = TokenizerJson(read_object(directory / TOKENIZER_NAME))
        if model is None:
            model = tokenizer.sentencepiece_model(obstacles)
        ids, added = tokenizer.ids, tokenizer.special_tokens
        if words := tokenizer.added_words:
            obstacles.append(Obstacle(f"{TOKENIZER_NAME} adds the words {list_names(words)}"))
    elif model is None:
        text = f"there is neither {TOKENIZER_NAME} nor {JOINT_MODEL_NAME}"
        obstacles.append(Obstacle(text, "save the model with its tokenizer"))
        return _Table({}, [], None)
    else:
        pieces = read_tokens(model)[_N_SPM_SPECIAL:]
        ids = {token: i for i, token in enumerate((*_FAIRSEQ_TOKENS, *pieces))}
        found = _added_by_config(settings.tokenizer)
        if not found:
            obstacles.append(
                Obstacle(
                    f"the ids of the languages are not known: there is no {TOKENIZER_NAME}, and "
                    f"{TOKENIZER_CONFIG_NAME} has no added_tokens_decoder",
                    "load the tokenizer with transformers and save it again",
                )
            )
        ids, added = ids | found, list(found)
    roles = {*_FAIRSEQ_TOKENS, "<mask>", *(token_text(settings.tokenizer, name) for name in _ROLES)}
    return _Table(ids, [token for token in added if token not in roles], model)


def _added_by_config(tree: dict[str, Any]) -> dict[str, int]:
    added = tree.get("added_tokens_decoder")
    entries = added.items() if isinstance(added, dict) else ()
    return {
        entry["content"]: int(number)
        for number, entry in entries
        if number.isdecimal() and isinstance(entry, dict) and isinstance(entry.get("content"), str)
    }
