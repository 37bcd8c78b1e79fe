"""Identity of a run: whether a run directory holds the run that is to be resumed."""

import json
from pathlib import Path
from typing import Any

from mtkit.checkpoint.history import INITIAL_MODEL
from mtkit.checkpoint.model_config import InitialModel, read_model_config
from mtkit.checkpoint.run_dir import RunDir
from mtkit.checkpoint.training_checkpoint import list_checkpoints, read_state
from mtkit.config.dump import write_yaml
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_write
from mtkit.io.find_model import WEIGHTS_NAME
from mtkit.io.logs import get_logger
from mtkit.io.text import sha256_file
from mtkit.training.setup import TrainingData

logger = get_logger(__name__)

_DATA_KEYS = ("tokenizer", "training data")
_MIXTURE = "pairs of each corpus from epoch"
_CHANGEABLE = "may change"
_INIT_FROM = "training.init_from"


def check_same_run(
    run: RunDir, recipe: Recipe, data: TrainingData, *, is_sample: bool = False
) -> None:
    """Refuse to resume a run whose weights, data, order of data or scores would not fit.

    Other settings, such as max_steps or the learning rate, may change; so may the mixture of
    future epochs. Changes of `sampling:`, `augment:` and `validation:` are logged.

    Args:
        run: Directory of the run.
        recipe: The recipe, with numbers for the batch size.
        data: Training data of the recipe.
        is_sample: Whether `data` is made from a sample of the corpora, and is not compared.
    Raises:
        MtkitError: The directory holds checkpoints of a run with other settings, all of which are
            named; or something that is not a run.
    """
    run.refuse_foreign()
    checkpoints = list_checkpoints(run.checkpoints_dir)
    if not checkpoints:
        return
    known = _known_identity(run)
    if known is None:
        raise MtkitError(
            f"`{run.path}`: has checkpoints, but no readable {run.identity_path.name}",
            "choose another directory with --output",
        )
    identity = _identity(run, recipe, data)
    differing = [
        f"{key} ({_shown(known.get(key))} then, {_shown(value)} now)"
        for key, value in identity.items()
        if known.get(key) != value and not (is_sample and key in _DATA_KEYS)
    ]
    hint = "restore them to resume it"
    # With other data, the counts differ anyway.
    if not differing and not is_sample:
        state = read_state(checkpoints[-1])
        n_epochs = state.epoch + ((state.window, state.batch) != (0, 0))
        then = [entry for entry in known.get(_MIXTURE, []) if entry[0] < n_epochs]
        now = data.mixture.counts_until(n_epochs)
        if then != now:
            changes = f"{_shown_mixture(then)} then, {_shown_mixture(now)} now"
            differing.append(f"the mixture of the {n_epochs} epochs begun ({changes})")
            hint = (
                "restore it to resume it, and set another mixture for the following epochs as a"
                f" stage after one with until_epoch: {n_epochs}"
            )
    if differing:
        raise MtkitError(
            f"`{run.path}`: contains a run with different settings: {', '.join(differing)}",
            f"{hint}; or start a new run with --output, or remove that directory",
        )
    known_changeable = known.get(_CHANGEABLE, {})
    for key, value in _changeable(recipe).items():
        if key in known_changeable and known_changeable[key] != value:
            logger.info("%s is %s from now on; it was %s", key, value, known_changeable[key])


def save_run_identity(run: RunDir, recipe: Recipe, data: TrainingData) -> None:
    """Save what `check_same_run` compares, the initial model, and the resolved recipe."""
    last_change = data.mixture.stages[-1].first_epoch
    identity = _identity(run, recipe, data)
    identity |= {
        _MIXTURE: data.mixture.counts_until(last_change + 1),
        _CHANGEABLE: _changeable(recipe),
        INITIAL_MODEL: _initial_model(run, recipe.training.init_from, identity[_INIT_FROM]),
    }
    with atomic_write(run.identity_path) as file:
        file.write((json.dumps(identity, indent=2) + "\n").encode())
    write_yaml(recipe, run.recipe_path)


def _known_identity(run: RunDir) -> dict[str, Any] | None:
    try:
        return json.loads(run.identity_path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _identity(run: RunDir, recipe: Recipe, data: TrainingData) -> dict[str, Any]:
    dimensions = recipe.model.model_dump(
        exclude={"dropout", "attention_dropout", "activation_dropout", "layer_drop", "init"}
    )
    identity = {
        "tokenizer": data.tokenizer.sha256,
        "training data": data.store.manifest["key"],
        _INIT_FROM: _initial_weights_hash(run, recipe.training.init_from),
        "training.seed": recipe.training.seed,
        "training.accumulate_batches": recipe.training.accumulate_batches,
        "batches.max_tokens": recipe.batches.max_tokens,
        "batches.effective_tokens": recipe.batches.effective_tokens,
        # Merged pairs are longer, which changes the batches.
        "augment.merge": recipe.augment.merge,
        "validation.metric": recipe.validation.metric,
        **{f"model.{name}": value for name, value in dimensions.items()},
    }
    if recipe.data.context:
        # An example has more sentences, which changes the batches; the model records the number.
        identity["data.context"] = recipe.data.context
    if head := recipe.alignment_head:
        identity["training.alignment_layer"] = head.layer
    return identity


def _initial_weights_hash(run: RunDir, model_dir: Path | None) -> str | None:
    """Return the hash of the weights that a run starts from.

    A resumed run does not need them: if they are missing, the known hash is returned.
    """
    if model_dir is None:
        return None
    path = model_dir / WEIGHTS_NAME
    return sha256_file(path) if path.exists() else (_known_identity(run) or {}).get(_INIT_FROM)


def _initial_model(run: RunDir, model_dir: Path | None, sha256: str | None) -> Any:
    """Describe the model that a run starts from, or return the known description if it is missing.

    Returns:
        Tree of an `InitialModel`, or None.
    """
    if model_dir is None:
        return None
    if sha256 is None or not (model_dir / WEIGHTS_NAME).exists():
        return (_known_identity(run) or {}).get(INITIAL_MODEL)
    config = read_model_config(model_dir)
    earlier = config.history and config.history.initial_model
    origin = config.origin or (earlier and earlier.origin)
    initial = InitialModel(name=model_dir.resolve().name, sha256=sha256, origin=origin or None)
    return initial.model_dump(mode="json")


def _changeable(recipe: Recipe) -> dict[str, Any]:
    sections = {
        "sampling": recipe.sampling.model_dump(mode="json"),
        "augment": recipe.augment.model_dump(mode="json", exclude={"merge"}),
        "validation": recipe.validation.model_dump(mode="json", exclude={"metric"}),
    }
    return {
        f"{section}.{name}": value
        for section, values in sections.items()
        for name, value in values.items()
    }


def _shown(value: Any) -> str:
    return f"{value[:8]}…" if isinstance(value, str) and len(value) > 20 else str(value)


def _shown_mixture(changes: list[list[Any]]) -> str:
    return ", ".join(
        f"{' + '.join(map(str, counts))} pairs from epoch {epoch + 1}" for epoch, counts in changes
    )
