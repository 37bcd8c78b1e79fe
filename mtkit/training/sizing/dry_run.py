"""What a training will take, told before it begins: its parameters, memory, disk and time, and whatever would stop it."""

import os
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from mtkit.batches.loader import BatchLoader
from mtkit.checkpoint.model_dir import TrainedModel, make_model
from mtkit.checkpoint.run_dir import RunDir
from mtkit.checkpoint.training_checkpoint import list_checkpoints, read_state
from mtkit.config.data import CorpusSource
from mtkit.config.ineffective_settings import ineffective_settings
from mtkit.config.recipe import Recipe
from mtkit.corpus.read.pairs import read_pairs, source_fingerprint
from mtkit.corpus.sample import CorpusSample, prepare_sample
from mtkit.corpus.store.first_pass import read_once
from mtkit.corpus.store.preprocess import store_is_fresh
from mtkit.engines.cpu.allocator import bound_kernel_caches, keep_freed_memory, training_kernels
from mtkit.engines.precision import choose_training_dtype
from mtkit.errors import MtkitError
from mtkit.io.progress import format_duration
from mtkit.model.device import choose_device
from mtkit.model.transformer import Transformer
from mtkit.training.distributed.parallel import Parallel
from mtkit.training.freezing import freeze, n_parameters, n_trained
from mtkit.training.reporting.trackers import all_trackers
from mtkit.training.resume import check_same_run
from mtkit.training.setup import TrainingData
from mtkit.training.sizing.batch_size import n_activation_values, with_batch_size
from mtkit.training.sizing.batch_size_search import BatchSizeSearch, describe_update
from mtkit.training.sizing.disk_space import (
    expected_bytes,
    format_bytes,
    free_bytes,
    max_checkpoints,
)
from mtkit.training.sizing.profiling_run import ProfilingRun, growth_factor
from mtkit.training.validation import Validator
from mtkit.workers.process_pool import n_cores

_MAX_TIMED = 10
_TIMED_S = 20.0
"""Updates are timed until there are so many, or so much time is over."""


@dataclass
class DryRunReport:
    """What was found out. Where something is at fault, what depends on it is missing."""

    facts: list[tuple[str, str]] = field(default_factory=list)
    """What about, and what is to be said of it."""
    problems: list[MtkitError] = field(default_factory=list)
    """All that would stop the training, as far as it can be known at once."""

    @property
    def can_train(self) -> bool:
        """Whether nothing stands in the way."""
        return not self.problems

    def __str__(self) -> str:
        width = max((len(about) for about, _ in self.facts), default=0)
        lines = [f"{about:<{width}}  {text}" for about, text in self.facts]
        if self.can_train:
            lines.append("nothing stands in the way; nothing was written")
        return "\n".join(lines)

    def add(self, about: str, text: str) -> None:
        """Add a fact."""
        self.facts.append((about, text))

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """What is at fault within this context is a problem, and the rest goes on."""
        try:
            yield
        except MtkitError as exc:
            if exc.message not in {problem.message for problem in self.problems}:
                self.problems.append(exc)


