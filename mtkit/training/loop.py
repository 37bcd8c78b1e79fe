"""Training, from a recipe to a model directory."""

import json
import math
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from mtkit.batches.arrays import Position
from mtkit.batches.collate import Batch
from mtkit.batches.loader import BatchLoader
from mtkit.checkpoint.averaging import average_weights
from mtkit.checkpoint.history import read_history
from mtkit.checkpoint.model_dir import TrainedModel, save_model_dir, with_history
from mtkit.checkpoint.run_dir import RunDir
from mtkit.checkpoint.training_checkpoint import (
    AVERAGE_NAME,
    OPTIMIZER_NAME,
    WEIGHTS_NAME,
    TrainingState,
    best_checkpoints,
    checkpoint_path,
    intact_checkpoints,
    list_checkpoints,
    load_checkpoint,
    prune_checkpoints,
    read_state,
    regular_checkpoints,
    remove_checkpoint,
    save_checkpoint,
    validation_rank,
)
from mtkit.config.ineffective_settings import ineffective_settings
from mtkit.config.recipe import Recipe
from mtkit.config.section import normalize_path
from mtkit.corpus.store.preprocess import preprocess
from mtkit.engines.cpu.allocator import (
    bound_kernel_caches,
    give_back_freed_memory,
    keep_freed_memory,
    training_kernels,
)
from mtkit.engines.precision import choose_training_dtype
from mtkit.errors import MtkitError
from mtkit.io.arguments import require_count
from mtkit.io.build_manifest import read_manifest
from mtkit.io.logs import get_logger
from mtkit.training.distributed.parallel import (
    Parallel,
    gather_full,
    gather_optimizer_state,
    gather_weights,
    load_optimizer_state,
    load_weights,
)
from mtkit.training.distributed.process_group import join_processes
from mtkit.training.ema import EmaWeights, swapped_weights
from mtkit.training.freezing import n_parameters, n_trained
from mtkit.training.initial_weights import initial_model
from mtkit.training.published import find_fault, move_aside
from mtkit.training.reporting.metric_accumulator import MetricAccumulator
from mtkit.training.reporting.reporter import Reporter
from mtkit.training.reporting.tracker import Tracker
from mtkit.training.reporting.trackers import all_trackers
from mtkit.training.resume import check_same_run, save_run_identity
from mtkit.training.schedule import learning_rate
from mtkit.training.setup import TrainingData, make_stepper
from mtkit.training.sizing.batch_size import n_activation_values, with_batch_size
from mtkit.training.sizing.disk_space import (
    check_free_space,
    check_free_space_for_run,
    tensor_bytes,
)
from mtkit.training.stop_signals import Interrupted, PendingActions, StopSignals
from mtkit.training.validation import Validator

logger = get_logger(__name__)

