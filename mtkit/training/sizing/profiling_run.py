"""Updates of a temporary model, which measure the time and memory of real ones."""

import gc
import time
from typing import NamedTuple, Self

import numpy as np
import torch

from mtkit.batches.arrays import START, BatchRows
from mtkit.batches.collate import Batch, to_batch
from mtkit.batches.context import ContextOptions, choose_context
from mtkit.config.augment import AugmentConfig
from mtkit.config.recipe import Recipe
from mtkit.config.sampling import SamplingConfig
from mtkit.engines.precision import choose_training_dtype
from mtkit.errors import MtkitError
from mtkit.model.transformer import n_parameters
from mtkit.training.distributed.parallel import Parallel
from mtkit.training.model_setup.freezing import n_trained
from mtkit.training.setup import TrainingData, make_stepper
from mtkit.training.sizing.disk_space import format_bytes
from mtkit.training.sizing.memory_probe import MemoryProbe
from mtkit.training.step import is_out_of_memory

AUGMENTED_GROWTH = 1.4
"""Factor by which online augmentation may enlarge a batch beyond batches.max_tokens."""
_BYTES_PER_NUMBER = 4


class StepCost(NamedTuple):
    """Time and memory of an update."""

    seconds: float
    n_positions: int
    """Padded positions of its batches, on the wider side of each."""
    peak: int | None
    """Peak memory of the process in bytes, see MemoryProbe; None if unknown."""


class WorstCaseBatches:
    """Batches of real pairs that need the most memory.

    Attention needs the most for the longest sentences; vocabulary and overhead for many short ones.

    Args:
        recipe: Recipe of the run.
        data: Training data of the run; its first window represents all.
        device: Device of the run.
    """

    def __init__(self, recipe: Recipe, data: TrainingData, device: torch.device) -> None:
        # Augmented sentences differ each time; AUGMENTED_GROWTH accounts for them.
        plain = {"sampling": SamplingConfig(), "augment": AugmentConfig()}
        self._builder = data.batch_builder(recipe.model_copy(update=plain), device)
        self._mixture = data.mixture
        rows = data.mixture.rows(0, 0)
        src, tgt = data.store.lengths("src", rows) + 1, data.store.lengths("tgt", rows) + 1
        self._n_context = np.zeros(len(rows), np.int64)
        if recipe.data.context:
            options = ContextOptions(recipe.data.context, recipe.preprocess.max_length)
            context = choose_context(data.store, rows, data.mixture.n_tags(rows), options)
            src, tgt = src + context.src_lengths, tgt + context.tgt_lengths
            self._n_context = context.n_context
        lengths = np.maximum(src, tgt)
        ascending = np.argsort(lengths, kind="stable")
        self._rows, self._lengths = rows[ascending], lengths[ascending]
        self._n_context = self._n_context[ascending]

    @property
    def longest(self) -> int:
        """Tokens of the longest sentence, with EOS."""
        return int(self._lengths[-1])

    @property
    def most_positions(self) -> int:
        """Positions of one batch of all pairs, the largest possible."""
        return len(self._rows) * self.longest

    def longest_pairs(self, max_tokens: int) -> Batch:
        """Return a batch of the longest pairs."""
        return self._build(slice(-max(1, max_tokens // self.longest), None))

    def most_pairs(self, max_tokens: int) -> Batch:
        """Return a batch of as many pairs as possible, the shortest ones."""
        n_positions = self._lengths * np.arange(1, len(self._lengths) + 1)
        n_pairs = int(np.searchsorted(n_positions, max_tokens, side="right"))
        return self._build(slice(max(1, n_pairs)))

    def _build(self, chosen: slice) -> Batch:
        rows = self._rows[chosen]
        none = np.full(len(rows), -1)
        n_tags = self._mixture.n_tags(rows)
        batch = BatchRows(rows, none, n_tags, START, self._n_context[chosen])
        [(arrays, _)] = self._builder([(batch, START)])
        return to_batch(arrays)


class ProfilingRun:
    """A temporary model, loss and optimizer on a device.

    A context manager, which frees its memory.

    Args:
        recipe: Recipe of the run.
        data: Training data of the run.
        device: Device of the run.
        is_resumed: Whether there are checkpoints, so that `training.init_from` need not exist.
    Raises:
        MtkitError: Model and optimizer do not fit into memory.
    """

    def __init__(
        self, recipe: Recipe, data: TrainingData, device: torch.device, *, is_resumed: bool = False
    ) -> None:
        self.device = device
        self.probe = MemoryProbe(device)
        self.probe.start()
        self.usable = self.probe.usable()
        """Bytes that this process may hold."""
        self.held = self.probe.peak() or 0
        """Bytes that it held before the model was created."""
        config = recipe.training.model_copy(update={"compile": "off"})
        self.dtype = choose_training_dtype(config.precision, device)
        recipe = recipe.model_copy(update={"training": config})
        try:
            self.stepper = make_stepper(
                recipe, data.tokenizer, device, self.dtype, Parallel(), is_resumed=is_resumed
            )
        except (RuntimeError, MemoryError) as exc:
            if not is_out_of_memory(exc):
                raise
            size = "" if self.usable is None else f" of {format_bytes(self.usable)}"
            raise MtkitError(
                f"the model does not fit into memory{size}", "use a smaller model"
            ) from None
        self.stepper.splits_on_oom = False
        model = self.stepper.model
        # Gradients and two moments follow. On a CPU, the system may kill the process without an
        # error when memory is exhausted.
        needed = (self.probe.peak() or 0) + 3 * _BYTES_PER_NUMBER * n_trained(model)
        if self.usable is not None and needed > self.usable:
            tensors = f"{n_parameters(model):,} parameters, their gradients and moments"
            raise MtkitError(
                f"{tensors} need {format_bytes(needed)} of memory, and {format_bytes(self.usable)}"
                " are available",
                "use a smaller model",
            )
        self._n_updates = 0

    def update(self, *batches: Batch) -> StepCost:
        """Make an update.

        Raises:
            RuntimeError, MemoryError: It does not fit into memory, see `is_out_of_memory`.
        """
        self._n_updates += 1
        self._synchronize()
        started_s = time.perf_counter()
        self.stepper.step([batch.to(self.device) for batch in batches], self._n_updates, 1e-9)
        self._synchronize()
        n_positions = sum(
            batch.src.size(0) * max(batch.src.size(1), batch.tgt_in.size(1)) for batch in batches
        )
        return StepCost(time.perf_counter() - started_s, n_positions, self.probe.peak())

    def try_update(self, batch: Batch) -> StepCost | None:
        """Make an update; return None if it does not fit into memory."""
        try:
            return self.update(batch)
        except (RuntimeError, MemoryError) as exc:
            if not is_out_of_memory(exc):
                raise
        self.stepper.optimizer.zero_grad(set_to_none=True)
        self.probe.start()
        return None

    def _synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        del self.stepper
        gc.collect()
        self.probe.start()


def growth_factor(recipe: Recipe) -> float:
    """Return the factor by which a batch of this recipe may exceed batches.max_tokens."""
    return AUGMENTED_GROWTH if recipe.augments_online else 1.0
