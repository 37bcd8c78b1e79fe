"""Updates of a throw-away model, to see what real ones will take."""

import gc
import time
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import torch

from mtkit.batches.arrays import START, BatchRows
from mtkit.batches.bucketing import Indices
from mtkit.batches.collate import Batch, to_batch
from mtkit.config.augment import AugmentConfig
from mtkit.config.recipe import Recipe
from mtkit.config.sampling import SamplingConfig
from mtkit.engines.precision import choose_training_dtype
from mtkit.errors import MtkitError
from mtkit.training.distributed.parallel import Parallel
from mtkit.training.ema import EmaWeights
from mtkit.training.freezing import n_parameters, n_trained
from mtkit.training.setup import TrainingData, make_stepper
from mtkit.training.sizing.disk_space import format_bytes
from mtkit.training.sizing.memory_probe import MemoryProbe
from mtkit.training.step import is_out_of_memory

AUGMENTED_GROWTH = 1.4
"""How many times as large as batches.max_tokens a batch may become whose sentences are rewritten."""


class StepCost(NamedTuple):
    """What an update took."""

    seconds: float
    n_positions: int
    """Padded positions of its batches, on their wider sides."""
    peak: int | None
    """Most bytes that the process held meanwhile, see MemoryProbe. None where that is not known."""


class WorstCaseBatches:
    """Those batches of a corpus that take most memory, made of real pairs.

    Attention costs most where sentences are long; vocabulary and bookkeeping where there are many short ones.

    Args:
        recipe: Of the run.
        data: Of the run; its first window stands for all.
        device: Where it would train.
    """

    def __init__(self, recipe: Recipe, data: TrainingData, device: torch.device) -> None:
        # Rewritten sentences differ from one time to the next; what they add is a factor, see REWRITTEN.
        self._maker = data.batch_builder(
            recipe.model_copy(update={"sampling": SamplingConfig(), "augment": AugmentConfig()}),
            device,
        )
        self._mix = data.mixture
        rows = data.mixture.rows(0, 0)
        lengths = np.maximum(data.store.lengths("src", rows), data.store.lengths("tgt", rows)) + 1
        rising = np.argsort(lengths, kind="stable")
        self._rows, self._lengths = rows[rising], lengths[rising]

    @property
    def longest(self) -> int:
        """Tokens of the longest sentence with its end mark."""
        return int(self._lengths[-1])

    @property
    def most_positions(self) -> int:
        """Of one batch of all pairs; none is larger."""
        return len(self._rows) * self.longest

    def longest_pairs(self, max_tokens: int) -> Batch:
        """A batch of the longest pairs."""
        return self._make(self._rows[-max(1, max_tokens // self.longest) :])

    def most_pairs(self, max_tokens: int) -> Batch:
        """A batch of as many pairs as a batch can hold."""
        n_positions = self._lengths * np.arange(1, len(self._lengths) + 1)
        return self._make(
            self._rows[: max(1, int(np.searchsorted(n_positions, max_tokens, side="right")))]
        )

    def _make(self, rows: Indices) -> Batch:
        chosen = BatchRows(rows, np.full(len(rows), -1), self._mix.n_tags(rows), START)
        [(arrays, _)] = self._maker([(chosen, START)])
        return to_batch(arrays)


class ProfilingRun:
    """A throw-away model, loss and optimizer on a device. A context manager, which leaves no memory behind.

    Args:
        recipe: Of the run.
        data: Of the run.
        device: Where it would train.
        is_resumed: Whether there are checkpoints already, so that what training starts from need not be there any more.
    Raises:
        MtkitError: The model and its optimizer do not fit into memory.
    """

    def __init__(
        self, recipe: Recipe, data: TrainingData, device: torch.device, *, is_resumed: bool = False
    ) -> None:
        self.device = device
        self.meter = MemoryProbe(device)
        self.meter.start()
        self.usable = self.meter.usable()
        """Bytes that this process may come to hold."""
        self.held = self.meter.peak() or 0
        """Bytes that it held before there was a model."""
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
            there = "" if self.usable is None else f" of {format_bytes(self.usable)}"
            raise MtkitError(
                f"the model does not fit into memory{there}", "take a smaller model"
            ) from None
        self.stepper.splits_on_oom = False
        model = self.stepper.model
        # Gradients and both moments are still to come. A CPU's system may end the process in place of telling that memory is short.
        needed = (self.meter.peak() or 0) + 3 * 4 * n_trained(model)
        if self.usable is not None and needed > self.usable:
            what = f"{n_parameters(model):,} parameters, their gradients and moments"
            raise MtkitError(
                f"{what} take {format_bytes(needed)} of memory, and {format_bytes(self.usable)} are there",
                "take a smaller model",
            )
        self.average = EmaWeights(model, config.ema_decay) if config.ema_decay else None
        self._n_updates = 0

    def update(self, *batches: Batch) -> StepCost:
        """Make an update of some batches.

        Raises:
            RuntimeError, MemoryError: It does not fit, see is_out_of_memory.
        """
        self._n_updates += 1
        self._wait()
        started_s = time.perf_counter()
        self.stepper.step([batch.to(self.device) for batch in batches], self._n_updates, 1e-9)
        if self.average is not None:
            self.average.update(self._n_updates)
        self._wait()
        n_positions = sum(
            batch.src.size(0) * max(batch.src.size(1), batch.tgt_in.size(1)) for batch in batches
        )
        return StepCost(time.perf_counter() - started_s, n_positions, self.meter.peak())

    def try_update(self, batch: Batch) -> StepCost | None:
        """The same; None where it does not fit."""
        try:
            return self.update(batch)
        except (RuntimeError, MemoryError) as exc:
            if not is_out_of_memory(exc):
                raise
        self.stepper.optimizer.zero_grad(set_to_none=True)
        self.meter.start()
        return None

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del self.stepper, self.average
        gc.collect()
        self.meter.start()


def growth_factor(recipe: Recipe) -> float:
    """How many times as large as batches.max_tokens a batch of this recipe may become."""
    sampling = recipe.sampling
    return (
        AUGMENTED_GROWTH
        if sampling.samples_src or sampling.samples_tgt or any(recipe.augment.shares.values())
        else 1.0
    )
