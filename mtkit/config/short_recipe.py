"""A recipe with only the most important keys, for people to read and edit."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mtkit.config.data import CorpusSource
from mtkit.config.dump import flow_yaml
from mtkit.config.recipe import Recipe
from mtkit.config.section import Section

_MAIN_KEYS = frozenset(
    {
        "tokenizer.vocab_size",
        "batches.max_tokens",
        *(
            f"model.{name}"
            for name in (
                "d_model",
                "n_heads",
                "d_ff",
                "n_encoder_layers",
                "n_decoder_layers",
                "dropout",
            )
        ),
        *(f"training.{name}" for name in ("max_steps", "learning_rate", "warmup_steps")),
        "validation.every_steps",
    }
)
"""Keys that are written even with their default values."""
_ORDER = ("tokenizer", "preprocess", "model", "batches", "training", "validation")
"""Sections in the order of decisions; others follow."""
_MAX_ALIGNED = 60
"""Longer entries do not affect the alignment of the comments."""
_HEAD = """\
# The main settings of a translation model. docs/reference/recipe.md explains these and all other
# keys, which have their default values. `mtkit init --full` writes every key, and
# `mtkit train recipe.yaml --show-recipe` prints all of them as they will be used.
"""


def short_recipe(recipe: Recipe, reasons: Mapping[str, str] | None = None) -> str:
    """Return a recipe with its main keys and all others that differ from their defaults.

    Each key has a short comment. Reading the text gives the same settings as the full recipe.

    Args:
        recipe: Its relative paths are written unchanged.
        reasons: Reason for the value of a key, by its dotted name; replaces the explanation.
    """
    reasons = reasons or {}
    names = [*_ORDER, *(name for name in Recipe.model_fields if name not in ("data", *_ORDER))]
    sections = [("data", list(_data_entries(recipe, reasons)))] + [
        (name, list(_entries(name, getattr(recipe, name), reasons))) for name in names
    ]
    return _HEAD + "".join(
        f"\n{name}:\n" + "".join(_aligned(entries)) for name, entries in sections if entries
    )


def _data_entries(recipe: Recipe, reasons: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    data = recipe.data
    yield f"src_lang: {flow_yaml(data.src_lang)}", "source language"
    yield f"tgt_lang: {flow_yaml(data.tgt_lang)}", "target language"
    yield (
        f"train: {_corpora(data.train)}",
        "line N of one file translates line N of the other; paths are relative to this file",
    )
    if data.validation:
        yield (
            f"validation: {_corpora(data.validation)}",
            reasons.get(
                "data.validation", "the best checkpoint is selected by it; never train on it"
            ),
        )
    else:
        yield (
            "# validation: {src: FILE, tgt: FILE}",
            "without it, the best checkpoint cannot be selected",
        )
    yield from _entries(
        "data", data, reasons, written=("src_lang", "tgt_lang", "train", "validation")
    )


def _entries(
    name: str, section: Section, reasons: Mapping[str, str], written: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
    for key, field in type(section).model_fields.items():
        value, dotted = getattr(section, key), f"{name}.{key}"
        if key not in written and (dotted in _MAIN_KEYS or _differs(section, key)):
            yield (
                f"{key}: {_value(value)}",
                reasons.get(dotted) or _first_clause(field.description or ""),
            )


def _corpora(sources: tuple[CorpusSource, ...]) -> str:
    return _value(sources[0] if len(sources) == 1 else sources)


def _value(value: Any) -> str:
    if isinstance(value, Section):
        keys = [key for key in type(value).model_fields if _differs(value, key)]
        return f"{{{', '.join(f'{key}: {_value(getattr(value, key))}' for key in keys)}}}"
    if isinstance(value, tuple) and any(isinstance(item, Section) for item in value):
        return f"[{', '.join(map(_value, value))}]"
    return flow_yaml(value)


def _differs(section: Section, key: str) -> bool:
    field, value = type(section).model_fields[key], getattr(section, key)
    # The default of a path is a string.
    return (
        field.is_required()
        or (str(value) if isinstance(value, Path) else value) != field.get_default()
    )


def _first_clause(text: str) -> str:
    """Return the first clause of the explanation of a key, without the full stop."""
    clause = re.split(r"[;:.](?:\s|$)| \(", " ".join(text.split()), maxsplit=1)[0]
    return clause[:1].lower() + clause[1:]


def _aligned(entries: list[tuple[str, str]]) -> Iterator[str]:
    width = max((len(entry) for entry, _ in entries if len(entry) <= _MAX_ALIGNED), default=0)
    for entry, comment in entries:
        yield f"  {entry:<{width}}  # {comment}\n" if comment else f"  {entry}\n"
