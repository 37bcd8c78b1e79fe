"""The training loop."""

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from mtkit.batches.arrays import Position
from mtkit.batches.collate import Batch
from mtkit.batches.loader import BatchLoader
from mtkit.checkpoint.training_checkpoint import TrainingState
from mtkit.config.recipe import Recipe
from mtkit.engines.lagged_reader import LaggedReader
from mtkit.io.logs import get_logger
from mtkit.model.transformer import n_parameters
from mtkit.training.checkpoints import Checkpoints
from mtkit.training.divergence import DivergenceMonitor
from mtkit.training.model_setup.freezing import n_trained
from mtkit.training.optimizer import learning_rate
from mtkit.training.publisher import Publisher
from mtkit.training.reporting.metric_accumulator import Counts, MetricAccumulator
from mtkit.training.reporting.reporter import Reporter
from mtkit.training.setup import TrainingData, src_multiple
from mtkit.training.step import Stepper
from mtkit.training.stop_signals import Interrupted, PendingActions, StopSignals

logger = get_logger(__name__)

CHECK_EVERY_STEPS = 10
"""Steps between checks for divergence."""

Outcome = Literal["complete", "time_up", "rolled_back"]


@dataclass(frozen=True)
class TrainingResult:
    """Outcome of a run."""

    run_dir: Path
    model_dir: Path
    """The best model by validation, or the latest without validation."""
    n_steps: int
    metric: str
    best_score: float | None
    """Best score by the validation metric; None without validation."""
    stopped_early: bool
    """Whether patience was exhausted before max_steps."""
    is_time_up: bool = False
    """Whether the time limit was reached first; the same call resumes."""


class DueActions(NamedTuple):
    """Actions that are due after a step."""

    checks: bool
    """Check for divergence."""
    logs: bool
    validates: bool
    saves: bool
    """Save a checkpoint, because of the schedule or because of a request."""
    is_regular: bool
    """Whether the checkpoint is due by the schedule."""

    @classmethod
    def after(cls, step: int, recipe: Recipe, requested: PendingActions) -> "DueActions":
        """Return the actions after a step, by the recipe's schedule and by request."""
        config = recipe.training
        is_last = step == config.max_steps
        validates = bool(recipe.data.validation) and (
            step % recipe.validation.every_steps == 0 or is_last
        )
        is_regular = validates or is_last or step % config.save_every_steps == 0
        saves = is_regular or any(requested)
        logs = step % config.log_every_steps == 0 or is_last
        checks = logs or saves or step % CHECK_EVERY_STEPS == 0
        return cls(checks, logs, validates, saves, is_regular)


