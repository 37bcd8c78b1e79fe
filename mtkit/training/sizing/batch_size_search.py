"""Which batches fit into a device's memory, found out by trying."""

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

logger = get_logger(__name__)

_SHARES = {"cuda": 0.9}
_SHARE_ELSEWHERE = 0.75
"""Of the usable memory; the rest is for what measuring does not see: fragments, validation, and on a CPU other programs."""
_FIRST_SIZE = 1024
"""Positions from which on sizes are doubled, and times are worth comparing."""
_IS_FASTER = 1.05
"""On a CPU larger batches soon gain no time, because the cores are busy and the caches full. What gains less than this counts as no faster."""


class _Measurement(NamedTuple):
    """A size that was tried."""

    max_tokens: int
    peak: int | None
    """Bytes. None where that is not known."""
    positions_per_s: float


class BatchSizeSearch:
    """Tries larger and larger batches, each twice as large as the one before.

    Args:
        trial: Makes the updates.
        hard: Gives the batches.
        limit: Largest size wanted, in positions.
        growth: How many times as large a batch may become.
        n_sharing: Processes that share the memory.
    """

    def __init__(
        self,
        trial: ProfilingRun,
        hard: WorstCaseBatches,
        limit: int,
        growth: float = 1.0,
        n_sharing: int = 1,
    ) -> None:
        self._trial, self._hard, self._limit, self._growth = trial, hard, limit, growth
        self.measured: list[_Measurement] = []
        self.usable = (
            None if trial.usable is None else trial.held + (trial.usable - trial.held) // n_sharing
        )
        self.ran_out = False
        """Whether a size that was tried did not fit."""
        self.reason = ""
        """Why there is no larger size, as the end of a sentence."""

    @classmethod
    def for_recipe(
        cls, recipe: Recipe, data: TrainingData, trial: ProfilingRun, limit: int, n_processes: int
    ) -> Self:
        """For batches of a recipe, in one of several processes; on a CPU they share its memory."""
        n_sharing = n_processes if trial.device.type == "cpu" else 1
        return cls(
            trial,
            WorstCaseBatches(recipe, data, trial.device),
            limit,
            growth_factor(recipe),
            n_sharing,
        )

    def find_largest(self, smallest: int) -> int:
        """Find the largest size that fits, or on a CPU from which on it takes no less time.

        Args:
            smallest: Which has to fit.
        Raises:
            MtkitError: It does not.
        """
        self._begin(smallest)
        is_cpu = self._trial.device.type == "cpu"
        # What a position takes is known after a second size, which is small as well.
        size = min(self._limit, 2 * smallest)
        while size > self.measured[-1].max_tokens:
            before = self.measured[-1]
            if not self._is_expected_to_fit(size) or not self._try(
                size, n_times=2 if is_cpu else 1
            ):
                self.reason = "larger ones would leave too little of it"
                return self._between(before.max_tokens, size)
            if is_cpu and (enough := self._fast_enough()) is not None:
                self.reason = "larger ones would be no faster"
                return enough
            size = min(self._limit, max(2 * size, _FIRST_SIZE))
        return self.measured[-1].max_tokens

    def _fast_enough(self) -> int | None:
        """The size after which two in a row have gained no time; two, because other programs disturb the clock. None if there is none yet."""
        timed = [measured for measured in self.measured if measured.max_tokens >= _FIRST_SIZE]
        if len(timed) < 3:
            return None
        best = timed[0]
        for measured in timed[1:]:
            if measured.positions_per_s >= _IS_FASTER * best.positions_per_s:
                best = measured
        return best.max_tokens if best not in timed[-2:] else None

    def check_limit(self, smallest: int) -> int:
        """Find out whether the limit fits: small batches are tried, and then that size at once if it is expected to fit.

        Args:
            smallest: Which has to fit.
        Returns:
            The limit, or the largest size that is expected to fit.
        Raises:
            MtkitError: Not even the smallest does.
        """
        self._begin(smallest)
        for size in (min(self._limit, 2 * smallest), self._limit):
            before = self.measured[-1].max_tokens
            if size > before and not (
                self._is_expected_to_fit(size) and self._try(size, n_times=1)
            ):
                return self._between(before, size)
        return self._limit

    def _begin(self, smallest: int) -> None:
        # Twice, because the first update makes the moments and all else that is made once.
        if not (self._try(smallest, n_times=2) and self._is_expected_to_fit(smallest)):
            raise MtkitError(
                f"a batch of {smallest:,} positions, one of the longest sentences allowed, does not fit into memory{self._of_memory()}",
                "lower preprocess.max_length, take a smaller model, or set training.activation_checkpointing: true",
            )

    def fits(self, max_tokens: int) -> bool:
        """Whether this size fits, with all that it may grow by; found out by trying on a GPU, where that does no harm."""
        grown = int(max_tokens * self._growth)
        if self._trial.device.type == "cpu" or grown <= max(
            measured.max_tokens for measured in self.measured
        ):
            return True
        return self._try(grown, n_times=1)

    def expected_peak(self, max_tokens: float) -> float | None:
        """Bytes held at most with such batches: memory grows with the positions along a line. None where nothing is known."""
        points = [
            (float(measured.max_tokens), float(measured.peak))
            for measured in self.measured
            if measured.peak is not None
        ]
        if not points:
            return None
        max_tokens = min(max_tokens, self._hard.most_positions)
        last, last_peak = points[-1]
        if max_tokens <= last:
            return min(peak for size, peak in points if size >= max_tokens)
        # As many bytes for each further position as lately, or as on the whole where that is more. Of one size alone nothing follows.
        slopes = (
            [(last_peak - peak) / (last - size) for size, peak in {points[0], points[-2]}]
            if len(points) > 1
            else [0.0]
        )
        return last_peak + (max_tokens - last) * max(slopes)

    def _between(self, fits: int, does_not: int) -> int:
        """The largest size that is expected to fit, from one that does to one that does not."""
        low, high = fits, does_not
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._is_expected_to_fit(middle) else (low, middle)
        return low

    def _is_expected_to_fit(self, max_tokens: int) -> bool:
        peak = self.expected_peak(max_tokens * self._growth)
        return (
            peak is None
            or self.usable is None
            or peak <= self.usable * _SHARES.get(self._trial.device.type, _SHARE_ELSEWHERE)
        )

    def _try(self, max_tokens: int, n_times: int) -> bool:
        best: list[StepCost] = []
        for batch in (self._hard.longest_pairs(max_tokens), self._hard.most_pairs(max_tokens)):
            costs = [self._trial.try_update(batch) for _ in range(n_times)]
            if None in costs:
                self.ran_out = True
                return False
            best.append(min(cost for cost in costs if cost is not None))
        peak = best[-1].peak
        self.measured.append(
            _Measurement(
                max_tokens,
                peak,
                sum(cost.n_positions for cost in best) / sum(cost.seconds for cost in best),
            )
        )
        return True

    def _of_memory(self) -> str:
        return "" if self.usable is None else f" of {format_bytes(self.usable)}"


