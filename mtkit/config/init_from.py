"""Settings inherited from the model that training starts from, read from its directory."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from mtkit.config.model import ModelConfig
from mtkit.config.section import Section
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.errors import MtkitError
from mtkit.io.find_model import CONFIG_NAME, refuse_no_model
from mtkit.io.tokenizer_files import find_model_files, have_same_tokens, read_settings

_FREE = frozenset(
    {"dropout", "attention_dropout", "activation_dropout", "layer_drop", "init", "max_positions"}
)
_TIES = {
    "all": ("all", "output", "inputs", "none"),
    "output": ("output", "none"),
    "inputs": ("inputs", "none"),
    "none": ("none",),
}
"""Compatible values of tied_embeddings, by the other model's: a shared matrix may be split, but
separate matrices cannot be merged."""


def take_over(tree: Any, resolve: Callable[[Any], Any]) -> Any:
    """Fill a recipe's tree with the settings that training.init_from and tokenizer.init_from imply.

    Keys of `model:` that the recipe does not set are copied from the model; its tokenizer is kept
    unless tokenizer.init_from names another one or is null. A missing directory is not an error if
    the recipe sets all keys itself, as the recipe in a run directory does.

    Args:
        tree: The recipe before validation.
        resolve: Converts a text in the recipe to the path that it names.
    Raises:
        ValueError: A directory is missing or not that of a model, or the recipe sets other values
            than the model has; all such keys are listed.
    """
    sections = (
        {name: _given(tree.get(name)) for name in ("model", "tokenizer", "training")}
        if isinstance(tree, dict)
        else {}
    )
    model, tokenizer, training = (sections.get(name) for name in ("model", "tokenizer", "training"))
    if model is None or tokenizer is None or training is None:
        return tree
    tokenizer = {"init_from": training.get("init_from")} | tokenizer
    start, vocabulary = resolve(training.get("init_from")), resolve(tokenizer["init_from"])
    if start is None and vocabulary is None:
        return tree
    differing: list[str] = []
    if isinstance(start, str | Path) and not _needs_nothing(Path(start), model, ModelConfig):
        theirs = _with_key(read_model_section, Path(start), "training.init_from")
        differing += differences(model, theirs)
        model = theirs | model
    if isinstance(vocabulary, str | Path) and not _needs_nothing(
        Path(vocabulary), tokenizer, TokenizerConfig
    ):
        theirs = _with_key(_read_tokenizer, Path(vocabulary), "tokenizer.init_from")
        differing += _tokenizer_differences(tokenizer, theirs)
        tokenizer = theirs | tokenizer
    if differing:
        raise ValueError(
            f"different from the initial model: {', '.join(differing)}; leave these keys out"
        )
    return tree | {"model": model, "tokenizer": tokenizer}


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """Return the keys, with values, that keep a model from starting with another model's weights.

    Args:
        ours: Keys of the new model's section `model:`; missing keys do not differ.
        theirs: All keys of the other model's section.
    """
    differing = [
        name
        for name, value in ours.items()
        if name in theirs and name not in _FREE and value != theirs[name]
    ]
    if (
        "tied_embeddings" in differing
        and ours["tied_embeddings"] in _TIES[theirs["tied_embeddings"]]
    ):
        differing.remove("tied_embeddings")
    return [f"model.{name} ({ours[name]} here, {theirs[name]} there)" for name in differing]


def read_model_section(model_dir: Path) -> dict[str, Any]:
    """Return the section `model:` of a model directory with all its keys.

    Raises:
        MtkitError: The directory is missing or not a model directory.
    """
    if not model_dir.exists():
        hint = (
            "check the path; to resume a run that started from it, "
            "pass a copy of the recipe.yaml of the run directory"
        )
        raise MtkitError(f"`{model_dir}`: no such directory", hint)
    refuse_no_model(model_dir)
    path = model_dir / CONFIG_NAME
    try:
        return ModelConfig.model_validate(
            json.loads(path.read_text(encoding="utf-8"))["model"]
        ).model_dump()
    except (OSError, ValueError, KeyError, TypeError):
        raise MtkitError(
            f"`{path}`: not a model configuration that this version of mtkit can read",
            "create or copy the model directory again",
        ) from None


def _given(section: Any) -> dict[str, Any] | None:
    """Return the keys that a section sets; None if the value is not a section."""
    if isinstance(section, Section):
        return {name: getattr(section, name) for name in section.model_fields_set}
    return {} if section is None else section if isinstance(section, dict) else None


def _needs_nothing(directory: Path, given: Mapping[str, Any], cls: type[Section]) -> bool:
    return not directory.exists() and cls.model_fields.keys() <= given.keys()


def _with_key(read: Callable[[Path], dict[str, Any]], directory: Path, key: str) -> dict[str, Any]:
    try:
        return read(directory)
    except MtkitError as exc:
        raise ValueError(f"{key}: {exc.message}; {exc.hint}") from None


def _read_tokenizer(directory: Path) -> dict[str, Any]:
    paths = find_model_files(directory)
    models = [path.read_bytes() for path in paths]
    src, tgt = (read_settings(model, str(path)) for model, path in zip(models, paths, strict=True))
    settings = {
        **src._asdict(),
        "vocab_size": max(src.vocab_size, tgt.vocab_size),
        "joint": paths[0] == paths[1] or have_same_tokens(*models),
    }
    if src.normalization not in get_args(TokenizerConfig.model_fields["normalization"].annotation):
        # A model trained elsewhere keeps its normalization rules, which have no name here.
        del settings["normalization"]
    return settings


def _tokenizer_differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    # A character vocabulary has the size that the text gives it; vocab_size is only a limit.
    free = {"vocab_size"} if theirs["type"] == "char" else set()
    return [
        f"tokenizer.{name} ({ours[name]} here, {theirs[name]} there)"
        for name in theirs
        if name in ours and name not in free and ours[name] != theirs[name]
    ]