class TrainingLoop:
    """The training loop of a run.

    Args:
        data: Training data.
        loader: Batches of this process.
        stepper: Makes optimizer updates.
        checkpoints: Checkpoints of the run.
        publisher: Validates and publishes the model.
        reporter: Receives metrics.
        state: State to start from.
    """

    def __init__(
        self,
        data: TrainingData,
        loader: BatchLoader,
        stepper: Stepper,
        checkpoints: Checkpoints,
        publisher: Publisher,
        reporter: Reporter,
        state: TrainingState,
    ) -> None:
        self.recipe, self.parallel = checkpoints.recipe, stepper.parallel
        self.data, self.loader, self.stepper = data, loader, stepper
        self.checkpoints, self.publisher, self.reporter = checkpoints, publisher, reporter
        self.monitor = DivergenceMonitor(stepper)
        self._sums: LaggedReader[Counts] = LaggedReader(0 if stepper.device.type == "cpu" else 1)
        self.state = state
        self.started_s = time.monotonic() - state.train_s

    def run(self, signals: StopSignals) -> TrainingResult:
        """Train to the end, or until the time limit.

        Raises:
            Diverged: Training diverged repeatedly.
            Interrupted: SIGINT or SIGTERM was received.
        """
        self._log_start()
        outcome: Outcome = "rolled_back"
        with signals.active(), self.reporter:
            while outcome == "rolled_back":
                outcome = self._train_steps(signals)
            self.reporter.is_finished = outcome == "complete"
        state, recipe = self.state, self.recipe
        stopped_early = _is_out_of_patience(state, recipe)
        if outcome == "time_up":
            steps = f"step {state.step:,} of {recipe.training.max_steps:,}"
            logger.info(
                "time limit reached: %s is saved; the same command resumes from there", steps
            )
        elif stopped_early:
            n = state.n_without_best
            logger.info("done: %d validations without improvement (validation.patience)", n)
        else:
            logger.info("done: training.max_steps reached")
        best_score = state.best_score
        if best_score is not None and recipe.validation.metric == "loss":
            best_score = -best_score
        return TrainingResult(
            run_dir=self.checkpoints.run.path,
            model_dir=self.checkpoints.run.model_dir,
            n_steps=state.step,
            metric=recipe.validation.metric,
            best_score=best_score,
            stopped_early=stopped_early,
            is_time_up=outcome == "time_up",
        )

    def _train_steps(self, signals: StopSignals) -> Outcome:
        """Train until training is complete, rolls back, or reaches its time limit."""
        state, recipe = self.state, self.recipe
        metrics = MetricAccumulator(self.parallel, state.tally)
        position = Position(state.epoch, state.window, state.batch)
        with closing(self.loader.iterate(position)) as batches:
            while not is_complete(state, recipe):
                # The batches of one update, shared by all processes.
                update, position = self._next_update(batches, metrics)
                (n_tokens,) = self.parallel.sum_ints([sum(batch.n_tokens for batch in update)])

                # Each rollback halves the learning rate of the schedule.
                rate = learning_rate(state.step + 1, recipe.training) * 0.5**state.n_rollbacks
                metrics.add(self.stepper.step(update, state.step + 1, rate, n_tokens))
                state.step += 1
                state.epoch, state.window, state.batch = position
                state.n_tokens += n_tokens
                state.score = state.rank = None

                self.reporter.count_step(self._progress(metrics, rate))

                # Requests of any process count for all, so that all do the same.
                requested = self._sum_over_processes(signals.pending())
                due = DueActions.after(state.step, recipe, requested)

                # Before anything is logged or saved: a checkpoint of diverged weights is useless.
                waits = due.logs or due.saves
                if due.checks and self.monitor.has_diverged(state.step, waits=waits):
                    self._roll_back()
                    return "rolled_back"

                if due.logs:
                    self._log(metrics, rate)
                    metrics = MetricAccumulator(self.parallel)
                self._log_stage()

                # Validation determines the best weights, which are published when saving.
                if due.saves:
                    self._validate_and_save(metrics, due)
                    # This checkpoint also satisfies requests that arrived in the meantime.
                    later = self._sum_over_processes(signals.pending())
                    requested = PendingActions(*map(max, requested, later))

                if requested.save:
                    self.reporter.log(f"step {state.step}: saved on request (SIGUSR1)")
                if requested.stop and not is_complete(state, recipe):
                    run_dir = self.checkpoints.run.path
                    saved = f"step {state.step:,} is saved in {run_dir}"
                    message = f"{saved}; the same command resumes from there"
                    raise Interrupted(signals.signal_number or 15, message)
                if requested.end and not is_complete(state, recipe):
                    return "time_up"
        return "complete"

    def _next_update(
        self,
        batches: Generator[tuple[Batch, Position], None, None],
        metrics: MetricAccumulator,
    ) -> tuple[list[Batch], Position]:
        """Return this process' batches of the next update, and the position after it."""
        update: list[Batch] = []
        for _ in range(self.recipe.training.n_batches // self.parallel.world_size):
            batch, position = metrics.next_batch(batches)
            update.append(batch.to(self.stepper.device))
        return update, position

    def _sum_over_processes(self, actions: PendingActions) -> PendingActions:
        return PendingActions(*self.parallel.sum_ints(actions))

    def _validate_and_save(self, metrics: MetricAccumulator, due: DueActions) -> None:
        state = self.state
        reason = "validating" if due.validates else "saving"
        with metrics.paused(), self.reporter.paused_for(reason):
            if due.validates:
                result, is_best = self.publisher.validate(state)
                if result is not None:
                    self.reporter.log_validation(state.step, result, is_best=is_best)
            state.tally, state.is_extra = metrics.as_state(), not due.is_regular
            self._save()

    def _save(self) -> None:
        """Publish the model if its weights are the best, then save a checkpoint.

        In this order, a run that is killed in between publishes the model again; in the other, it
        would resume without it.
        """
        state, checkpoints, publisher = self.state, self.checkpoints, self.publisher
        state.train_s = time.monotonic() - self.started_s
        checkpoints.update_state(state)
        tensors = checkpoints.tensors()
        publishes = publisher.should_publish(state)
        with checkpoints.reporting_failure(state.step):
            if self.parallel.is_main:
                checkpoints.check_free_space(tensors, publishes=publishes)
            if publishes:
                publisher.publish(state.step)
            if self.parallel.is_main:
                checkpoints.save(state, tensors)
            if not publishes and publisher.is_missing():
                publisher.repair(state)
        self.parallel.barrier()

    def _roll_back(self) -> None:
        """Return to the latest good checkpoint at half the learning rate, and save that."""
        message = self.monitor.check_rollbacks(self.state)
        n_rollbacks = self.state.n_rollbacks + 1
        self.state = state = self.checkpoints.roll_back()
        self._sums.clear()
        state.n_rollbacks = n_rollbacks
        factor = f"{0.5**n_rollbacks:g} of the learning rate"
        self.reporter.log(f"{message}; rolling back to step {state.step:,}, with {factor}")
        self.reporter.rollback(state.step)
        # The published model may be of a later step.
        self.publisher.repair(state)
        # Saved at once, so that an interrupted run remembers the rollback.
        self._save()

    def _log(self, metrics: MetricAccumulator, rate: float) -> None:
        self.state.train_s = time.monotonic() - self.started_s
        self.reporter.log_training(self.state.step, self._values(metrics.as_dict(), rate))

    def _progress(self, metrics: MetricAccumulator, rate: float) -> dict[str, float] | None:
        """Return the metrics to show between two lines of the log, without delaying training.

        On a GPU they are read every CHECK_EVERY_STEPS steps, as they were at the read before; in
        other steps, None is returned.
        """
        step = self.state.step
        is_due = self.stepper.device.type == "cpu" or step == 1 or step % CHECK_EVERY_STEPS == 0
        if not is_due or (sums := metrics.local_sums()) is None:
            return None
        self._sums.start(sums, metrics.counts())
        read = self._sums.read()
        return None if read is None else self._values(read[1].metrics(read[0]), rate)

    def _values(self, means: dict[str, float], rate: float) -> dict[str, float]:
        """Add the current values of this step to the means since the last log line."""
        train_s = round(time.monotonic() - self.started_s, 2)
        return {"train_s": train_s, **means, "lr": rate, "epoch": self.state.epoch + 1}

    def _log_stage(self) -> None:
        """Log the beginning of a stage of the mixture."""
        mixture, epoch = self.data.mixture, self.state.epoch
        if (stage := mixture.stage(epoch) + 1) != self.state.stage:
            self.state.stage = stage
            self.reporter.log(f"step {self.state.step}: {mixture.summary(epoch)}")

    def _log_start(self) -> None:
        """Log model, mixture and batches."""
        recipe, state, model = self.recipe, self.state, self.stepper.model
        if (patience := recipe.validation.patience) and not recipe.data.validation:
            logger.warning(
                "validation.patience is %d, but training does not stop early without"
                " data.validation",
                patience,
            )
        n_all, n_frozen = n_parameters(model), n_parameters(model) - n_trained(model)
        frozen = f" ({n_frozen:,} frozen)" if n_frozen else ""
        precision = str(self.stepper.dtype).removeprefix("torch.")
        device = self.stepper.device
        logger.info("%s parameters%s on %s, precision %s", f"{n_all:,}", frozen, device, precision)
        mixture = self.data.mixture
        counts = mixture.counts(state.epoch)
        state.stage = mixture.stage(state.epoch) + 1
        if counts != [corpus.n_pairs for corpus in mixture.corpora] or len(counts) > 1:
            for line in mixture.describe(state.epoch):
                logger.info("%s", line)
        sampler = self.loader.sampler
        window = sampler.window(state.epoch, state.window)
        n_batches = round(len(window.batches) * sum(counts) / len(window.rows))
        about = "" if mixture.n_windows(state.epoch) == 1 else "about "
        padding = 100 * sampler.padding_share(window, src_multiple(device))
        logger.info("%s%s batches per epoch, %.1f %% padding", about, f"{n_batches:,}", padding)


def is_complete(state: TrainingState, recipe: Recipe) -> bool:
    """Whether training has reached max_steps or exhausted its patience."""
    return state.step >= recipe.training.max_steps or _is_out_of_patience(state, recipe)


def _is_out_of_patience(state: TrainingState, recipe: Recipe) -> bool:
    patience = recipe.validation.patience
    return patience > 0 and state.n_without_best >= patience