def measure_batch_size(
    recipe: Recipe, data: TrainingData, device: torch.device, parallel: Parallel
) -> tuple[int, int]:
    """Measure how large a batch may be, and how many then make an update of batches.effective_tokens.

    A throw-away model makes updates of the hardest batches. Each process tries alone, as if it held the whole model, and the smallest of their sizes
    counts.

    Returns:
        batches.max_tokens, and the batches of an update over all processes.
    Raises:
        MtkitError: Not one of the longest sentences fits into memory, or into an update's share for each process.
    """
    effective, n_processes = recipe.batches.effective_tokens, parallel.world_size
    assert effective is not None
    limit = effective // n_processes
    if limit < recipe.max_sequence_length:
        raise MtkitError(
            f"batches.effective_tokens ({effective:,}) shared by {n_processes} processes is less than one of the longest sentences allowed "
            f"({recipe.max_sequence_length})",
            "raise it, or lower preprocess.max_length",
        )
    with ProfilingRun(recipe, data, device) as trial:
        ladder = BatchSizeSearch.for_recipe(recipe, data, trial, limit, n_processes)
        largest = parallel.min_int(ladder.find_largest(recipe.max_sequence_length))
        n_batches = round_up(-(-effective // largest), n_processes)
        # An update is to be of the wanted size, so its batches are equal parts of it.
        while (
            not parallel.min_int(
                ladder.fits(max_tokens := max(effective // n_batches, recipe.max_sequence_length))
            )
            and max_tokens > recipe.max_sequence_length
        ):
            n_batches += n_processes
    peak = ladder.expected_peak(max_tokens)
    takes = (
        ""
        if peak is None or ladder.usable is None
        else f" take {format_bytes(int(peak))} of {format_bytes(ladder.usable)} memory"
    )
    reason = f" ({ladder.reason})" if ladder.reason else ""
    logger.info(
        "batches.max_tokens: %s positions%s%s; %s",
        f"{max_tokens:,}",
        takes,
        reason,
        describe_update(max_tokens, n_batches, n_processes),
    )
    return max_tokens, n_batches


def describe_update(max_tokens: int, n_batches: int, n_processes: int) -> str:
    """How many batches make an update, in words."""
    shared = (
        f", {n_batches // n_processes} on each of {n_processes} processes,"
        if n_processes > 1
        else ""
    )
    batches = "one of them makes" if n_batches == 1 else f"{n_batches} of them{shared} make"
    return f"{batches} an update of {n_batches * max_tokens:,}"


def round_up(n: int, of: int) -> int:
    """The smallest multiple of `of` that is not below n."""
    return -(-n // of) * of
