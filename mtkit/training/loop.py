"""Training, from a recipe to a model directory."""

import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from mtkit.batches.collate import Batch
from mtkit.batches.loader import BatchLoader
from mtkit.batches.maker import BatchMaker
from mtkit.batches.mix import Mix
from mtkit.batches.order import BatchOrder, Merging
from mtkit.batches.position import Position
from mtkit.checkpoint.model_dir import ModelDirConfig, TrainedModel, make_model, save_model_dir
from mtkit.checkpoint.run_dir import RunDir
from mtkit.checkpoint.training_state import (
    WEIGHTS_NAME,
    TrainingState,
    best_checkpoints,
    list_checkpoints,
    load_checkpoint,
    prune_checkpoints,
    save_checkpoint,
)
from mtkit.checkpoint.weights import read_weights
from mtkit.config.recipe import Recipe
from mtkit.corpus.preprocess import preprocess
from mtkit.corpus.store import TokenStore
from mtkit.logs import get_logger
from mtkit.model.memory import keep_freed_memory
from mtkit.model.placement import choose_device, choose_dtype
from mtkit.progress import ProgressBar, progress
from mtkit.tokenizer.subword import Tokenizer
from mtkit.training.optimizer import make_optimizer
from mtkit.training.randomness import seed_everything
from mtkit.training.resume import check_same_run, remember_run
from mtkit.training.schedule import learning_rate
from mtkit.training.step import Stepper
from mtkit.training.stopping import Interrupted, StopRequest
from mtkit.training.tally import Tally
from mtkit.training.validation import Validator

logger = get_logger(__name__)


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


def train(recipe: Recipe, out: Path | str | None = None, *, device: str = "auto", n_threads: int | None = None) -> TrainingResult:
    """Train a model, or go on with one.

    Makes tokenizer and token store first when they are missing or stale. A run that is there already is resumed: on a CPU it ends, to the
    bit, where it would have ended without the interruption.

    Args:
        recipe: Everything that decides which model comes out.
        out: The run's folder; default `recipe.run_dir`.
        device: cpu, cuda, cuda:N, or auto.
        n_threads: Cores to use on a CPU; default all.
    Raises:
        MtkitError: Recipe, corpora, device or folder are at fault, or the folder holds a run of other settings.
        Interrupted: SIGINT or SIGTERM came; a checkpoint has been saved, and the message says where.
    """
    if n_threads is not None:
        torch.set_num_threads(n_threads)
    keep_freed_memory()
    report = preprocess(recipe)
    for line in report.lines():
        logger.info("%s", line)
    run = RunDir(Path(out) if out is not None else recipe.run_dir)
    return _Training(recipe, run, device).run_to_end()


