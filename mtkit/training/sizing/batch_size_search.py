"""Search for the batch size that fits into the memory of a device."""

from typing import NamedTuple, Self

import torch

from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.training.distributed.parallel import Parallel
from mtkit.training.setup import TrainingData
from mtkit.training.sizing.disk_space import format_bytes
from mtkit.training.sizing.profiling_run import (
    ProfilingRun,
    StepCost,
    WorstCaseBatches,
    growth_factor,
)
from mtkit.training.sizing.update_size import describe_update, round_up

logger = get_logger(__name__)

_MEMORY_SHARES = {"cuda": 0.9}
_MEMORY_SHARE_ELSEWHERE = 0.75
"""Fraction of the usable memory. The rest is for what the measurement does not include: further
fragmentation, validation, and on a CPU other programs."""
_FIRST_SIZE = 1024
"""Positions from which on sizes are doubled, and times are compared."""
_MIN_SPEEDUP = 1.05
"""On a CPU, larger batches soon save no time, because all cores are busy and caches are full. A
smaller speedup than this does not count."""


class _Measurement(NamedTuple):
    max_tokens: int
    peak: int | None
    """Bytes; None if unknown."""
    positions_per_s: float


class BatchSizeSearch:
    """Tries larger and larger batches, each twice as large as the one before.

    Args:
        run: Makes the updates.
        batches: Returns the batches to try.
        limit: Maximum size, in positions.
        growth: Factor by which a batch may exceed its size.
        n_sharing: Number of processes that share the memory.
    """

    def __init__(
        self,
        run: ProfilingRun,
        batches: WorstCaseBatches,
        limit: int,
        growth: float = 1.0,
        n_sharing: int = 1,
    ) -> None:
        self._run, self._batches, self._limit, self._growth = run, batches, limit, growth
        self.measurements: list[_Measurement] = []
        self.usable = (
            None if run.usable is None else run.held + (run.usable - run.held) // n_sharing
        )
        """Bytes that this process may hold; None if unknown."""
        self.ran_out = False
        """Whether a size that was tried did not fit."""
        self.reason = ""
        """Why larger sizes are not used, for the log."""

    @classmethod
    def for_recipe(
        cls, recipe: Recipe, data: TrainingData, run: ProfilingRun, limit: int, n_processes: int
    ) -> Self:
        """Return a search for a recipe's batches in one of several processes.

        On a CPU, the processes share its memory.
        """
        n_sharing = n_processes if run.device.type == "cpu" else 1
        batches = WorstCaseBatches(recipe, data, run.device)
        return cls(run, batches, limit, growth_factor(recipe), n_sharing)

    def find_largest(self, smallest: int) -> int:
        """Return the largest size that fits; on a CPU, the one beyond which no time is saved.

        Args:
            smallest: Size that has to fit.
        Raises:
            MtkitError: It does not.
        """
        self._measure_smallest(smallest)
        is_cpu = self._run.device.type == "cpu"
        # The memory per position is known after a second size, which is small as well.
        size = min(self._limit, 2 * smallest)
        while size > self.measurements[-1].max_tokens:
            fitting = self.measurements[-1].max_tokens
            if not self._is_expected_to_fit(size) or not self._try(
                size, n_times=2 if is_cpu else 1
            ):
                self.reason = "larger ones would leave too little of it"
                return self._largest_between(fitting, size)
            if is_cpu and (fast_enough := self._fast_enough()) is not None:
                self.reason = "larger ones would not be faster"
                return fast_enough
            size = min(self._limit, max(2 * size, _FIRST_SIZE))
        return self.measurements[-1].max_tokens

    def _fast_enough(self) -> int | None:
        """Return the size after which two consecutive ones have saved no time; None if unknown.

        Two, because other programs disturb the measurements.
        """
        timed = [entry for entry in self.measurements if entry.max_tokens >= _FIRST_SIZE]
        if len(timed) < 3:
            return None
        best = timed[0]
        for entry in timed[1:]:
            if entry.positions_per_s >= _MIN_SPEEDUP * best.positions_per_s:
                best = entry
        return best.max_tokens if best not in timed[-2:] else None

    def check_limit(self, smallest: int) -> int:
        """Return the limit if it fits, or the largest size that is expected to fit.

        Small sizes are tried first, and then the limit, if it is expected to fit.

        Args:
            smallest: Size that has to fit.
        Raises:
            MtkitError: It does not.
        """
        self._measure_smallest(smallest)
        for size in (min(self._limit, 2 * smallest), self._limit):
            fitting = self.measurements[-1].max_tokens
            if size > fitting and not (
                self._is_expected_to_fit(size) and self._try(size, n_times=1)
            ):
                return self._largest_between(fitting, size)
        return self._limit

    def _measure_smallest(self, smallest: int) -> None:
        # Twice, because the first update also creates the moments.
        if not (self._try(smallest, n_times=2) and self._is_expected_to_fit(smallest)):
            size = "" if self.usable is None else f" of {format_bytes(self.usable)}"
            raise MtkitError(
                f"a batch of {smallest:,} positions, one of the longest sentences allowed, does"
                f" not fit into memory{size}",
                "lower preprocess.max_length, use a smaller model, or set"
                " training.activation_checkpointing: true",
            )

    def fits(self, max_tokens: int) -> bool:
        """Whether a size fits with its possible growth; tried on a GPU, where that is safe."""
        grown = int(max_tokens * self._growth)
        largest = max(entry.max_tokens for entry in self.measurements)
        if self._run.device.type == "cpu" or grown <= largest:
            return True
        return self._try(grown, n_times=1)

    def expected_peak(self, max_tokens: float) -> float | None:
        """Return the expected peak memory for batches of a size, in bytes; None if unknown.

        Memory is extrapolated linearly in the number of positions.
        """
        points = [
            (float(entry.max_tokens), float(entry.peak))
            for entry in self.measurements
            if entry.peak is not None
        ]
        if not points:
            return None
        max_tokens = min(max_tokens, self._batches.most_positions)
        last, last_peak = points[-1]
        if max_tokens <= last:
            return min(peak for size, peak in points if size >= max_tokens)
        # The larger of the last slope and the overall slope; a single size has none.
        slopes = [0.0]
        if len(points) > 1:
            slopes = [(last_peak - peak) / (last - size) for size, peak in {points[0], points[-2]}]
        return last_peak + (max_tokens - last) * max(slopes)

    def _largest_between(self, fits: int, does_not: int) -> int:
        """Return the largest size that is expected to fit, by bisection."""
        low, high = fits, does_not
        while high - low > 1:
            middle = (low + high) // 2
            if self._is_expected_to_fit(middle):
                low = middle
            else:
                high = middle
        return low

    def _is_expected_to_fit(self, max_tokens: int) -> bool:
        peak = self.expected_peak(max_tokens * self._growth)
        if peak is None or self.usable is None:
            return True
        share = _MEMORY_SHARES.get(self._run.device.type, _MEMORY_SHARE_ELSEWHERE)
        return peak <= self.usable * share

    def _try(self, max_tokens: int, n_times: int) -> bool:
        best: list[StepCost] = []
        batches = self._batches
        for batch in (batches.longest_pairs(max_tokens), batches.most_pairs(max_tokens)):
            costs = [self._run.try_update(batch) for _ in range(n_times)]
            if None in costs:
                self.ran_out = True
                return False
            best.append(min(cost for cost in costs if cost is not None))
        rate = sum(cost.n_positions for cost in best) / sum(cost.seconds for cost in best)
        self.measurements.append(_Measurement(max_tokens, best[-1].peak, rate))
        return True


