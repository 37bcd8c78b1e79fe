"""Fast checks that a path is a model or a run, with a hint to the one that may be meant."""

import json
from pathlib import Path
from typing import Any, Literal

from mtkit.errors import MtkitError
from mtkit.io.paths import is_recipe_name

CONFIG_NAME = "config.json"
"""Configuration in every model directory, exported or not."""
WEIGHTS_NAME = "model.safetensors"
"""Weights of a model directory."""
EXPORT_NAME = "mtkit.json"
"""Configuration in a directory that was exported to CTranslate2."""
SHORTLIST_NAME = "shortlist.safetensors"
"""Default name of a shortlist in a model directory."""
_MAX_CONFIG_BYTES = 1 << 20
_HUGGING_FACE = "a Hugging Face model"
_IMPORTABLE = tuple(f"{_HUGGING_FACE} ({kind})" for kind in ("marian", "pegasus", "m2m_100"))
_MARIAN = "a Marian model"
_WEIGHTS_NAMES = (WEIGHTS_NAME, "model.bin")
MODEL_NAMES = frozenset(
    {
        *(CONFIG_NAME, *_WEIGHTS_NAMES, "tokenizer", SHORTLIST_NAME, EXPORT_NAME),
        *("manifest.json", "README.md"),
    }
)
"""Files and directories of a model directory, exported or not, that belong to the model."""
CHECKPOINTS_NAME = "checkpoints"
RUN_NAMES = frozenset(
    {
        "recipe.yaml",
        "identity.json",
        "metrics.jsonl",
        "sessions.jsonl",
        CHECKPOINTS_NAME,
        "model",
    }
)
"""Files and directories of a training run."""


def is_model_dir(path: Path) -> bool:
    """Whether a directory has the configuration and the weights of a model, exported or not."""
    return (path / CONFIG_NAME).is_file() and any(
        (path / name).is_file() for name in _WEIGHTS_NAMES
    )


def is_exported_dir(path: Path) -> bool:
    """Return whether a directory is a model exported to CTranslate2, by its file names."""
    return (path / EXPORT_NAME).is_file()


def weights_path(model_dir: Path) -> Path:
    """Return the weights file of a model directory, exported or not."""
    return next(path for name in _WEIGHTS_NAMES if (path := model_dir / name).is_file())


def tags_of_model(path: Path) -> tuple[list[str], list[str]]:
    """Return the tags of a model, exported or not, before its sources and before its targets.

    A path that is not a readable model has none.
    """
    config = _config_of_model(path)
    try:
        return list(config.get("tags") or ()), list(config.get("tgt_tags") or ())
    except TypeError:
        return [], []


def languages_of_model(path: Path) -> tuple[str, str]:
    """Return the codes of source and target language of a model, exported or not.

    Those of a path that is not a readable model are empty.
    """
    config = _config_of_model(path)
    return str(config.get("src_lang", "")), str(config.get("tgt_lang", ""))


def context_of_model(path: Path) -> int:
    """Return how many previous lines a model, exported or not, was trained to read.

    A path that is not a readable model has none.
    """
    value = _config_of_model(path).get("context")
    return value if isinstance(value, int) and value > 0 else 0


def _config_of_model(path: Path) -> dict[str, Any]:
    """Read the configuration of a model; empty if it cannot be read."""
    exported = path / EXPORT_NAME
    try:
        tree = json.loads((exported if exported.is_file() else path / CONFIG_NAME).read_bytes())
        config = tree["model"] if exported.is_file() else tree
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return {}
    return config if isinstance(config, dict) else {}


def refuse_no_model(path: Path) -> None:
    """Check that a path is a model directory of mtkit.

    Raises:
        MtkitError: It is missing, a file, a directory without a configuration, or a model of
            another toolkit.
    """
    refuse_foreign_model(path)
    if (path / CONFIG_NAME).is_file():
        return
    meant = _nearby_model(path)
    if not path.exists():
        raise MtkitError(
            f"`{path}`: no such directory",
            f"did you mean `{meant}`?" if meant else "check the path of the model",
        )
    if is_recipe_name(path):
        hint = (
            f"did you mean `{meant}`?"
            if meant
            else "give the directory of the model that was trained with it; `mtkit train` prints it"
        )
        raise MtkitError(f"`{path}`: is a recipe, not a model", hint)
    problem = (
        f"not a model directory: it has no {CONFIG_NAME}"
        if path.is_dir()
        else "is a file, not a model directory"
    )
    raise MtkitError(
        f"`{path}`: {problem}",
        (
            f"did you mean `{meant}`?"
            if meant
            else "give a directory that `mtkit train` or `mtkit average` wrote"
        ),
    )


def refuse_other_direction(model_dir: Path, src_lang: str, tgt_lang: str) -> None:
    """Check that a model does not translate in the opposite direction.

    A model of other or of several languages is accepted: it may use other codes.

    Raises:
        MtkitError: It translates from `tgt_lang` to `src_lang`.
    """
    if src_lang != tgt_lang and languages_of_model(model_dir) == (tgt_lang, src_lang):
        raise MtkitError(
            f"`{model_dir}`: translates from {tgt_lang} to {src_lang}, but here a model from "
            f"{src_lang} to {tgt_lang} is needed",
            "give the model of the other direction",
        )


