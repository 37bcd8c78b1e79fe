"""What a recipe leaves open about the model that it starts from: taken over from that model's
folder.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from mtkit.checkpoint.find_model import CONFIG_NAME, refuse_no_model
from mtkit.config.model import ModelConfig
from mtkit.config.section import Section
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.errors import MtkitError
from mtkit.tokenizer.model_proto import find_model_files, read_settings

_FREE = frozenset(
    {"dropout", "attention_dropout", "activation_dropout", "layer_drop", "init", "max_positions"}
)
_TIES = {
    "all": ("all", "output", "inputs", "none"),
    "output": ("output", "none"),
    "inputs": ("inputs", "none"),
    "none": ("none",),
}
"""What each may become: matrices that are one may be several, but not the reverse."""


def take_over(tree: Any, resolve: Callable[[Any], Any]) -> Any:
    """A recipe's tree, filled with what `training.init_from` and `tokenizer.init_from` decide.

    Keys of `model:` that the recipe does not name are those of the model; its tokenizer is kept,
    unless `tokenizer.init_from` names another one or is
    null. A folder that is gone is not missed where the recipe says everything, as the one in a
    run's folder does.

    Args:
        tree: Before validation.
        resolve: Gives the path that a text in it means.
    Raises:
        ValueError: A folder is missing or not a model's, or the recipe names other values than the
            model has; all such are named.
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
        theirs = _told(read_model_config, Path(start), "training.init_from")
        differing += differences(model, theirs)
        model = theirs | model
    if isinstance(vocabulary, str | Path) and not _needs_nothing(
        Path(vocabulary), tokenizer, TokenizerConfig
    ):
        theirs = _told(_read_tokenizer, Path(vocabulary), "tokenizer.init_from")
        differing += _tokenizer_differences(tokenizer, theirs)
        tokenizer = theirs | tokenizer
    if differing:
        raise ValueError(
            f"not as in the model to start from: {', '.join(differing)}; leave these keys out"
        )
    return tree | {"model": model, "tokenizer": tokenizer}


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """The keys that keep a model from starting with the weights of another one, in words.

    Args:
        ours: Keys of the new model's section `model:`; those that are absent do not differ.
        theirs: All keys of the other model's.
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


def read_model_config(folder: Path) -> dict[str, Any]:
    """The section `model:` of a model directory, every key of it.

    Raises:
        MtkitError: It is no model directory.
    """
    if not folder.exists():
        hint = (
            "check the path; to go on with a run that began there, give the recipe.yaml of its"
            " folder"
        )
        raise MtkitError(f"`{folder}`: no such directory", hint)
    refuse_no_model(folder)
    path = folder / CONFIG_NAME
    try:
        return ModelConfig.model_validate(
            json.loads(path.read_text(encoding="utf-8"))["model"]
        ).model_dump()
    except (OSError, ValueError, KeyError, TypeError):
        raise MtkitError(
            f"`{path}`: not a configuration that this mtkit can read",
            "make or copy the folder again",
        ) from None


def _given(section: Any) -> dict[str, Any] | None:
    """What is said in a section; None where it is something else."""
    if isinstance(section, Section):
        return {name: getattr(section, name) for name in section.model_fields_set}
    return {} if section is None else section if isinstance(section, dict) else None


def _needs_nothing(folder: Path, given: Mapping[str, Any], cls: type[Section]) -> bool:
    return not folder.exists() and cls.model_fields.keys() <= given.keys()


def _told(read: Callable[[Path], dict[str, Any]], folder: Path, key: str) -> dict[str, Any]:
    try:
        return read(folder)
    except MtkitError as exc:
        raise ValueError(f"{key}: {exc.message}; {exc.hint}") from None


def _read_tokenizer(folder: Path) -> dict[str, Any]:
    paths = find_model_files(folder)
    src, tgt = (read_settings(path.read_bytes(), str(path)) for path in paths)
    settings = {
        **src._asdict(),
        "vocab_size": max(src.vocab_size, tgt.vocab_size),
        "joint": paths[0] == paths[1],
    }
    if src.normalization not in get_args(TokenizerConfig.model_fields["normalization"].annotation):
        # Of a model made elsewhere; it keeps its rules, which have no name here.
        del settings["normalization"]
    return settings


def _tokenizer_differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    # Of characters there are as many as the text has; vocab_size is only their limit.
    free = {"vocab_size"} if theirs["type"] == "char" else set()
    return [
        f"tokenizer.{name} ({ours[name]} here, {theirs[name]} there)"
        for name in theirs
        if name in ours and name not in free and ours[name] != theirs[name]
    ]
