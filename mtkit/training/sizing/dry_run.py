"""Dry run: parameters, memory, disk space and time of training, and everything that prevents it."""

import os
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from mtkit.batches.loader import BatchLoader
from mtkit.checkpoint.model_dir import TrainedModel
from mtkit.checkpoint.run_dir import RunDir
from mtkit.checkpoint.training_checkpoint import list_checkpoints, read_state
from mtkit.checkpoint.weights import make_empty_model
from mtkit.config.data import CorpusSource
from mtkit.config.ineffective_settings import ineffective_settings
from mtkit.config.recipe import Recipe
from mtkit.corpus.read.pairs import read_pairs, source_fingerprint
from mtkit.corpus.sample import CorpusSample, prepare_sample
from mtkit.corpus.store.first_pass import read_once
from mtkit.corpus.store.preprocess import store_is_fresh
from mtkit.engines.cpu.allocator import bound_kernel_caches, keep_freed_memory, training_kernels
from mtkit.engines.cuda.allocator import use_expandable_segments
from mtkit.engines.precision import choose_training_dtype
from mtkit.errors import MtkitError
from mtkit.io.progress import format_duration
from mtkit.model.device import choose_device
from mtkit.model.transformer import Transformer, n_parameters
from mtkit.training.distributed.parallel import Parallel
from mtkit.training.model_setup.freezing import freeze, n_trained
from mtkit.training.reporting.trackers import all_trackers
from mtkit.training.resume import check_same_run
from mtkit.training.setup import TrainingData
from mtkit.training.sizing.batch_size import n_activation_values, with_batch_size
from mtkit.training.sizing.batch_size_search import BatchSizeSearch
from mtkit.training.sizing.disk_space import (
    expected_bytes,
    format_bytes,
    free_bytes,
    max_checkpoints,
)
from mtkit.training.sizing.profiling_run import ProfilingRun, growth_factor
from mtkit.training.sizing.update_size import describe_update
from mtkit.training.validation import Validator
from mtkit.workers.cpu_info import n_cores

_MAX_TIMED = 10
_TIMED_S = 20.0
"""Updates are timed until one of these limits is reached."""


