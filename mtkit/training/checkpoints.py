"""Checkpoints of a run: saved, loaded and pruned, also by several processes."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from mtkit.checkpoint.run_dir import RunDir
from mtkit.checkpoint.training_checkpoint import (
    AVERAGE_NAME,
    OPTIMIZER_NAME,
    WEIGHTS_NAME,
    TrainingState,
    intact_checkpoints,
    list_checkpoints,
    load_checkpoint,
    prune_checkpoints,
    read_state,
    regular_checkpoints,
    remove_checkpoint,
    save_checkpoint,
)
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.tokenizer.subword import Tokenizer
from mtkit.training.distributed.parallel import (
    TensorFiles,
    gather_full,
    gather_optimizer_state,
    gather_weights,
    load_optimizer_state,
    load_weights,
)
from mtkit.training.model_setup.initial_weights import initial_model
from mtkit.training.sizing.disk_space import check_free_space, tensor_bytes
from mtkit.training.step import Stepper

logger = get_logger(__name__)


class Checkpoints:
    """Saves and restores everything that a run needs to resume.

    All processes call each method that is not said to be for process 0 only. Process 0 reads and
    writes the files.

    Args:
        run: Directory of the run.
        recipe: The recipe.
        tokenizer: Its tokenizer.
        stepper: Model, optimizer, loss scaler and moving average to save and restore.
    """

    def __init__(self, run: RunDir, recipe: Recipe, tokenizer: Tokenizer, stepper: Stepper) -> None:
        self.run, self.recipe, self.tokenizer, self.stepper = run, recipe, tokenizer, stepper
        self.parallel = stepper.parallel

    def paths(self) -> list[Path]:
        """Return the checkpoints of the run, the oldest first."""
        return list_checkpoints(self.run.checkpoints_dir)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the model's parameters by name."""
        parameters = self.stepper.model.named_parameters()
        return {name: tuple(parameter.shape) for name, parameter in parameters}

    def restore(self) -> TrainingState:
        """Load the latest checkpoint, or return the initial state if there is none."""
        paths = self.paths()
        (has_any,) = self.parallel.broadcast([bool(paths)])
        if not has_any:
            return TrainingState()
        state = self._load(paths[-1:])
        logger.info("resuming after step %s", f"{state.step:,}")
        return state

    def roll_back(self) -> TrainingState:
        """Load the latest checkpoint before training diverged, or the initial weights.

        Later checkpoints are removed.
        """
        paths = self.paths()
        # Extra checkpoints depend on when a run was interrupted; without them, every run rolls
        # back to the same one.
        good = [path for path in regular_checkpoints(paths) if not read_state(path).n_bad_in_a_row]
        good = intact_checkpoints(reversed(good), 1)
        (has_good,) = self.parallel.broadcast([bool(good)])
        if has_good:
            state = self._load(good)
        else:
            weights = gather_weights(initial_model(self.recipe, self.tokenizer))
            state = self._set(TrainingState(), {WEIGHTS_NAME: weights, OPTIMIZER_NAME: {}})
        if self.parallel.is_main:
            for path in paths[paths.index(good[0]) + 1 :] if good else paths:
                remove_checkpoint(path)
        return state

    def _load(self, paths: Sequence[Path]) -> TrainingState:
        """Load the checkpoint of which process 0 has the path; it reads and broadcasts it."""
        state, files = TrainingState(), {}
        if self.parallel.is_main:
            state, files = load_checkpoint(paths[0], self.shapes())
        return self._set(self.broadcast(state), self.parallel.broadcast_files(files))

    def _set(self, state: TrainingState, files: TensorFiles) -> TrainingState:
        """Replace everything that a checkpoint contains; return the state."""
        stepper = self.stepper
        load_weights(stepper.model, files[WEIGHTS_NAME])
        load_optimizer_state(stepper.model, stepper.optimizer, files[OPTIMIZER_NAME])
        if stepper.ema is not None:
            stepper.ema.load(files.get(AVERAGE_NAME, files[WEIGHTS_NAME]))
        if state.loss_scale:
            stepper.scaler.load_state_dict(state.loss_scale)
        stepper.n_bad_in_a_row.fill_(state.n_bad_in_a_row)
        return state

    def broadcast(self, state: TrainingState) -> TrainingState:
        """Return the state that process 0 has."""
        text = self.parallel.broadcast_text(json.dumps(asdict(state)))
        return TrainingState(**json.loads(text))

    def tensors(self) -> TensorFiles:
        """Return the tensors of a checkpoint by file; complete in process 0."""
        stepper = self.stepper
        files = {
            WEIGHTS_NAME: gather_weights(stepper.model),
            OPTIMIZER_NAME: gather_optimizer_state(stepper.model, stepper.optimizer),
        }
        if stepper.ema is not None:
            files[AVERAGE_NAME] = gather_full(stepper.ema.weights)
        return files

    def check_free_space(self, files: TensorFiles, *, publishes: bool) -> None:
        """Check that a checkpoint fits on the disk, together with the model if it is published.

        For process 0 only.
        """
        n_bytes = tensor_bytes(files)
        if publishes:
            n_bytes += tensor_bytes({WEIGHTS_NAME: files[WEIGHTS_NAME]})
        check_free_space(self.run.path, n_bytes, "")

    def save(self, state: TrainingState, files: TensorFiles) -> None:
        """Write a checkpoint and remove those that need not be kept. For process 0 only."""
        self.run.sync_metrics()
        save_checkpoint(self.run.checkpoints_dir, state, files)
        n_best = self.recipe.validation.keep_best
        prune_checkpoints(self.run.checkpoints_dir, self.recipe.training.n_newest, n_best)

    def update_state(self, state: TrainingState) -> None:
        """Copy the loss scale and the number of skipped updates to the state."""
        scaler = self.stepper.scaler
        state.loss_scale = scaler.state_dict() if scaler.is_enabled() else {}
        state.n_bad_in_a_row = int(self.stepper.n_bad_in_a_row)

    @contextmanager
    def reporting_failure(self, step: int) -> Iterator[None]:
        """Add the step and the latest checkpoint that is kept to errors within this context."""
        try:
            yield
        except MtkitError as exc:
            if paths := self.paths():
                kept = f"`{paths[-1]}` is kept, and the same command resumes from it"
            else:
                kept = "no checkpoint has been saved yet"
            raise MtkitError(
                f"step {step:,} could not be saved: {exc.message}", f"{exc.hint}; {kept}"
            ) from exc