CHECK_EVERY_STEPS = 10
"""How often training looks whether updates were skipped, for which it has to wait for the device."""
_FP16_HALVINGS = 17
"""So many updates may be skipped before the loss scale of fp16 has come down from where it starts to 1."""


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended."""

    run_dir: Path
    model_dir: Path
    """The best model by validation, or the last without one; complete."""
    n_steps: int
    metric: str
    best_score: float | None
    """Of the validation metric; None without validation."""
    stopped_early: bool
    """Whether patience ran out before max_steps."""
    is_time_up: bool = False
    """Whether the time given to it was over first; the same call goes on."""


def train(
    recipe: Recipe,
    out: Path | str | None = None,
    *,
    device: str = "auto",
    n_threads: int | None = None,
    max_time_s: float | None = None,
    trackers: Sequence[Tracker] = (),
) -> TrainingResult:
    """Train a model, or go on with one.

    Makes tokenizer and token store first when they are missing or stale. A run that is there already is resumed: on a CPU it ends, to the
    bit, where it would have ended without the interruption.

    Args:
        recipe: Everything that decides which model comes out.
        out: The run's folder; default `recipe.run_dir`.
        device: cpu, cuda, cuda:N, or auto.
        n_threads: Cores to use on a CPU; default all.
        max_time_s: Save and return after the update in which so much time is over since this call; default never.
        trackers: Are told how it goes, besides those of `training.trackers`.
    Raises:
        TypeError: `recipe` is not a Recipe, or `trackers` is not a list of trackers.
        ValueError: `n_threads` is below 1, or `max_time_s` not a number.
        MtkitError: Recipe, corpora, device or folder are at fault, the folder holds a run of other settings, or a checkpoint cannot be saved.
        Interrupted: SIGINT or SIGTERM came; a checkpoint has been saved, and the message says where.
    """
    Recipe.require(recipe)
    if n_threads is not None:
        require_count(n_threads, "n_threads")
    if max_time_s is not None and math.isnan(max_time_s):
        raise ValueError("max_time_s is not a number")
    told = all_trackers(recipe.training, trackers)
    with StopSignals(max_time_s) as stop, join_processes(recipe, device) as (parallel, own_device):
        if n_threads is not None:
            torch.set_num_threads(n_threads)
        if own_device.type == "cpu":
            bound_kernel_caches(training_kernels(n_activation_values(recipe)))
        _preprocess(recipe, parallel)
        # What preparing took is given back first, as it would lie between the tensors.
        give_back_freed_memory()
        keep_freed_memory()
        run = RunDir(normalize_path(Path(out)) if out is not None else recipe.run_dir)
        with run.locked() if parallel.is_main else nullcontext():
            parallel.barrier()
            recipe = with_batch_size(recipe, run, own_device, parallel)
            for text in ineffective_settings(recipe) if parallel.is_main else ():
                logger.warning("%s", text)
            return _Training(recipe, run, own_device, parallel, told).run_to_end(stop)


def _preprocess(recipe: Recipe, parallel: Parallel) -> None:
    """Process 0 makes tokenizer and store while the others wait; then all see the same."""
    if parallel.is_main:
        report = preprocess(recipe)
        for line in [report.summary] if report.fresh else report.lines():
            logger.info("%s", line)
    wanted = parallel.broadcast_text(_store_key(recipe))
    if _store_key(recipe) != wanted:
        raise MtkitError(
            f"`{recipe.store_dir}`: process {parallel.rank}, on {platform.node()}, does not see the store that process 0 has made",
            "give data.work_dir a folder on a disk that all machines share",
        )


def _store_key(recipe: Recipe) -> str:
    return str((read_manifest(recipe.store_dir) or {}).get("key"))


class Diverged(MtkitError):
    """Loss or gradient was not finite again and again, and going back did not help."""

    exit_status = 3


class _Training:
    """One run: everything that lives as long as the process."""

    def __init__(
        self,
        recipe: Recipe,
        run: RunDir,
        device: torch.device,
        parallel: Parallel,
        trackers: Sequence[Tracker],
    ) -> None:
        self.recipe, self.config, self.run, self.parallel = recipe, recipe.training, run, parallel
        self.device = device
        self.dtype = choose_training_dtype(recipe.training.precision, self.device)
        data = TrainingData.open(recipe)
        tokenizer, store, self.mix = data
        self.order = data.sampler(recipe)
        self.loader = BatchLoader(
            self.order,
            data.batch_builder(recipe, self.device),
            recipe.batches.n_prefetch,
            recipe.batches.n_workers,
            pin=self.device.type == "cuda",
            share=(parallel.rank, parallel.world_size),
        )
        (is_resumed,) = parallel.broadcast([bool(list_checkpoints(run.checkpoints_dir))])
        self.stepper = make_stepper(
            recipe, tokenizer, self.device, self.dtype, parallel, is_resumed=bool(is_resumed)
        )
        model, self.optimizer = self.stepper.model, self.stepper.optimizer
        self.trained = TrainedModel(data.model_config(recipe), model, tokenizer)
        self.published = TrainedModel(self.trained.config, parallel.full_model(model), tokenizer)
        """What process 0 validates and saves, within `_published`."""
        self.average = EmaWeights(model, self.config.ema_decay) if self.config.ema_decay else None
        if self.parallel.is_main:
            check_same_run(run, recipe, store, tokenizer, self.mix)
        self._is_time_up = False
        self.has_validation = bool(recipe.data.validation)
        self.validator = (
            Validator(recipe, self.published, self.dtype)
            if self.has_validation and parallel.is_main
            else None
        )
        self.judge = parallel.broadcast_text(
            "" if self.validator is None else self.validator.signature
        )
        self.state = self._resume()
        self._forget_other_scores()
        if self.parallel.is_main and self._wants_more():
            check_free_space_for_run(
                run.path, model, recipe, len(list_checkpoints(run.checkpoints_dir))
            )
        self._check_model_dir()
        if self.parallel.is_main:
            save_run_identity(run, recipe, store, tokenizer, self.mix)
        self.reporter = Reporter(
            run,
            recipe,
            n_parameters=n_parameters(model),
            step=self.state.step,
            trackers=trackers,
            is_main=parallel.is_main,
        )

    def run_to_end(self, stop: StopSignals) -> TrainingResult:
        """Train until it is enough."""
        self._introduce()
        self._started_s = time.monotonic() - self.state.train_s
        with stop.active(), self.reporter:
            while self._wants_more():
                self._train_steps(stop)
            self.reporter.is_over = not self._is_time_up
        if self._is_time_up:
            logger.info(
                "the time is up: step %s of %s is saved; the same command goes on from there",
                f"{self.state.step:,}",
                f"{self.config.max_steps:,}",
            )
        else:
            logger.info("done: %s", self._why_done())
        return TrainingResult(
            run_dir=self.run.path,
            model_dir=self.run.model_dir,
            n_steps=self.state.step,
            metric=self.recipe.validation.metric,
            best_score=self._as_shown(self.state.best_score),
            stopped_early=self._out_of_patience(),
            is_time_up=self._is_time_up,
        )

    def _train_steps(self, stop: StopSignals) -> None:
        """Train until it is enough, or until training has to go back to an earlier state."""
        state, config = self.state, self.config
        tally = MetricAccumulator(self.parallel, state.tally)
        with closing(
            self.loader.iterate(Position(state.epoch, state.window, state.batch))
        ) as batches:
            while self._wants_more():
                update: list[Batch] = []
                position = Position(state.epoch, state.window, state.batch)
                for _ in range(config.n_batches // self.parallel.world_size):
                    batch, position = tally.time_waiting(batches)
                    update.append(batch.to(self.device))
                (n_tokens,) = self.parallel.sum_ints([sum(batch.n_tokens for batch in update)])
                rate = learning_rate(state.step + 1, config) * 0.5**state.n_rollbacks
                tally.add(self.stepper.step(update, state.step + 1, rate, n_tokens))
                state.step += 1
                state.epoch, state.window, state.batch = position
                state.n_tokens += n_tokens
                state.score = state.rank = None
                if self.average is not None:
                    self.average.update(state.step)
                self.reporter.count_step(
                    partial(self._values_now, tally, rate) if self._may_wait() else None
                )
                wishes = PendingActions(*self.parallel.sum_ints(stop.pending()))
                is_last = state.step == config.max_steps
                validates = self.has_validation and (
                    state.step % self.recipe.validation.every_steps == 0 or is_last
                )
                is_regular = validates or is_last or state.step % config.save_every_steps == 0
                saves = is_regular or any(wishes)
                logs = state.step % config.log_every_steps == 0 or is_last
                if (logs or saves or state.step % CHECK_EVERY_STEPS == 0) and self._has_diverged():
                    self._go_back()
                    return
                if logs:
                    self._log(tally, rate)
                    tally = MetricAccumulator(self.parallel)
                self._tell_stage()
                if saves:
                    tally.pause()
                    with self.reporter.paused_for("validating" if validates else "saving"):
                        if validates:
                            self._validate()
                        state.tally, state.is_extra = tally.as_state(), not is_regular
                        self._save()
                    tally.resume()
                    # What is wished for meanwhile finds all saved.
                    wishes = PendingActions(
                        *map(max, wishes, self.parallel.sum_ints(stop.pending()))
                    )
                if wishes.save:
                    self.reporter.log(f"step {state.step}: saved, as SIGUSR1 asked")
                if wishes.stop and self._wants_more():
                    message = f"kept: step {state.step:,} in {self.run.path}; the same command goes on from there"
                    raise Interrupted(stop.signal_number or 15, message)
                self._is_time_up = bool(wishes.end) and self._wants_more()

    def _wants_more(self) -> bool:
        return (
            self.state.step < self.config.max_steps
            and not self._out_of_patience()
            and not self._is_time_up
        )

    def _introduce(self) -> None:
        if self.recipe.validation.patience and not self.has_validation:
            logger.warning("validation.patience is %d, but there is nothing to validate on (data.validation): training does not stop early",
                           self.recipe.validation.patience)  # fmt: skip
        model = self.trained.model
        logger.info(
            "%s parameters on %s, matrix products in %s",
            f"{n_parameters(model):,}",
            self.device,
            str(self.dtype).removeprefix("torch."),
        )
        if frozen := n_parameters(model) - n_trained(model):
            logger.info("%s of them are frozen", f"{frozen:,}")
        epoch, counts = self.state.epoch, self.mix.counts(self.state.epoch)
        self.state.stage = self.mix.stage(epoch) + 1
        if counts != [corpus.n_pairs for corpus in self.mix.corpora] or len(counts) > 1:
            for line in self.mix.describe(epoch):
                logger.info("%s", line)
        window = self.order.window(epoch, self.state.window)
        n_batches = round(len(window.batches) * sum(counts) / len(window.rows))
        about = "" if self.mix.n_windows(epoch) == 1 else "about "
        logger.info(
            "%s%s batches an epoch, %.1f %% of their positions padding",
            about,
            f"{n_batches:,}",
            100 * self.order.padding_share(window),
        )

    def _log(self, tally: MetricAccumulator, rate: float) -> None:
        self.state.train_s = time.monotonic() - self._started_s
        self.reporter.log_training(self.state.step, self._values(tally.as_dict(), rate))

    def _values(self, means: dict[str, float], rate: float) -> dict[str, float]:
        """Add to the means since the last line what holds at this step."""
        return {
            "train_s": round(time.monotonic() - self._started_s, 2),
            **means,
            "lr": rate,
            "epoch": self.state.epoch + 1,
        }

    def _values_now(self, tally: MetricAccumulator, rate: float) -> dict[str, float]:
        return self._values(tally.local_values(), rate)

    def _may_wait(self) -> bool:
        """Whether waiting for the device now costs nothing: a CPU is waited for at every step, a GPU at the steps whose updates are checked."""
        return (
            self.device.type == "cpu"
            or self.state.step == 1
            or self.state.step % CHECK_EVERY_STEPS == 0
        )

    def _tell_stage(self) -> None:
        if (stage := self.mix.stage(self.state.epoch) + 1) != self.state.stage:
            self.state.stage = stage
            self.reporter.log(f"step {self.state.step}: {self.mix.summary(self.state.epoch)}")

    def _validate(self) -> None:
        """Process 0 validates; all learn the score, because it decides when training ends."""
        state = self.state
        with self._published():
            # Translating frees and takes other sizes than training, so that the heap would grow by the room for both.
            give_back_freed_memory()
            result = self.validator.run() if self.validator is not None else None
            give_back_freed_memory()
        metric = self.recipe.validation.metric
        values = (
            [0.0, 0.0, 0.0]
            if result is None
            else [result.quality.score(metric), *result.quality.rank(metric)]
        )
        score, *state.rank = self.parallel.broadcast(values)
        state.score = score if math.isfinite(score) else -math.inf
        best_rank = (
            state.best_rank
            if state.best_rank is not None or state.best_score is None
            else [state.best_score]
        )
        is_best = best_rank is None or state.rank > best_rank
        if best_rank is None or state.rank >= best_rank:
            # An equal one is no better, but it is the newer of the two that is kept.
            state.best_score, state.best_rank, state.best_step = state.score, state.rank, state.step
        state.judge = self.judge
        state.n_without_best = 0 if is_best else state.n_without_best + 1
        if result is not None:
            self.reporter.log_validation(state.step, result, is_best=is_best)

    @contextmanager
    def _published(self) -> Iterator[None]:
        """A context in which `published` has the weights that are validated and kept: the model's own, or an average. All processes enter it."""
        weights = None
        if self.average is not None:
            weights = gather_full(self.average.weights)
        elif self.parallel.is_sharded or self.config.average_last > 1:
            weights = gather_weights(self.trained.model)
        if weights is None or not self.parallel.is_main:
            yield
            return
        if self.config.average_last > 1:
            weights = self._averaged_with_earlier(weights, self.state.step)
        with swapped_weights(self.published.model, weights):
            yield

    def _save(self) -> None:
        state = self.state
        state.train_s = time.monotonic() - self._started_s
        state.loss_scale = (
            self.stepper.scaler.state_dict() if self.stepper.scaler.is_enabled() else {}
        )
        state.n_bad_in_a_row = int(self.stepper.n_bad_in_a_row)
        is_best = state.rank is not None and state.best_step == state.step
        files = self._files()
        (lacks_model,) = self.parallel.broadcast([not self.run.model_dir.exists()])
        publishes = (
            is_best or not self.has_validation or (bool(lacks_model) and state.best_step is None)
        )
        try:
            if self.parallel.is_main:
                check_free_space(
                    self.run.path,
                    tensor_bytes(files)
                    + publishes * tensor_bytes({WEIGHTS_NAME: files[WEIGHTS_NAME]}),
                    "",
                )
            # The model first: a run that is killed in between makes it again, and never goes on without it.
            if publishes:
                with self._published():
                    if self.parallel.is_main:
                        self._publish(state.step)
            if self.parallel.is_main:
                self.run.sync_metrics()
                save_checkpoint(self.run.checkpoints_dir, state, files)
                prune_checkpoints(
                    self.run.checkpoints_dir, self.config.n_newest, self.recipe.validation.keep_best
                )
            if lacks_model and not publishes:
                self._check_model_dir()
        except MtkitError as exc:
            raise MtkitError(
                f"step {state.step:,} could not be saved: {exc.message}",
                f"{exc.hint}; {self._what_is_kept()}",
            ) from exc
        self.parallel.barrier()

    def _averaged_with_earlier(
        self, weights: Mapping[str, Tensor], step: int
    ) -> Mapping[str, Tensor]:
        """The mean of a step's weights and those of the checkpoints before it, where training.average_last asks for that."""
        kept = regular_checkpoints(list_checkpoints(self.run.checkpoints_dir))[
            -self.config.n_newest :
        ]
        earlier = [
            path
            for path in reversed(kept)
            if path < checkpoint_path(self.run.checkpoints_dir, step)
        ]
        chosen = intact_checkpoints(earlier, self.config.average_last - 1)
        return average_weights([path / WEIGHTS_NAME for path in chosen], self._shapes(), weights)

    def _what_is_kept(self) -> str:
        if checkpoints := list_checkpoints(self.run.checkpoints_dir):
            return f"`{checkpoints[-1]}` is kept, and the same command goes on from there"
        return "no checkpoint is kept yet"

    def _files(self) -> dict[str, dict[str, Tensor]]:
        """The tensors of a checkpoint."""
        model = self.trained.model
        files = {
            WEIGHTS_NAME: gather_weights(model),
            OPTIMIZER_NAME: gather_optimizer_state(model, self.optimizer),
        }
        return (
            files
            if self.average is None
            else files | {AVERAGE_NAME: gather_full(self.average.weights)}
        )

    def _resume(self) -> TrainingState:
        """Go on from the newest checkpoint, or start."""
        checkpoints = list_checkpoints(self.run.checkpoints_dir)
        (has_any,) = self.parallel.broadcast([bool(checkpoints)])
        if not has_any:
            return TrainingState()
        state = self._take_up(checkpoints)
        logger.info("resuming after step %s", f"{state.step:,}")
        return state

    def _take_up(self, checkpoints: Sequence[Path]) -> TrainingState:
        """Take weights, moments and state from the last of these. Process 0 reads it for all, and says which they are."""
        model = self.trained.model
        state, files = (
            load_checkpoint(checkpoints[-1], self._shapes())
            if self.parallel.is_main
            else (TrainingState(), {})
        )
        state = self._shared(state)
        files = self.parallel.broadcast_files(files)
        load_weights(model, files[WEIGHTS_NAME])
        load_optimizer_state(model, self.optimizer, files[OPTIMIZER_NAME])
        if self.average is not None:
            self.average.load(files.get(AVERAGE_NAME, files[WEIGHTS_NAME]))
        if state.loss_scale:
            self.stepper.scaler.load_state_dict(state.loss_scale)
        self.stepper.n_bad_in_a_row.fill_(state.n_bad_in_a_row)
        return state

    def _has_diverged(self) -> bool:
        limit = self.config.max_bad_steps + (
            _FP16_HALVINGS if self.stepper.scaler.is_enabled() else 0
        )
        return int(self.stepper.n_bad_in_a_row) >= limit

    def _go_back(self) -> None:
        """To the last checkpoint that was made in good times, at half the rate; to the start if there is none."""
        state, n_rollbacks = self.state, self.state.n_rollbacks + 1
        n_bad = int(self.stepper.n_bad_in_a_row)
        what = f"training has diverged: at step {state.step:,} loss or gradient was not finite for {n_bad} updates in a row"
        if n_rollbacks > self.config.max_rollbacks:
            raise Diverged(
                f"{what}, and going back {self.config.max_rollbacks} times to a lower rate did not help",
                "lower training.learning_rate, raise training.warmup_steps, or look for odd pairs with `mtkit data check`; good checkpoints are kept",
            )
        checkpoints = list_checkpoints(self.run.checkpoints_dir)
        good = [
            path
            for path in regular_checkpoints(checkpoints)
            if read_state(path).n_bad_in_a_row == 0
        ]
        good = intact_checkpoints(reversed(good), 1)
        (has_good,) = self.parallel.broadcast([bool(good)])
        if has_good:
            self.state = self._take_up(good)
        else:
            self.state = TrainingState()
            load_weights(
                self.trained.model,
                gather_weights(initial_model(self.recipe, self.trained.tokenizer)),
            )
            load_optimizer_state(self.trained.model, self.optimizer, {})
            self.average = (
                EmaWeights(self.trained.model, self.config.ema_decay)
                if self.average is not None
                else None
            )
            self.stepper.n_bad_in_a_row.zero_()
        self.state.n_rollbacks = n_rollbacks
        self.reporter.log(
            f"{what}; going back to step {self.state.step:,}, from there with {0.5**n_rollbacks:g} of the learning rate"
        )
        self.reporter.rollback(self.state.step)
        if self.parallel.is_main:
            for path in checkpoints[checkpoints.index(good[-1]) + 1 :] if good else checkpoints:
                remove_checkpoint(path)
        # A later step may have been the best.
        self._check_model_dir()
        # Kept at once, so that a run that is interrupted remembers it.
        self._save()

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {
            name: tuple(parameter.shape)
            for name, parameter in self.trained.model.named_parameters()
        }

    def _shared(self, state: TrainingState) -> TrainingState:
        """Return the state that process 0 has."""
        return TrainingState(**json.loads(self.parallel.broadcast_text(json.dumps(asdict(state)))))

    def _forget_other_scores(self) -> None:
        """Drop the best score if it was measured in another way than those to come."""
        state = self.state
        # Earlier releases did not record how they measured.
        if (
            state.best_score is None
            or state.judge == self.judge
            or (self.has_validation and not state.judge)
        ):
            return
        if self.has_validation:
            logger.warning(
                "the validation pairs or how they are translated have changed: earlier scores do not count, and the next is the best so far"
            )
        else:
            logger.warning(
                "data.validation was removed: from the next checkpoint on, the model is the newest, not the best"
            )
        state.best_score = state.best_rank = state.best_step = None
        state.n_without_best = 0

    def _check_model_dir(self) -> None:
        """See to it that the model directory holds the best weights of this run, or those of the newest checkpoint without validation."""
        if self.parallel.is_main and self.state.step:
            best_step = self.state.best_step
            fault = find_fault(self.run, self.state.step, best_step)
            if fault == "foreign":
                logger.warning(
                    "`%s` is not what training wrote there; it is kept as `%s`",
                    self.run.model_dir,
                    move_aside(self.run),
                )
            if fault is not None:
                self._restore_model_dir(is_told=fault != "unsaved")
            elif best_step and checkpoint_path(
                self.run.checkpoints_dir, best_step
            ) not in list_checkpoints(self.run.checkpoints_dir):
                logger.warning(
                    "the best checkpoint, that of step %s, is gone or damaged; `model/` still holds its weights",
                    f"{best_step:,}",
                )
        # In place, because a loop over updates may hold it.
        vars(self.state).update(vars(self._shared(self.state)))

    def _restore_model_dir(self, *, is_told: bool) -> None:
        """Make the model directory again from the best checkpoint that is left, or without validation from the newest."""
        checkpoints = list_checkpoints(self.run.checkpoints_dir)
        ranked = (
            best_checkpoints(checkpoints, len(checkpoints))
            if self.state.best_step is not None
            else []
        )
        (best,) = intact_checkpoints(dict.fromkeys([*ranked, *reversed(checkpoints)]), 1)
        state, files = load_checkpoint(best, self._shapes())
        weights: Mapping[str, Tensor] = files.get(AVERAGE_NAME, files[WEIGHTS_NAME])
        if self.config.average_last > 1:
            weights = self._averaged_with_earlier(weights, state.step)
        with swapped_weights(self.published.model, weights):
            self._publish(state.step)
        if is_told:
            logger.warning(
                "`%s` was missing; it is made again from the checkpoint of step %s",
                self.run.model_dir,
                f"{state.step:,}",
            )
        if self.state.best_step not in (None, state.step):
            logger.warning("the best checkpoint, that of step %s, is gone or damaged: that of step %s counts as the best now",
                           f"{self.state.best_step:,}", f"{state.step:,}")  # fmt: skip
            self.state.best_score, self.state.best_step = state.score, state.step
            self.state.best_rank = None if state.score is None else validation_rank(state)

    def _publish(self, step: int) -> None:
        """Write the model directory with the weights that `self.published` holds now."""
        save_model_dir(
            self.run.model_dir, with_history(self.published, read_history(self.run, [step]))
        )

    def _out_of_patience(self) -> bool:
        patience = self.recipe.validation.patience
        return patience > 0 and self.state.n_without_best >= patience

    def _why_done(self) -> str:
        if not self._out_of_patience():
            return "training.max_steps is reached"
        return f"{self.state.n_without_best} validations in a row without a new best (validation.patience)"

    def _as_shown(self, score: float | None) -> float | None:
        return -score if score is not None and self.recipe.validation.metric == "loss" else score