@dataclass
class DryRunReport:
    """Results of a dry run. Results that depend on something invalid are missing."""

    facts: list[tuple[str, str]] = field(default_factory=list)
    """Topics, and what is known about each."""
    problems: list[MtkitError] = field(default_factory=list)
    """Everything that would prevent training, as far as it can be known at once."""

    @property
    def can_train(self) -> bool:
        """Whether there are no problems."""
        return not self.problems

    def __str__(self) -> str:
        width = max((len(topic) for topic, _ in self.facts), default=0)
        lines = [f"{topic:<{width}}  {text}" for topic, text in self.facts]
        if self.can_train:
            lines.append("ready to train (dry run: nothing written)")
        return "\n".join(lines)

    def add(self, topic: str, text: str) -> None:
        """Add a fact."""
        self.facts.append((topic, text))

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Record an MtkitError within this context as a problem, and continue after it."""
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
    """Measure what training a recipe needs, and check whether it is possible.

    Writes temporary files only. If tokenizer or token store are missing or out of date, they are
    made from a sample of the corpus, from which the figures are extrapolated.

    Args:
        recipe: The recipe, as for `train`.
        out: Run directory; default: `recipe.run_dir`.
        device: cpu, cuda, cuda:N, or auto.
        n_threads: CPU threads; default: one per core.
        n_processes: Number of processes to train with; memory and time are measured on one.
    """
    if n_threads is not None:
        torch.set_num_threads(n_threads)
    keep_freed_memory()
    use_expandable_segments()
    report = DryRunReport()
    run = RunDir(Path(out) if out is not None else recipe.run_dir)
    _check_files(report, recipe, run)
    with report.collecting(), tempfile.TemporaryDirectory(prefix="mtkit-dry-run-") as temporary:
        chosen = choose_device(device)
        if chosen.type == "cpu":
            bound_kernel_caches(training_kernels(n_activation_values(recipe)))
            if n_threads is None and n_processes > 1:
                torch.set_num_threads(max(1, n_cores() // n_processes))
        report.add("device", _describe_device(recipe, chosen))
        readable = _readable(report, recipe)
        if readable is not None:
            is_fresh = store_is_fresh(readable)
            with report.collecting():
                if not is_fresh:
                    read_once(readable)
            sample = None if is_fresh else prepare_sample(readable, Path(temporary))
            _DryRun(report, readable, run, sample, chosen, PlannedProcesses(n_processes)).run_all()
    for text in ineffective_settings(recipe):
        report.add("warning", text)
    return report


class PlannedProcesses(Parallel):
    """Processes that do not run yet, represented by the first one."""

    def __init__(self, n: int) -> None:
        self.world_size = n

    def min_int(self, value: int) -> int:
        return value


def _describe_device(recipe: Recipe, device: torch.device) -> str:
    name, n = str(device), torch.get_num_threads()
    if device.type == "cpu":
        name += f", {n} thread{'s' if n > 1 else ''}"
    else:
        name += f", {torch.cuda.get_device_name(device)}"
    dtype = choose_training_dtype(recipe.training.precision, device)
    return f"{name}, precision {str(dtype).removeprefix('torch.')}"


def _check_files(report: DryRunReport, recipe: Recipe, run: RunDir) -> None:
    """Check what can be known without reading a corpus."""
    with report.collecting():
        all_trackers(recipe.training)
    with report.collecting():
        run.refuse_foreign()
    for path, option in ((recipe.data.work_dir, "data.work_dir"), (run.path, "--output")):
        absolute = path.absolute()
        nearest = next(parent for parent in (absolute, *absolute.parents) if parent.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            hint = f"choose another directory with {option}"
            report.problems.append(MtkitError(f"`{nearest}`: cannot be written to", hint))


def _readable(report: DryRunReport, recipe: Recipe) -> Recipe | None:
    """Return the recipe without held-out corpora that cannot be read, which are problems.

    None if a training corpus cannot be read.
    """
    n_before = len(report.problems)
    for source in recipe.data.train:
        with report.collecting():
            source_fingerprint(source, recipe.data)
    if len(report.problems) > n_before:
        return None
    keys = ("validation", "test") if recipe.clean.test_overlap != "off" else ("validation",)
    held_out: dict[str, list[CorpusSource]] = {key: [] for key in keys}
    for key, readable in held_out.items():
        for source in getattr(recipe.data, key):
            with report.collecting():
                for _ in read_pairs(source, recipe.data):
                    pass
                readable.append(source)
    data = recipe.data.model_copy(update={key: tuple(held_out[key]) for key in keys})
    return recipe.model_copy(update={"data": data})


class _DryRun:
    """Measures what can be known from pairs in a store.

    Args:
        report: Receives the results.
        recipe: The recipe.
        run: Directory of the run; need not exist.
        sample: Sample that represents the corpora; None if the store exists.
        device: Device to train on.
        parallel: Processes to train with.
    """

    def __init__(
        self,
        report: DryRunReport,
        recipe: Recipe,
        run: RunDir,
        sample: CorpusSample | None,
        device: torch.device,
        parallel: PlannedProcesses,
    ) -> None:
        self.report, self.run, self.sample = report, run, sample
        self.device, self.parallel = device, parallel
        self.recipe = recipe if sample is None else sample.recipe
        self.data = TrainingData.open(self.recipe)
        self.scale = 1.0 if sample is None else sample.scale
        self.about = "" if sample is None or sample.n_pairs == sample.n_sampled else "about "

    def run_all(self) -> None:
        """Report everything; something invalid only omits what depends on it."""
        report = self.report
        self._report_data()
        with report.collecting():
            # A model without weights, which fits into any memory.
            model = make_empty_model(self.recipe.model, self.data.tokenizer)
            freeze(model, self.recipe.training.freeze)
            self._report_model(model)
            self._report_disk(model)
        with report.collecting():
            recipe = with_batch_size(self.recipe, self.run, self.device, self.parallel)
            n_steps = self._report_run(recipe)
            tokens_per_update = self._report_epoch(recipe)
            is_resumed = bool(list_checkpoints(self.run.checkpoints_dir))
            with ProfilingRun(recipe, self.data, self.device, is_resumed=is_resumed) as profiling:
                if recipe.data.validation:
                    with report.collecting():
                        self._report_validation(recipe, profiling)
                self._report_memory(recipe, profiling)
                self._report_time(recipe, profiling, n_steps, tokens_per_update)

    def _report_data(self) -> None:
        store, mixture, about = self.data.store, self.data.mixture, self.about
        n_pairs = round(self.scale * store.n_pairs)
        n_tokens = round(self.scale * (store.manifest["n_tokens"]["tgt"] + store.n_pairs))
        text = f"{about}{n_pairs:,} pairs, {about}{n_tokens:,} target tokens"
        if self.sample is not None:
            part = f"a sample of {self.sample.n_sampled:,}" if about else "all"
            text += f"; {self.sample.n_pairs:,} pairs read, of which {part} processed"
        self.report.add("data", text)
        counts = mixture.counts(0)
        if counts != [corpus.n_pairs for corpus in mixture.corpora]:
            n_pairs = round(self.scale * sum(counts))
            self.report.add("mixture", f"{about}{n_pairs:,} pairs in the first epoch")

    def _report_model(self, model: Transformer) -> None:
        n_all, n_frozen = n_parameters(model), n_parameters(model) - n_trained(model)
        parameters = model.named_parameters()
        n_embeddings = sum(
            p.numel() for name, p in parameters if "layers." not in name and p.dim() > 1
        )
        tokenizer = self.data.tokenizer
        sizes = f"{tokenizer.tgt.vocab_size:,} tokens"
        if not tokenizer.joint:
            sizes = f"{tokenizer.src.vocab_size:,} and {sizes}"
        text = f"{n_all:,} parameters, {n_embeddings:,} in embeddings and output layer ({sizes})"
        self.report.add("model", f"{text}; {n_frozen:,} frozen" if n_frozen else text)

    def _report_epoch(self, recipe: Recipe) -> float:
        """Report batches and updates of an epoch; return the target tokens of an update."""
        n_batches, about, limit = recipe.training.n_batches, self.about, recipe.batches.limit
        tokens_per_update, n_steps = self._epoch_size(recipe, n_batches)
        update = describe_update(limit, n_batches, self.parallel.world_size)
        tokens = f"{about}{round(tokens_per_update):,} target tokens"
        self.report.add("batches", f"{limit:,} positions; {update} positions, {tokens}")
        max_steps = recipe.training.max_steps
        n_epochs = max_steps / n_steps
        text = f"{about}{n_steps:,.0f} updates; training.max_steps ({max_steps:,})"
        self.report.add("epoch", f"{text} is {about}{n_epochs:,.3g} epochs")
        for stage in recipe.data.stages[:-1]:
            if (stage.until_epoch or 0) >= n_epochs:
                text = f"data.stages: the stage after epoch {stage.until_epoch} does not begin"
                text += f" within {about}{n_epochs:,.3g} epochs; raise training.max_steps"
                self.report.add("warning", text)
                break
        return tokens_per_update

    def _epoch_size(self, recipe: Recipe, n_batches: int) -> tuple[float, float]:
        """Return the target tokens of an update, and the updates of the first epoch."""
        mixture, sampler = self.data.mixture, self.data.sampler(recipe)
        window = sampler.window(0, 0)
        tokens = int(sampler.lengths(window)[1].sum())
        scale = self.scale * sum(mixture.counts(0)) / len(window.rows)
        n_steps = max(1.0, scale * len(window.batches) / n_batches)
        return scale * tokens / n_steps, n_steps

    def _report_run(self, recipe: Recipe) -> int:
        """Report whether the run is new or resumed; return the number of updates to make."""
        max_steps = recipe.training.max_steps
        checkpoints = list_checkpoints(self.run.checkpoints_dir)
        if not checkpoints:
            self.report.add("run", f"new, in `{self.run.path}`")
            return max_steps
        step = read_state(checkpoints[-1]).step
        is_sample = self.sample is not None
        with self.report.collecting():
            check_same_run(self.run, recipe, self.data, is_sample=is_sample)
            progress = "resumes after" if step < max_steps else "is complete at"
            text = f"`{self.run.path}` {progress} update {step:,}"
            if is_sample:
                text += ", if tokenizer and data are unchanged"
            self.report.add("run", text)
        return max(0, max_steps - step)

    def _report_disk(self, model: Transformer) -> None:
        recipe = self.recipe
        checkpoint, model_dir = expected_bytes(model, recipe.training)
        n_max = max_checkpoints(recipe)
        n_existing = min(n_max, len(list_checkpoints(self.run.checkpoints_dir)))
        needed, free = (n_max - n_existing) * checkpoint + 2 * model_dir, free_bytes(self.run.path)
        existing = f" ({n_existing} exist)" if n_existing else ""
        text = f"up to {n_max} checkpoints of {format_bytes(checkpoint)}{existing}"
        text += f", model {format_bytes(model_dir)}"
        if self.sample is not None:
            files = self.data.store.manifest["files"].values()
            store = round(self.scale * sum(file["size"] for file in files))
            # The parts of a store are kept until it is complete.
            text += f", token store {self.about}{format_bytes(store)}"
            needed += 2 * store
        self.report.add("disk", f"{text}; {format_bytes(needed)} needed, {format_bytes(free)} free")
        if needed > free:
            raise MtkitError(
                f"`{self.run.path}`: not enough disk space: {format_bytes(needed)} needed,"
                f" {format_bytes(free)} free",
                "free space there, choose another disk for the output, or lower"
                " training.keep_last and validation.keep_best",
            )

    def _report_validation(self, recipe: Recipe, profiling: ProfilingRun) -> None:
        config, model = self.data.model_config(recipe), profiling.stepper.model
        trained = TrainedModel(config, model, self.data.tokenizer)
        corpora = Validator(recipe, trained, profiling.dtype).corpora
        n_pairs = sum(len(corpus.pairs) for corpus in corpora)
        every, max_steps = recipe.validation.every_steps, recipe.training.max_steps
        when = f"every {every:,} updates" if every < max_steps else "once, after the last update"
        self.report.add("validation", f"{n_pairs:,} pairs {when}")

    def _report_memory(self, recipe: Recipe, profiling: ProfilingRun) -> None:
        limit, n_processes = recipe.batches.limit, self.parallel.world_size
        grown = int(limit * growth_factor(recipe))
        search = BatchSizeSearch.for_recipe(recipe, self.data, profiling, limit, n_processes)
        largest = search.check_limit(recipe.max_sequence_length)
        peak = search.expected_peak(grown)
        if peak is None or search.usable is None:
            self.report.add("memory", "cannot be measured on this system")
            return
        measured = search.measurements[-1].max_tokens
        source = "measured"
        if measured < grown:
            source = f"extrapolated from batches of up to {measured:,} positions"
        usable = format_bytes(search.usable)
        text = f"{format_bytes(int(peak))} for the largest batches, {source}; {usable} available"
        self.report.add("memory", text)
        if search.ran_out or peak > search.usable:
            raise MtkitError(
                f"batches.max_tokens ({limit:,}) needs about {format_bytes(int(peak))} of memory,"
                f" and {usable} are available",
                f"about {largest:,} positions fit: lower batches.max_tokens, and set"
                " batches.effective_tokens, which keeps the size of an update",
            )

    def _report_time(
        self, recipe: Recipe, profiling: ProfilingRun, n_steps: int, tokens_per_update: float
    ) -> None:
        n_processes = self.parallel.world_size
        n_own = recipe.training.n_batches // n_processes
        builder = self.data.batch_builder(recipe, self.device)
        loader = BatchLoader(self.data.sampler(recipe), builder, recipe.batches.n_prefetch)
        seconds: list[float] = []
        with closing(loader.iterate()) as batches:
            while len(seconds) < _MAX_TIMED and sum(seconds) < _TIMED_S:
                cost = profiling.update(*(next(batches)[0] for _ in range(n_own)))
                seconds.append(cost.seconds)
        mean = statistics.fmean(seconds)
        conditions = [f"from {len(seconds)} updates"]
        if self.device.type == "cuda" and recipe.training.compile != "off":
            conditions.append("not compiled")
        if n_processes > 1:
            conditions.append(f"without communication between {n_processes} processes")
        rate = f"{tokens_per_update / mean:,.0f} target tokens/s"
        self.report.add("speed", f"{mean:.3g} s per update, {rate} ({', '.join(conditions)})")
        if n_steps:
            duration = format_duration(n_steps * mean)
            text = f"about {duration} for {n_steps:,} updates, plus validation and checkpointing"
            self.report.add("time", text)