def dry_run(
    recipe: Recipe,
    out: Path | str | None = None,
    *,
    device: str = "auto",
    n_threads: int | None = None,
    n_processes: int = 1,
) -> DryRunReport:
    """Find out what training a recipe will take, and whether it can be done. Trains nothing that is kept, and writes to temporary folders alone.

    Where tokenizer or token store are missing or stale, they are made of a sample of the corpus, and its figures stand for the whole.

    Args:
        recipe: As for `train`.
        out: The run's folder; default `recipe.run_dir`.
        device: cpu, cuda, cuda:N, or auto.
        n_threads: Cores to use on a CPU; default all.
        n_processes: How many would train together. Memory and time are measured on one.
    """
    if n_threads is not None:
        torch.set_num_threads(n_threads)
    keep_freed_memory()
    found = DryRunReport()
    run = RunDir(Path(out) if out is not None else recipe.run_dir)
    _check_files(found, recipe, run)
    with found.collecting(), tempfile.TemporaryDirectory(prefix="mtkit-estimate-") as folder:
        chosen = choose_device(device)
        if chosen.type == "cpu":
            bound_kernel_caches(training_kernels(n_activation_values(recipe)))
        dtype = choose_training_dtype(recipe.training.precision, chosen)
        if chosen.type == "cpu" and n_threads is None and n_processes > 1:
            torch.set_num_threads(max(1, n_cores() // n_processes))
        n = torch.get_num_threads()
        what = (
            f"{n} thread{'s' if n > 1 else ''}"
            if chosen.type == "cpu"
            else torch.cuda.get_device_name(chosen)
        )
        found.add(
            "device", f"{chosen}, {what}; matrix products in {str(dtype).removeprefix('torch.')}"
        )
        readable = _readable(found, recipe)
        if readable is not None:
            is_fresh = store_is_fresh(readable)
            with found.collecting():
                if not is_fresh:
                    read_once(readable)
            sample = None if is_fresh else prepare_sample(readable, Path(folder))
            _DryRun(found, readable, run, sample, chosen, PlannedProcesses(n_processes)).tell_all()
    for text in ineffective_settings(recipe):
        found.add("warning", text)
    return found


class PlannedProcesses(Parallel):
    """Processes that are not there yet: the first of them speaks for all."""

    def __init__(self, n: int) -> None:
        self.world_size = n

    def min_int(self, value: int) -> int:
        return value


def _check_files(found: DryRunReport, recipe: Recipe, run: RunDir) -> None:
    """What can be known without reading a corpus."""
    with found.collecting():
        all_trackers(recipe.training)
    with found.collecting():
        run.refuse_foreign()
    for folder, how in ((recipe.data.work_dir, "data.work_dir"), (run.path, "--out")):
        nearest = next(
            parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists()
        )
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            found.problems.append(
                MtkitError(f"`{nearest}`: cannot be written to", f"name another folder with {how}")
            )


def _readable(found: DryRunReport, recipe: Recipe) -> Recipe | None:
    """The recipe without held-out corpora that cannot be read, which are problems. None if a training corpus cannot be read."""
    n_before = len(found.problems)
    for source in recipe.data.train:
        with found.collecting():
            source_fingerprint(source, recipe.data)
    if len(found.problems) > n_before:
        return None
    keys = ("validation", "test") if recipe.clean.test_overlap != "off" else ("validation",)
    held_out = {
        key: tuple(
            source for source in getattr(recipe.data, key) if _is_readable(found, source, recipe)
        )
        for key in keys
    }
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=held_out)})


def _is_readable(found: DryRunReport, source: CorpusSource, recipe: Recipe) -> bool:
    with found.collecting():
        for _ in read_pairs(source, recipe.data):
            pass
        return True
    return False


