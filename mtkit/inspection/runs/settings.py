"""Settings of runs: flat, compared with each other and with the defaults."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml.error import YAMLError

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.config.dump import flatten
from mtkit.config.load import parse_yaml
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.io.atomic import os_error_reason

SEED = "training.seed"
_MAX_BYTES = 1 << 20
_WITHOUT_EFFECT = {
    "data.work_dir",
    "training.trackers",
    "training.log_every_steps",
    "training.keep_last",
    "validation.keep_best",
    "batches.n_workers",
    "batches.n_prefetch",
}
"""Settings that do not change the weights: what is written and how fast."""
SIGNATURES = ("training data", "tokenizer")
"""Hashes in identity.json; they also differ if files have changed under the same name."""
_DATA_SECTIONS = ("data.train", "clean.", "tokenizer.", "preprocess.", "data.src", "data.tgt")


def read_settings(path: Path) -> dict[str, Any]:
    """Read a resolved recipe as flat settings, such as `training.learning_rate`.

    It is not validated, so that recipes of other releases can be compared too.

    Raises:
        MtkitError: The file is missing or not a recipe.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise MtkitError(f"{path.name} is not a recipe")
        tree = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MtkitError(f"{path.name} is missing") from None
    except OSError as exc:
        raise MtkitError(f"{path.name} cannot be read: {os_error_reason(exc)}") from None
    except (YAMLError, ValueError):
        raise MtkitError(f"{path.name} is damaged") from None
    if not isinstance(tree, dict) or not all(isinstance(key, str) for key in tree):
        raise MtkitError(f"{path.name} is damaged")
    return flatten(tree)


def changes_from_defaults(settings: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the settings that differ from their defaults, and those without a default.

    Returns:
        Value and default by key; the default is None if there is none.
    """
    defaults = _defaults()
    changes = {}
    for key, value in settings.items():
        default = defaults.get(re.sub(r"^data\.(train|validation|test)\.\d+", "corpus", key))
        if value != default:
            changes[key] = (value, default)
    return changes


def _defaults() -> dict[str, Any]:
    """Return the default of each flat key; those of a corpus are named `corpus.*`."""
    tree: dict[str, Any] = {}
    for name, field in Recipe.model_fields.items():
        if not field.is_required():
            tree[name] = field.get_default().model_dump(mode="json")
    for name, section in {"data": DataConfig, "corpus": CorpusSource}.items():
        fields = section.model_fields.items()
        tree[name] = {key: _plain(field.get_default()) for key, field in fields}
    return flatten(tree)


def _plain(default: Any) -> Any:
    """Return a default as YAML gives it; None for a required field."""
    if isinstance(default, tuple):
        return list(default)
    return default if isinstance(default, int | float | str | bool | None) else None


def same_but_for_the_seed(settings: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return a key that is equal for runs that differ in the seed alone.

    Settings without effect on the weights may differ, too.
    """
    ignored = {SEED, *_WITHOUT_EFFECT}
    return tuple(
        (key, repr(value)) for key, value in sorted(settings.items()) if key not in ignored
    )


def differing_keys(all_settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys in which some settings differ, except for the seed and those without effect.

    Signatures are named only if the settings of the data do not explain why they differ.
    """
    keys = dict.fromkeys(key for settings in all_settings for key in settings)
    differing = [
        key
        for key in keys
        if key not in (SEED, *_WITHOUT_EFFECT)
        and _differ(settings.get(key) for settings in all_settings)
    ]
    explained = any(key.startswith(_DATA_SECTIONS) for key in differing)
    return [key for key in differing if not (explained and key in SIGNATURES)]


def _differ(values: Iterable[Any]) -> bool:
    first, *others = map(repr, values)
    return any(value != first for value in others)


def short_names(keys: Sequence[str]) -> list[str]:
    """Return the last parts of keys, as many as tell them apart."""
    names = [key.rpartition(".")[2] for key in keys]
    return [
        key if names.count(name) > 1 or name.isdecimal() else name
        for key, name in zip(keys, names, strict=True)
    ]


def shown(value: Any) -> str:
    """Return a value for a table: plain text; a path by its end, a hash by its beginning."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(map(shown, value)) or "none"
    text = str(value)
    if match := re.fullmatch(r"([0-9a-f]{12})[0-9a-f]{28,52}(\+changes)?", text):
        return match[1] + (match[2] or "")
    return text if len(text) <= _MAX_SHOWN else f"…{text[-_MAX_SHOWN:]}"


_MAX_SHOWN = 40