class _Training:
    """One run: everything that lives as long as the process."""

    def __init__(self, recipe: Recipe, run: RunDir, device: str) -> None:
        self.recipe, self.config, self.run = recipe, recipe.training, run
        self.device = choose_device(device)
        self.dtype = choose_dtype(recipe.training.precision, self.device)
        tokenizer = Tokenizer.load(recipe.tokenizer_dir)
        store = TokenStore.open(recipe.store_dir)
        self.mix = Mix.for_config(recipe.data, store.corpora, self.config.seed)
        merging = Merging(recipe.augment.merge, recipe.preprocess.max_length)
        self.order = BatchOrder(store, self.mix, recipe.batches.max_tokens, merging)
        maker = BatchMaker.for_recipe(recipe, store, tokenizer)
        self.loader = BatchLoader(self.order, maker, recipe.batches.n_prefetch, recipe.batches.n_workers)
        seed_everything(self.config.seed, "init")
        self.trained = TrainedModel(ModelDirConfig.for_recipe(recipe), make_model(recipe.model, tokenizer).to(self.device), tokenizer)
        self.optimizer = make_optimizer(self.trained.model, self.config)
        self.stepper = Stepper(self.trained.model, self.optimizer, self.config, self.dtype)
        check_same_run(run, recipe, store, tokenizer, self.mix)
        self.state = self._resume()
        if self.state.step and not run.model_dir.exists():
            self._restore_model_dir()
        remember_run(run, recipe, store, tokenizer, self.mix)
        self.validator = Validator(recipe, self.trained, self.dtype) if recipe.data.validation else None
        self.trained.model.train()

    def _resume(self) -> TrainingState:
        checkpoints = list_checkpoints(self.run.checkpoints_dir)
        if not checkpoints:
            return TrainingState()
        state = load_checkpoint(checkpoints[-1], self.trained.model, self.optimizer)
        if state.loss_scale:
            self.stepper.scaler.load_state_dict(state.loss_scale)
        self.run.cut_metrics(state.step)
        logger.info("resuming after step %s", f"{state.step:,}")
        return state

    def _restore_model_dir(self) -> None:
        """The model directory was moved away: make it again from the best checkpoint, or from the newest."""
        checkpoints = list_checkpoints(self.run.checkpoints_dir)
        best = (best_checkpoints(checkpoints, 1) or checkpoints[-1:])[0]
        model = make_model(self.recipe.model, self.trained.tokenizer)
        read_weights(best / WEIGHTS_NAME, model)
        save_model_dir(self.run.model_dir, replace(self.trained, model=model))

    def run_to_end(self) -> TrainingResult:
        self._introduce()
        state, max_steps = self.state, self.config.max_steps
        batches = self.loader.iterate(Position(state.epoch, state.window, state.batch))
        try:
            with StopRequest() as stop, progress("Training", max_steps, "steps") as bar:
                bar.advance(state.step)
                self._train_steps(batches, bar, stop)
        finally:
            batches.close()
        if self.state.step >= max_steps or self._out_of_patience():
            logger.info("done after %s steps; the model is in %s", f"{self.state.step:,}", self.run.model_dir)
        return TrainingResult(
            run_dir=self.run.path,
            model_dir=self.run.model_dir,
            n_steps=self.state.step,
            metric=self.recipe.validation.metric,
            best_score=self._as_shown(self.state.best_score),
            stopped_early=self._out_of_patience(),
        )

    def _train_steps(self, batches: Generator[tuple[Batch, Position], None, None], bar: ProgressBar, stop: StopRequest) -> None:
        state, config = self.state, self.config
        tally = Tally()
        started_s = time.monotonic() - state.train_s
        while state.step < config.max_steps and not self._out_of_patience():
            update: list[Batch] = []
            position = Position(state.epoch, state.window, state.batch)
            for _ in range(config.accumulate_batches):
                batch, position = next(batches)
                update.append(batch.to(self.device))
            rate = learning_rate(state.step + 1, config)
            result = self.stepper.step(update, state.step + 1, rate)
            state.step += 1
            state.epoch, state.window, state.batch = position
            state.n_tokens += result.n_tokens
            state.score = None
            state.train_s = time.monotonic() - started_s
            tally.add(result)
            bar.advance(loss=tally.loss)
            is_last = state.step == config.max_steps
            if state.step % config.log_every_steps == 0 or is_last:
                self._log(tally, rate, bar)
                tally = Tally()
            if (stage := self.mix.stage(state.epoch) + 1) != state.stage:
                state.stage = stage
                bar.note(f"step {state.step}: {self.mix.line(state.epoch)}")
            validates = self.validator is not None and (state.step % self.recipe.validation.every_steps == 0 or is_last)
            if validates:
                tally.pause()
                self._validate(bar)
                tally.go_on()
            if validates or is_last or state.step % config.save_every_steps == 0 or stop.signal_number is not None:
                tally.pause()
                state.train_s = time.monotonic() - started_s
                self._save()
                tally.go_on()
            if stop.signal_number is not None and state.step < config.max_steps:
                message = f"kept: step {state.step:,} in {self.run.path}; the same command goes on from there"
                raise Interrupted(stop.signal_number, message)

    def _introduce(self) -> None:
        n_parameters = sum(parameter.numel() for parameter in self.trained.model.parameters())
        logger.info("%s parameters on %s, matrix products in %s", f"{n_parameters:,}", self.device, str(self.dtype).removeprefix("torch."))
        epoch, counts = self.state.epoch, self.mix.counts(self.state.epoch)
        self.state.stage = self.mix.stage(epoch) + 1
        if counts != [corpus.n_pairs for corpus in self.mix.corpora] or len(counts) > 1:
            for line in self.mix.lines(epoch):
                logger.info("%s", line)
        window = self.order.window(epoch, self.state.window)
        n_batches = round(len(window.batches) * sum(counts) / len(window.rows))
        about = "" if self.mix.n_windows(epoch) == 1 else "about "
        logger.info("%s%s batches an epoch, %.1f %% of their positions padding", about, f"{n_batches:,}", 100 * self.order.padding_share(window))

    def _log(self, tally: Tally, rate: float, bar: ProgressBar) -> None:
        values = {**tally.as_dict(), "lr": rate, "epoch": self.state.epoch + 1}
        self.run.append_metrics(step=self.state.step, kind="train", train_s=round(self.state.train_s, 2), **values)
        bar.note(f"step {self.state.step}: {tally}, lr {rate:.2e}, epoch {self.state.epoch + 1}")

    def _validate(self, bar: ProgressBar) -> None:
        assert self.validator is not None
        state, metric = self.state, self.recipe.validation.metric
        result = self.validator.run()
        state.score = result.quality.score(metric)
        is_best = state.best_score is None or state.score > state.best_score
        state.best_score = state.score if is_best else state.best_score
        state.n_without_best = 0 if is_best else state.n_without_best + 1
        values: dict[str, Any] = {**result.quality.as_dict(), "best": is_best}
        if result.corpora:
            values["corpora"] = [{"name": name, **quality.as_dict()} for name, quality in result.corpora]
        self.run.append_metrics(step=state.step, kind="validation", **values, sample=result.sample)
        bar.note(f"step {state.step}: validation {result.quality}{' (best so far)' if is_best else ''}")
        for name, quality in result.corpora:
            bar.note(f"  {name}: {quality}")
        bar.note(f"  for example: {result.sample}")

    def _save(self) -> None:
        state = self.state
        state.loss_scale = self.stepper.scaler.state_dict() if self.stepper.scaler.is_enabled() else {}
        is_best = state.score is not None and state.score == state.best_score and state.n_without_best == 0
        save_checkpoint(self.run.checkpoints_dir, state, self.trained.model, self.optimizer)
        if is_best or self.validator is None or not self.run.model_dir.exists():
            save_model_dir(self.run.model_dir, self.trained)
        prune_checkpoints(self.run.checkpoints_dir, self.config.keep_last, self.recipe.validation.keep_best)

    def _out_of_patience(self) -> bool:
        patience = self.recipe.validation.patience
        return patience > 0 and self.state.n_without_best >= patience

    def _as_shown(self, score: float | None) -> float | None:
        return -score if score is not None and self.recipe.validation.metric == "loss" else score
