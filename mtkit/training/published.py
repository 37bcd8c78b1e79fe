"""The model directory of a run: whether it holds what training wrote last."""

from pathlib import Path
from typing import Literal

from mtkit.checkpoint.history import read_history
from mtkit.checkpoint.model_dir import load_without_weights
from mtkit.checkpoint.run_dir import RunDir
from mtkit.errors import MtkitError

Fault = Literal["missing", "unsaved", "foreign"]
"""missing: there is no model directory; unsaved: it is of a later step, whose checkpoint was not saved; foreign: training did not write it, or it
cannot be read."""


def find_fault(run: RunDir, step: int, best_step: int | None) -> Fault | None:
    """Compare the model directory of a run with what its checkpoints say.

    Args:
        run: With an identity.json.
        step: Updates made at the newest checkpoint.
        best_step: Step of the best weights; None if any step will do.
    Returns:
        None if all is well, or if the model is of an earlier release, which recorded no steps.
    """
    if not run.model_dir.exists():
        return "missing"
    try:
        history = load_without_weights(run.model_dir).config.history
    except MtkitError:
        return "foreign"
    if history is None:
        return None
    ours = read_history(run, history.steps)
    if len(history.steps) != 1 or (history.data_signature, history.seed) != (
        ours.data_signature,
        ours.seed,
    ):
        return "foreign"
    (found,) = history.steps
    if found > step:
        return "unsaved"
    return None if best_step in (None, found) else "foreign"


def move_aside(run: RunDir) -> Path:
    """Rename the model directory to the first free name beside it, which is returned."""
    names = (f"{run.model_dir.name}.other{number}" for number in ("", *range(2, 1000)))
    aside = next(path for path in map(run.path.joinpath, names) if not path.exists())
    run.model_dir.rename(aside)
    return aside