def refuse_no_run(path: Path) -> None:
    """Check that a path is the directory of a training run.

    Raises:
        MtkitError: It is missing, or is a model, a recipe or something else.
    """
    refuse_foreign_model(path)
    if (path / CHECKPOINTS_NAME).is_dir():
        return
    near = [
        path / "run",
        path / "work" / "run",
        path.parent,
        path.parent / "run",
        path.parent / "work" / "run",
    ]
    meant = next((path for path in near if (path / CHECKPOINTS_NAME).is_dir()), None)
    if not path.exists():
        problem = "no such directory"
    elif is_recipe_name(path):
        problem = "is a recipe, not a run directory"
    else:
        problem = (
            "is a model, not a run directory" if is_model_dir(path) else "no checkpoints to average"
        )
    hint = (
        f"did you mean `{meant}`?" if meant else "give the run directory that `mtkit train` wrote"
    )
    raise MtkitError(f"`{path}`: {problem}", hint)


def refuse_foreign_model(path: Path) -> None:
    """Refuse a model of another toolkit.

    Raises:
        MtkitError: It is such a model.
    """
    if maker := foreign_model(path):
        if maker in _IMPORTABLE:
            raise MtkitError(
                f"`{path}`: {maker}, which has to be imported first",
                f"mtkit import huggingface {path} DIR",
            )
        if maker.startswith(_MARIAN) or path.suffix == ".npz":
            raise MtkitError(
                f"`{path}`: {maker}, which has to be imported first",
                f"mtkit import marian {path} DIR --src-lang SRC --tgt-lang TGT",
            )
        raise MtkitError(
            f"`{path}`: {maker}, which mtkit cannot read",
            "give a directory that `mtkit train`, `mtkit average` or `mtkit export` wrote, or use "
            "the program that this model is for",
        )


def refuse_other_format(
    path: Path, out_dir: Path, importer: Literal["huggingface", "marian"]
) -> None:
    """Refuse to import a model that the other `mtkit import` command is for.

    Args:
        path: The model.
        out_dir: Directory to write, for the hint.
        importer: The command that was called.
    Raises:
        MtkitError: It is a model for the other command.
    """
    maker = foreign_model(path) or ""
    if importer == "marian" and maker.startswith(_HUGGING_FACE):
        raise MtkitError(
            f"`{path}`: {maker}, not a Marian model",
            f"mtkit import huggingface {path} {out_dir}",
        )
    if importer == "huggingface" and (maker.startswith(_MARIAN) or path.suffix == ".npz"):
        raise MtkitError(
            f"`{path}`: {maker or _MARIAN}, not a Hugging Face model",
            f"mtkit import marian {path} {out_dir} --src-lang SRC --tgt-lang TGT",
        )


def _nearby_model(path: Path) -> Path | None:
    """Return the model of the training run that a path belongs to, or the model that contains the
    path.
    """
    near = [
        path / "model",
        path.parent,
        path.parent / "model",
        path.parent / "work" / "run" / "model",
    ]
    near += [path.parent.parent / "model"] if path.exists() else []
    return next((path for path in near if (path / CONFIG_NAME).is_file()), None)


def foreign_model(path: Path) -> str | None:
    """Return the kind of a model of another toolkit, such as `a Hugging Face model (marian)`; else
    None.

    Args:
        path: Only its file names and a small config.json are read; a weights file is recognized by
            its name.
    """
    if path.is_file():
        return (
            "a model file of another toolkit"
            if path.suffix in (".npz", ".pt", ".pth", ".onnx", ".gguf")
            else None
        )
    if not path.is_dir() or (path / EXPORT_NAME).exists():
        return None
    try:
        names = {entry.name for entry in path.iterdir()}
    except OSError:
        return None
    if (path / CONFIG_NAME).is_file() and (kind := _hugging_face_kind(path / CONFIG_NAME)):
        # OPUS-MT models are published in this form too.
        return f"{_HUGGING_FACE} ({kind})"
    if "decoder.yml" in names or any(name.endswith(".npz") for name in names):
        is_opus = bool(names & {"source.spm", "target.spm"})
        return _MARIAN + (" from OPUS-MT" if is_opus else "")
    if "model.bin" in names and names & {
        "shared_vocabulary.json",
        "shared_vocabulary.txt",
        "source_vocabulary.json",
        "source_vocabulary.txt",
    }:
        return "a CTranslate2 model that another program exported"
    if any(name.startswith("dict.") and name.endswith(".txt") for name in names) and any(
        name.endswith(".pt") for name in names
    ):
        return "a fairseq model"
    return None


def _hugging_face_kind(config_path: Path) -> str | None:
    try:
        if config_path.stat().st_size > _MAX_CONFIG_BYTES:
            return None
        config = json.loads(config_path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(config, dict) or "format_version" in config:
        return None
    kind = config.get("model_type") or next(iter(config.get("architectures") or ()), None)
    return kind if isinstance(kind, str) else None