class _DryRun:
    """Tells what is known once there are pairs in a store.

    Args:
        found: Takes what is said.
        recipe: As the user wrote it.
        run: Where the run is, or will be.
        sample: Stands for the corpora; None where they are ready themselves.
        device: Where it would train.
        parallel: How many would train.
    """

    def __init__(
        self,
        found: DryRunReport,
        recipe: Recipe,
        run: RunDir,
        sample: CorpusSample | None,
        device: torch.device,
        parallel: PlannedProcesses,
    ) -> None:
        self.found, self.run, self.sample, self.device, self.parallel = (
            found,
            run,
            sample,
            device,
            parallel,
        )
        self.prepared = recipe if sample is None else sample.recipe
        self.data = TrainingData.open(self.prepared)
        self.scale = 1.0 if sample is None else sample.scale
        self.is_whole = sample is None or sample.n_pairs == sample.n_sampled
        self.about = "" if self.is_whole else "about "

    def tell_all(self) -> None:
        """All of it; what is at fault leaves out only what depends on it."""
        found = self.found
        self._tell_data()
        with found.collecting():
            # A model without weights, which fits anywhere.
            with torch.device("meta"):
                model = make_model(self.prepared.model, self.data.tokenizer)
            freeze(model, self.prepared.training.freeze)
            self._tell_model(model)
            self._tell_disk(model)
        with found.collecting():
            recipe = with_batch_size(self.prepared, self.run, self.device, self.parallel)
            n_steps = self._tell_run(recipe)
            tokens_per_update = self._tell_epoch(recipe)
            is_resumed = bool(list_checkpoints(self.run.checkpoints_dir))
            with ProfilingRun(recipe, self.data, self.device, is_resumed=is_resumed) as trial:
                if recipe.data.validation:
                    with found.collecting():
                        self._tell_validation(recipe, trial)
                self._tell_memory(recipe, trial)
                self._tell_time(recipe, trial, n_steps, tokens_per_update)

    def _tell_data(self) -> None:
        mix, tokens = (
            self.data.mixture,
            self.data.store.manifest["n_tokens"]["tgt"] + self.data.store.n_pairs,
        )
        n_pairs = round(self.scale * self.data.store.n_pairs)
        text = f"{self.about}{n_pairs:,} pairs, {self.about}{round(self.scale * tokens):,} target tokens"
        if self.sample is not None:
            which = "all of them" if self.is_whole else f"a sample of {self.sample.n_sampled:,}"
            text += f"; {self.sample.n_pairs:,} were read, and tokenizer and store made of {which} for this estimate"
        self.found.add("data", text)
        counts = mix.counts(0)
        if counts != [corpus.n_pairs for corpus in mix.corpora]:
            self.found.add(
                "mix",
                f"the first epoch shows {self.about}{round(self.scale * sum(counts)):,} pairs",
            )

    def _tell_model(self, model: Transformer) -> None:
        n_all, n_frozen = n_parameters(model), n_parameters(model) - n_trained(model)
        n_embeddings = sum(
            parameter.numel()
            for name, parameter in model.named_parameters()
            if "layers." not in name and parameter.dim() > 1
        )
        tokenizer = self.data.tokenizer
        sizes = (
            f"{tokenizer.tgt.vocab_size:,} pieces"
            if tokenizer.joint
            else f"{tokenizer.src.vocab_size:,} and {tokenizer.tgt.vocab_size:,} pieces"
        )
        frozen = f"; {n_frozen:,} of them are frozen" if n_frozen else ""
        self.found.add(
            "model",
            f"{n_all:,} parameters, {n_embeddings:,} of them in embeddings and output layer ({sizes}){frozen}",
        )

    def _tell_epoch(self, recipe: Recipe) -> float:
        """Returns the target tokens of an update."""
        n_batches, n_processes = recipe.training.n_batches, self.parallel.world_size
        tokens_per_update, n_steps = self._of_an_epoch(recipe, n_batches)
        update = describe_update(recipe.batches.limit, n_batches, n_processes)
        self.found.add(
            "batches",
            f"{recipe.batches.limit:,} positions; {update} positions, {self.about}{round(tokens_per_update):,} target tokens",
        )
        n_epochs = recipe.training.max_steps / n_steps
        text = f"{self.about}{n_steps:,.0f} updates; training.max_steps ({recipe.training.max_steps:,}) makes {self.about}{n_epochs:,.3g} epochs"
        self.found.add("epoch", text)
        for stage in recipe.data.stages[:-1]:
            if (stage.until_epoch or 0) >= n_epochs:
                text = f"data.stages: the stage after epoch {stage.until_epoch} does not begin within {self.about}{n_epochs:,.3g} epochs"
                self.found.add("warning", f"{text}; raise training.max_steps")
                break
        return tokens_per_update

    def _of_an_epoch(self, recipe: Recipe, n_batches: int) -> tuple[float, float]:
        """Target tokens of an update, and updates of the first epoch."""
        mix, store = self.data.mixture, self.data.store
        window = self.data.sampler(recipe).window(0, 0)
        tokens = int(store.lengths("tgt", window.rows).sum()) + len(window.rows)
        joined = window.partners[window.partners >= 0]
        tokens += int(store.lengths("tgt", joined).sum())
        scale = self.scale * sum(mix.counts(0)) / len(window.rows)
        n_steps = max(1.0, scale * len(window.batches) / n_batches)
        return scale * tokens / n_steps, n_steps

    def _tell_run(self, recipe: Recipe) -> int:
        """Returns the updates that are still to be made."""
        max_steps = recipe.training.max_steps
        checkpoints = list_checkpoints(self.run.checkpoints_dir)
        if not checkpoints:
            self.found.add("run", f"a new one in `{self.run.path}`")
            return max_steps
        step = read_state(checkpoints[-1]).step
        with self.found.collecting():
            check_same_run(
                self.run,
                recipe,
                self.data.store,
                self.data.tokenizer,
                self.data.mixture,
                is_sample=self.sample is not None,
            )
            text = (
                f"`{self.run.path}` goes on after update {step:,}"
                if step < max_steps
                else f"`{self.run.path}` is at its end, update {step:,}"
            )
            if self.sample is not None:
                text += ", if tokenizer and data are those it began with"
            self.found.add("run", text)
        return max(0, max_steps - step)

    def _tell_disk(self, model: Transformer) -> None:
        recipe = self.prepared
        checkpoint, model_dir = expected_bytes(model, recipe.training)
        n_most = max_checkpoints(recipe)
        n_there = min(n_most, len(list_checkpoints(self.run.checkpoints_dir)))
        needed, free = (n_most - n_there) * checkpoint + 2 * model_dir, free_bytes(self.run.path)
        there = f", {n_there} of them there" if n_there else ""
        text = f"up to {n_most} checkpoints of {format_bytes(checkpoint)}{there}, model {format_bytes(model_dir)}"
        if self.sample is not None:
            store = round(
                self.scale
                * sum(file["size"] for file in self.data.store.manifest["files"].values())
            )
            # The parts that a store is made of stay until it is whole.
            text += f", token store {self.about}{format_bytes(store)}"
            needed += 2 * store
        self.found.add(
            "disk", f"{text}; {format_bytes(needed)} still to be written, {format_bytes(free)} free"
        )
        if needed > free:
            raise MtkitError(
                f"`{self.run.path}`: no room on the disk: {format_bytes(needed)} will be needed, and {format_bytes(free)} are free",
                "make room there, choose another disk with --out, or lower training.keep_last and validation.keep_best",
            )

    def _tell_validation(self, recipe: Recipe, trial: ProfilingRun) -> None:
        trained = TrainedModel(
            self.data.model_config(recipe), trial.stepper.model, self.data.tokenizer
        )
        n_pairs = sum(
            len(corpus.pairs) for corpus in Validator(recipe, trained, trial.dtype).corpora
        )
        every = recipe.validation.every_steps
        when = (
            f"every {every:,} updates"
            if every < recipe.training.max_steps
            else "once, after the last update"
        )
        self.found.add("validation", f"{n_pairs:,} pairs {when}")

    def _tell_memory(self, recipe: Recipe, trial: ProfilingRun) -> None:
        grown = int(recipe.batches.limit * growth_factor(recipe))
        ladder = BatchSizeSearch.for_recipe(
            recipe, self.data, trial, recipe.batches.limit, self.parallel.world_size
        )
        largest = ladder.check_limit(recipe.max_sequence_length)
        peak = ladder.expected_peak(grown)
        if peak is None or ladder.usable is None:
            self.found.add("memory", "cannot be measured on this system")
            return
        tried = ladder.measured[-1].max_tokens
        how = (
            "measured" if tried >= grown else f"estimated from batches of up to {tried:,} positions"
        )
        text = f"{format_bytes(int(peak))} for the largest batches, {how}; {format_bytes(ladder.usable)} can be had"
        self.found.add("memory", text)
        if ladder.ran_out or peak > ladder.usable:
            hint = f"about {largest:,} positions fit: lower batches.max_tokens, and set batches.effective_tokens, which keeps updates as large"
            raise MtkitError(
                f"batches.max_tokens ({recipe.batches.limit:,}) takes about {format_bytes(int(peak))}, and {format_bytes(ladder.usable)} are there",
                hint,
            )

    def _tell_time(
        self, recipe: Recipe, trial: ProfilingRun, n_steps: int, tokens_per_update: float
    ) -> None:
        n_own = recipe.training.n_batches // self.parallel.world_size
        loader = BatchLoader(
            self.data.sampler(recipe),
            self.data.batch_builder(recipe, self.device),
            recipe.batches.n_prefetch,
        )
        seconds: list[float] = []
        with closing(loader.iterate()) as batches:
            while len(seconds) < _MAX_TIMED and sum(seconds) < _TIMED_S:
                seconds.append(trial.update(*(next(batches)[0] for _ in range(n_own))).seconds)
        mean = statistics.fmean(seconds)
        compiled = (
            "; compiled it is faster"
            if self.device.type == "cuda" and recipe.training.compile != "off"
            else ""
        )
        alone = (
            f", as if {self.parallel.world_size} processes did not wait for each other"
            if self.parallel.world_size > 1
            else ""
        )
        rate = tokens_per_update / mean
        text = f"{mean:.3g} s an update, {rate:,.0f} target tokens a second (from {len(seconds)} updates{compiled}{alone})"
        self.found.add("speed", text)
        if n_steps:
            self.found.add(
                "time",
                f"about {format_duration(n_steps * mean)} for {n_steps:,} updates; validation and saving come on top",
            )
