"""A path at which there is no model, told before anything slow is loaded, with the one that may have been meant."""

from pathlib import Path

from mtkit.errors import MtkitError

CONFIG_NAME = "config.json"
"""Every folder with a model has one, also one that was exported."""
SHORTLIST_NAME = "shortlist.safetensors"
"""The usual name of a shortlist in a model directory."""
_WEIGHTS_NAMES = ("model.safetensors", "model.bin")
MODEL_NAMES = frozenset({CONFIG_NAME, *_WEIGHTS_NAMES, "tokenizer", SHORTLIST_NAME, "mtkit.json"})
"""Files and directories of a model directory, exported or not, that translation depends on."""
RUN_NAMES = frozenset({"recipe.yaml", "identity.json", "metrics.jsonl", "checkpoints", "model"})
"""Files and directories of a training run."""


def is_model_dir(path: Path) -> bool:
    """Whether a directory holds the configuration and the weights of a model, exported or not."""
    return (path / CONFIG_NAME).is_file() and any((path / name).is_file() for name in _WEIGHTS_NAMES)


def refuse_no_model(path: Path) -> None:
    """Keep from looking for a model where there is none.

    Raises:
        MtkitError: There is nothing, or a file, or a folder without a configuration.
    """
    if (path / CONFIG_NAME).is_file():
        return
    meant = _model_near(path)
    if not path.exists():
        raise MtkitError(f"`{path}`: no such folder", f"did you mean `{meant}`?" if meant else "check the path of the model")
    problem = f"not a model directory: it has no {CONFIG_NAME}" if path.is_dir() else "is a file, and a model is a folder"
    raise MtkitError(f"`{path}`: {problem}", f"did you mean `{meant}`?" if meant else "give a folder that `mtkit train` or `mtkit average` made")


def _model_near(path: Path) -> Path | None:
    """The model of a training run, where the path is the run's or lies in it, or the one in which the path lies."""
    near = [path / "model", path.parent, path.parent / "model", *([path.parent.parent / "model"] if path.exists() else [])]
    return next((folder for folder in near if (folder / CONFIG_NAME).is_file()), None)
