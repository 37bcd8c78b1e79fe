"""Whether the folder that a run shall be written to holds the same run."""

import json
from pathlib import Path
from typing import Any

from mtkit.batches.mixture import DataMixture
from mtkit.checkpoint.model_dir import WEIGHTS_NAME as MODEL_WEIGHTS_NAME
from mtkit.checkpoint.run_dir import RunDir
from mtkit.checkpoint.training_checkpoint import TrainingState, list_checkpoints, read_state
from mtkit.config.dump import write_yaml
from mtkit.config.recipe import Recipe
from mtkit.corpus.store.token_store import TokenStore
from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_write
from mtkit.io.logs import get_logger
from mtkit.io.text import sha256_file
from mtkit.tokenizer.subword import Tokenizer

logger = get_logger(__name__)


def check_same_run(
    run: RunDir,
    recipe: Recipe,
    store: TokenStore,
    tokenizer: Tokenizer,
    mix: DataMixture,
    *,
    is_sample: bool = False,
) -> None:
    """Refuse to go on with a run whose weights, data, order of data or scores would not fit.

    Settings that only say how to go on, such as max_steps or learning rate, may change; so may the mix of epochs to come. Changes of `sampling:`,
    `augment:` and `validation:` are reported in the log.

    Args:
        run: The folder.
        recipe: With numbers for the size of batches.
        store: Of the training data.
        tokenizer: Of the recipe.
        mix: Of the recipe.
        is_sample: Store, tokenizer and mix are of a sample of the data, so that they say nothing.
    Raises:
        MtkitError: The folder holds checkpoints of other settings, all of which are named; or something that is no run.
    """
    run.refuse_foreign()
    checkpoints = list_checkpoints(run.checkpoints_dir)
    if not checkpoints:
        return
    known = _known_identity(run)
    if known is None:
        raise MtkitError(
            f"`{run.path}`: has checkpoints, but no readable {run.identity_path.name}",
            "give another folder with --out",
        )
    now = {
        key: value
        for key, value in _identity(run, recipe, store, tokenizer).items()
        if not (is_sample and key in _OF_THE_DATA)
    }
    differing = [
        f"{key} ({_shown(known.get(key))} then, {_shown(value)} now)"
        for key, value in now.items()
        if known.get(key) != value
    ]
    hint = "put them back to resume it"
    n_epochs = _n_epochs_begun(read_state(checkpoints[-1]))
    shown, now_shown = (
        [entry for entry in known.get(_MIX, []) if entry[0] < n_epochs],
        mix.counts_until(n_epochs),
    )
    # Of other data the counts differ anyway.
    if shown != now_shown and not differing and not is_sample:
        differing.append(
            f"the mix of the {n_epochs} epochs that have begun ({_mix_shown(shown)} then, {_mix_shown(now_shown)} now)"
        )
        hint = f"put it back to resume it, and give another mix from here on as a stage after one with until_epoch: {n_epochs}"
    if differing:
        raise MtkitError(
            f"`{run.path}`: holds a run of other settings: {', '.join(differing)}",
            f"{hint}; or start a new run with --out, or remove that folder",
        )
    told = known.get(_CHANGEABLE, {})
    for key, value in _changeable(recipe).items():
        if key in told and told[key] != value:
            logger.info("%s is %s from here on; it was %s", key, value, told[key])


def save_run_identity(
    run: RunDir, recipe: Recipe, store: TokenStore, tokenizer: Tokenizer, mix: DataMixture
) -> None:
    """Write down what `check_same_run` compares, and the resolved recipe."""
    last_change = mix.stages[-1].first_epoch
    identity = _identity(run, recipe, store, tokenizer) | {
        _MIX: mix.counts_until(last_change + 1),
        _CHANGEABLE: _changeable(recipe),
    }
    with atomic_write(run.identity_path) as file:
        file.write((json.dumps(identity, indent=2) + "\n").encode())
    write_yaml(recipe, run.recipe_path)


_OF_THE_DATA = ("tokenizer", "training data")
_MIX = "pairs of each corpus from epoch"
_CHANGEABLE = "may change"
_INIT_FROM = "training.init_from"


def _known_identity(run: RunDir) -> dict[str, Any] | None:
    try:
        return json.loads(run.identity_path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _identity(
    run: RunDir, recipe: Recipe, store: TokenStore, tokenizer: Tokenizer
) -> dict[str, Any]:
    dimensions = recipe.model.model_dump(
        exclude={"dropout", "attention_dropout", "activation_dropout", "layer_drop", "init"}
    )
    return {
        "tokenizer": tokenizer.sha256,
        "training data": store.manifest["key"],
        _INIT_FROM: _initial_weights(run, recipe.training.init_from),
        "training.seed": recipe.training.seed,
        "training.accumulate_batches": recipe.training.accumulate_batches,
        "batches.max_tokens": recipe.batches.max_tokens,
        "batches.effective_tokens": recipe.batches.effective_tokens,
        # Joined pairs are longer, so other ones go together.
        "augment.merge": recipe.augment.merge,
        "validation.metric": recipe.validation.metric,
        **{f"model.{name}": value for name, value in dimensions.items()},
        **({"training.alignment_layer": head.layer} if (head := recipe.alignment_head) else {}),
    }


def _initial_weights(run: RunDir, folder: Path | None) -> str | None:
    """Tells the weights that a run starts from. Once it has begun, it does without them; if they are gone they count as what they were."""
    if folder is None:
        return None
    path = folder / MODEL_WEIGHTS_NAME
    return sha256_file(path) if path.exists() else (_known_identity(run) or {}).get(_INIT_FROM)


def _changeable(recipe: Recipe) -> dict[str, Any]:
    sampling, augment = (
        recipe.sampling.model_dump(mode="json"),
        recipe.augment.model_dump(mode="json", exclude={"merge"}),
    )
    validation = recipe.validation.model_dump(mode="json", exclude={"metric"})
    sections = {"sampling": sampling, "augment": augment, "validation": validation}
    return {
        f"{section}.{name}": value
        for section, values in sections.items()
        for name, value in values.items()
    }


def _n_epochs_begun(state: TrainingState) -> int:
    return state.epoch + ((state.window, state.batch) != (0, 0))


def _shown(value: Any) -> str:
    return f"{value[:8]}…" if isinstance(value, str) and len(value) > 20 else str(value)


def _mix_shown(changes: list[list[Any]]) -> str:
    return ", ".join(
        f"{' + '.join(map(str, counts))} pairs from epoch {epoch + 1}" for epoch, counts in changes
    )
