"""A path at which there is no model, told before anything slow is loaded, with the one that may have been meant."""

from pathlib import Path

from mtkit.errors import MtkitError

CONFIG_NAME = "config.json"
"""Every folder with a model has one, also one that was exported."""


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
