"""The model directory of a run: the best weights by validation, or the latest without one."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from mtkit.checkpoint.history import read_history
from mtkit.checkpoint.model_dir import (
    TrainedModel,
    load_without_weights,
    save_model_dir,
    with_history,
)
from mtkit.checkpoint.run_dir import RunDir
from mtkit.checkpoint.training_checkpoint import (
    AVERAGE_NAME,
    WEIGHTS_NAME,
    TrainingState,
    best_checkpoints,
    checkpoint_path,
    intact_checkpoints,
    load_checkpoint,
    regular_checkpoints,
    validation_rank,
)
from mtkit.engines.cpu.allocator import give_back_freed_memory
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.training.checkpoints import Checkpoints
from mtkit.training.distributed.parallel import gather_full, gather_weights
from mtkit.training.setup import TrainingData
from mtkit.training.validation import ValidationResult, Validator

logger = get_logger(__name__)

Fault = Literal["missing", "unsaved", "foreign"]
"""missing: the model directory does not exist; unsaved: it is of a later step, whose checkpoint was
not saved; foreign: it was not written by this run, or cannot be read."""


class Publisher:
    """Validates the weights and publishes the best ones as the run's model directory.

    These weights are the model's own; or their moving average (training.ema_decay); or their mean
    with the checkpoints before (training.average_last). All processes call each public method;
    process 0 validates and writes.

    Args:
        checkpoints: Checkpoints of the run.
        data: Training data of the run.
    Raises:
        MtkitError: A validation corpus cannot be read, or is empty.
    """

    def __init__(self, checkpoints: Checkpoints, data: TrainingData) -> None:
        self.checkpoints, self.recipe = checkpoints, checkpoints.recipe
        self.run, self.stepper = checkpoints.run, checkpoints.stepper
        self.parallel = parallel = checkpoints.parallel
        config = data.model_config(self.recipe)
        model = parallel.full_model(self.stepper.model)
        self.trained = TrainedModel(config, model, data.tokenizer)
        """Model that holds the published weights within `_published_weights`."""
        self.has_validation = bool(self.recipe.data.validation)
        self.validator = None
        if self.has_validation and parallel.is_main:
            dtype = self.stepper.dtype
            search_dtype = dtype if self.stepper.device.type == "cuda" else None
            self.validator = Validator(self.recipe, self.trained, dtype, search_dtype)
        signature = "" if self.validator is None else self.validator.signature
        self.signature = parallel.broadcast_text(signature)
        """Hash of everything but the weights that scores depend on."""

    def validate(self, state: TrainingState) -> tuple[ValidationResult | None, bool]:
        """Validate the weights and record the score in the state.

        Process 0 validates; all receive the score, because it determines when training ends.

        Returns:
            The result, in process 0; and whether the weights are better than all before.
        """
        with self._published_weights(state.step):
            # Translation allocates tensors of other sizes than training; without returning freed
            # memory, the heap would grow to hold both.
            give_back_freed_memory()
            result = None if self.validator is None else self.validator.run()
            give_back_freed_memory()
        values = [0.0, 0.0, 0.0]
        if result is not None:
            metric = self.recipe.validation.metric
            values = [result.quality.score(metric), *result.quality.rank(metric)]
        score, *state.rank = self.parallel.broadcast(values)
        state.score = score if math.isfinite(score) else -math.inf
        best_rank = state.best_rank
        if best_rank is None and state.best_score is not None:
            # Checkpoints of earlier releases have no rank.
            best_rank = [state.best_score]
        is_best = best_rank is None or state.rank > best_rank
        if best_rank is None or state.rank >= best_rank:
            # An equal score is no improvement, but the newer weights are kept.
            state.best_score, state.best_rank, state.best_step = state.score, state.rank, state.step
        state.judge = self.signature
        state.n_without_best = 0 if is_best else state.n_without_best + 1
        return result, is_best

    def should_publish(self, state: TrainingState) -> bool:
        """Whether the weights of this step become the model."""
        if not self.has_validation:
            return True
        if state.rank is not None and state.best_step == state.step:
            return True
        # Before the first validation, any model is better than none.
        return state.best_step is None and self.is_missing()

    def is_missing(self) -> bool:
        """Whether the model directory is missing."""
        (is_missing,) = self.parallel.broadcast([not self.run.model_dir.exists()])
        return bool(is_missing)

    def publish(self, step: int) -> None:
        """Write the model directory."""
        with self._published_weights(step):
            if self.parallel.is_main:
                self._write(step)

    def discard_incomparable_scores(self, state: TrainingState) -> None:
        """Discard the best score if it was measured in another way than those to come."""
        if state.best_score is None or state.judge == self.signature:
            return
        # Earlier releases did not record how they measured.
        if self.has_validation and not state.judge:
            return
        if self.has_validation:
            logger.warning(
                "the validation corpora or their translation settings have changed: earlier scores"
                " are discarded, and the next one counts as the best"
            )
        else:
            logger.warning(
                "data.validation was removed: from the next checkpoint on, the model is the newest,"
                " not the best"
            )
        state.best_score = state.best_rank = state.best_step = None
        state.n_without_best = 0

    def repair(self, state: TrainingState) -> None:
        """Ensure that the model directory holds the best weights of this run.

        Without validation, those of the latest checkpoint. Updates the state in place if the best
        checkpoint is lost.
        """
        if self.parallel.is_main and state.step:
            fault = find_fault(self.run, state.step, state.best_step)
            if fault == "foreign":
                logger.warning(
                    "`%s` was not written by this run; it is kept as `%s`",
                    self.run.model_dir,
                    move_aside(self.run),
                )
            if fault is not None:
                self._restore(state, is_reported=fault != "unsaved")
            elif state.best_step:
                best = checkpoint_path(self.run.checkpoints_dir, state.best_step)
                if best not in self.checkpoints.paths():
                    logger.warning(
                        "the best checkpoint, of step %s, is missing or damaged; `model/` still has"
                        " its weights",
                        f"{state.best_step:,}",
                    )
        vars(state).update(vars(self.checkpoints.broadcast(state)))

    def _restore(self, state: TrainingState, *, is_reported: bool) -> None:
        """Write the model directory from the best checkpoint, or the latest without validation."""
        paths = self.checkpoints.paths()
        ranked = best_checkpoints(paths, len(paths)) if state.best_step is not None else []
        (best,) = intact_checkpoints(dict.fromkeys([*ranked, *reversed(paths)]), 1)
        best_state, files = load_checkpoint(best, self.checkpoints.shapes())
        weights: Mapping[str, Tensor] = files.get(AVERAGE_NAME, files[WEIGHTS_NAME])
        if self.recipe.training.average_last > 1:
            weights = self._averaged_with_earlier(weights, best_state.step)
        with swapped_weights(self.trained.model, weights):
            self._write(best_state.step)
        if is_reported:
            logger.warning(
                "`%s` was missing; it is restored from the checkpoint of step %s",
                self.run.model_dir,
                f"{best_state.step:,}",
            )
        if state.best_step not in (None, best_state.step):
            logger.warning(
                "the best checkpoint, of step %s, is missing or damaged; step %s is now the best",
                f"{state.best_step:,}",
                f"{best_state.step:,}",
            )
            state.best_score, state.best_step = best_state.score, best_state.step
            state.best_rank = None if best_state.score is None else validation_rank(best_state)

    @contextmanager
    def _published_weights(self, step: int) -> Iterator[None]:
        """Within this context, the model of `trained` has the weights to validate and publish."""
        average_last, ema = self.recipe.training.average_last, self.stepper.ema
        weights: Mapping[str, Tensor] | None = None
        if ema is not None:
            weights = gather_full(ema.weights)
        elif self.parallel.is_sharded or average_last > 1:
            weights = gather_weights(self.stepper.model)
        if weights is None or not self.parallel.is_main:
            # The model's own weights; other processes than 0 only take part in gathering.
            yield
            return
        if average_last > 1:
            weights = self._averaged_with_earlier(weights, step)
        with swapped_weights(self.trained.model, weights):
            yield

    def _averaged_with_earlier(
        self, weights: Mapping[str, Tensor], step: int
    ) -> Mapping[str, Tensor]:
        """Return the mean of weights and those of the checkpoints before."""
        from mtkit.checkpoint.averaging import average_weights

        config = self.recipe.training
        newest = regular_checkpoints(self.checkpoints.paths())[-config.n_newest :]
        current = checkpoint_path(self.run.checkpoints_dir, step)
        earlier = [path for path in reversed(newest) if path < current]
        used = intact_checkpoints(earlier, config.average_last - 1)
        shapes = self.checkpoints.shapes()
        return average_weights([path / WEIGHTS_NAME for path in used], shapes, weights)

    def _write(self, step: int) -> None:
        trained = with_history(self.trained, read_history(self.run, [step]))
        save_model_dir(self.run.model_dir, trained)


@contextmanager
def swapped_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Replace the weights of a model within this context."""
    original = {}
    try:
        for name, parameter in model.named_parameters():
            original[name] = parameter.data
            parameter.data = weights[name].to(parameter.data)
        yield
    finally:
        for name, parameter in model.named_parameters():
            if name in original:
                parameter.data = original[name]


def find_fault(run: RunDir, step: int, best_step: int | None) -> Fault | None:
    """Compare the model directory of a run with its checkpoints.

    Args:
        run: Run with an identity.json.
        step: Step of the latest checkpoint.
        best_step: Step of the best weights; None if any step will do.
    Returns:
        None if there is no fault, or if the model was written by an earlier release, which did not
        record steps.
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
    (model_step,) = history.steps
    if model_step > step:
        return "unsaved"
    return None if best_step in (None, model_step) else "foreign"


def move_aside(run: RunDir) -> Path:
    """Rename the model directory to the first unused name of model.other*, which is returned."""
    names = (f"{run.model_dir.name}.other{number}" for number in ("", *range(2, 1000)))
    aside = next(path for path in map(run.path.joinpath, names) if not path.exists())
    run.model_dir.rename(aside)
    return aside