def measure_batch_size(
    recipe: Recipe, data: TrainingData, device: torch.device, parallel: Parallel
) -> tuple[int, int]:
    """Measure the largest batch size, and the batches of an update of batches.effective_tokens.

    A temporary model makes updates with the worst-case batches. Each process measures on its own,
    as if it held the whole model, and the smallest size of all is used.

    Returns:
        batches.max_tokens, and the number of batches of an update over all processes.
    Raises:
        MtkitError: One of the longest sentences does not fit into memory, or is longer than the
            share of a process in an update.
    """
    effective, n_processes = recipe.batches.effective_tokens, parallel.world_size
    assert effective is not None
    limit, longest = effective // n_processes, recipe.max_sequence_length
    if limit < longest:
        raise MtkitError(
            f"batches.effective_tokens ({effective:,}) shared by {n_processes} processes is less"
            f" than one of the longest sentences allowed ({longest})",
            "raise it, or lower preprocess.max_length",
        )
    with ProfilingRun(recipe, data, device) as run:
        search = BatchSizeSearch.for_recipe(recipe, data, run, limit, n_processes)
        largest = parallel.min_int(search.find_largest(longest))
        n_batches = round_up(-(-effective // largest), n_processes)
        max_tokens = max(effective // n_batches, longest)
        # The update keeps its size: its batches are equal parts of it, and become smaller until
        # they fit.
        while not parallel.min_int(search.fits(max_tokens)) and max_tokens > longest:
            n_batches += n_processes
            max_tokens = max(effective // n_batches, longest)
    peak = search.expected_peak(max_tokens)
    memory = ""
    if peak is not None and search.usable is not None:
        memory = f", {format_bytes(int(peak))} of {format_bytes(search.usable)} memory"
    reason = f" ({search.reason})" if search.reason else ""
    update = describe_update(max_tokens, n_batches, n_processes)
    logger.info(
        "batches.max_tokens: %s positions%s%s; %s", f"{max_tokens:,}", memory, reason, update
    )
    return max_tokens, n_batches
