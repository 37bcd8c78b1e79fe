"""Short, commented recipes to read and edit, with the most important keys only."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mtkit.config.data import CorpusSource
from mtkit.config.dump import MAX_COLUMNS, comment_lines, flow_yaml
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
"""Keys that are always written, even with their defaults."""
_ORDER = ("tokenizer", "preprocess", "model", "batches", "training", "validation")
"""Sections in the order in which people decide about them; the others follow."""
_MAX_ALIGNED = 60
"""Maximum width of an entry that the comments of all entries are aligned to."""
_HEAD = """\
# The main settings of a translation model; all other keys have their defaults, and
# docs/reference/recipe.md explains them. `mtkit init --full` writes every key, and
# `mtkit train recipe.yaml --show-recipe` prints the values of all keys.
"""


def short_recipe(recipe: Recipe, reasons: Mapping[str, str] | None = None) -> str:
    """Return a recipe with its main keys and all changed keys, each with a comment.

    Reading it gives the same settings as reading the recipe with all keys.

    Args:
        recipe: The recipe; its relative paths are written unchanged.
        reasons: Reasons for the values, by dotted key; each replaces the key's help.
    """
    reasons = reasons or {}
    names = [*_ORDER, *(name for name in Recipe.model_fields if name not in ("data", *_ORDER))]
    sections = [("data", list(_data_entries(recipe, reasons)))] + [
        (name, list(_entries(name, getattr(recipe, name), reasons))) for name in names
    ]
    return _HEAD + "".join(
        "\n".join(("", f"{name}:", *_commented(entries), ""))
        for name, entries in sections
        if entries
    )


def absolute_paths(recipe: Recipe) -> Recipe:
    """Return a recipe whose paths are absolute, so that it can be written to any directory."""
    return Recipe.model_validate(recipe.model_dump(), context={"base_dir": Path.cwd()})


def recipe_text(recipe: Recipe, heading: str, reasons: Mapping[str, str] | None = None) -> str:
    """Return a short recipe as YAML.

    Args:
        recipe: The recipe.
        heading: Comment at its start.
        reasons: See `short_recipe`.
    """
    return f"# {heading}\n{short_recipe(recipe, reasons)}"


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
            reasons.get("data.validation", "selects the best checkpoint; never train on it"),
        )
    else:
        yield "# validation: {src: FILE, tgt: FILE}", "without it, no best checkpoint is selected"
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
        changed = [key for key in type(value).model_fields if _differs(value, key)]
        return f"{{{', '.join(f'{key}: {_value(getattr(value, key))}' for key in changed)}}}"
    if isinstance(value, tuple) and any(isinstance(item, Section) for item in value):
        return f"[{', '.join(map(_value, value))}]"
    return flow_yaml(value)


def _differs(section: Section, key: str) -> bool:
    field, value = type(section).model_fields[key], getattr(section, key)
    # Defaults of paths are strings.
    return (
        field.is_required()
        or (str(value) if isinstance(value, Path) else value) != field.get_default()
    )


def _first_clause(text: str) -> str:
    """Return the first clause of a key's help, without the full stop."""
    clause = re.split(r"[;:.](?:\s|$)| \(", " ".join(text.split()), maxsplit=1)[0]
    return clause[:1].lower() + clause[1:]


def _commented(entries: list[tuple[str, str]]) -> Iterator[str]:
    """Yield the lines of a section, with aligned comments; a long comment is above its entry."""
    width = max((len(entry) for entry, _ in entries if len(entry) <= _MAX_ALIGNED), default=0)
    for entry, comment in entries:
        line = f"  {entry:<{width}}  # {comment}"
        if comment and len(line) <= MAX_COLUMNS:
            yield line
        else:
            yield from comment_lines(comment, "  ")
            yield f"  {entry}"
