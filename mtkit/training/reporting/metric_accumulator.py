"""Sums of metrics over the steps between two lines of the log."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from mtkit.training.distributed.parallel import Parallel
from mtkit.training.step import StepResult

Item = TypeVar("Item")


class Counts(NamedTuple):
    """What turns sums into metrics: counts that Python has, as they are after a step."""

    names: list[str]
    """Names of the auxiliary losses."""
    n_steps: int
    tokens_per_s: float
    data_wait: float
    """Share of the time spent waiting for data."""

    def metrics(self, sums: Tensor | None) -> dict[str, float]:
        """Return the metrics, from the sums after the same step. Synchronizes their device."""
        *losses, norm, n_tokens, n_good = [0.0] * 5 if sums is None else sums.tolist()
        metrics: dict[str, float] = {}
        # If all updates were skipped, there are no means.
        if n_good:
            loss, nll, *parts = (value / max(n_tokens, 1) for value in losses)
            auxiliary = dict(zip(self.names, parts, strict=True))
            metrics = {"loss": loss, "nll": nll, **auxiliary, "grad_norm": norm / n_good}
        return {
            **metrics,
            "n_skipped": max(0, self.n_steps - round(n_good)),
            "tokens_per_s": self.tokens_per_s,
            "data_wait": self.data_wait,
        }


class MetricAccumulator:
    """Accumulates losses per target token, the gradient norm, and throughput.

    The sums stay on the device until they are read, so that counting a step does not synchronize
    it. Skipped steps are only counted.

    Args:
        parallel: Processes whose steps are counted.
        state: Result of `as_state`, to continue from.
    """

    def __init__(
        self, parallel: Parallel | None = None, state: Mapping[str, Any] | None = None
    ) -> None:
        state = state or {}
        self.parallel = parallel or Parallel()
        self.n_steps: int = state.get("n_steps", 0)
        self.n_tokens_seen: int = state.get("n_tokens", 0)
        self.elapsed_s: float = state.get("elapsed_s", 0.0)
        self.waited_s: float = state.get("waited_s", 0.0)
        self._since = time.monotonic()
        self._names: list[str] = state.get("names", [])
        self._sums: Tensor | None = None
        """Losses, gradient norm, tokens and good steps; each process holds a part of each sum."""
        if self.parallel.is_main and "sums" in state:
            self._sums = torch.tensor(state["sums"], dtype=torch.float64)

    def add(self, result: StepResult) -> None:
        """Count a step."""
        names = list(result.parts)
        if self._sums is not None and names != self._names:
            # Other auxiliary losses, as the recipe of a resumed run has changed: start over.
            self.n_steps = self.n_tokens_seen = 0
            self.elapsed_s = self.waited_s = 0.0
            self._sums = None
        self.n_steps += 1
        self.n_tokens_seen += result.n_tokens
        world_size = self.parallel.world_size
        losses = torch.stack(
            [result.loss, result.nll, *(part.float() for part in result.parts.values())]
        )
        n_tokens = losses.new_full((), result.n_tokens / world_size)
        others = torch.stack([result.grad_norm / world_size, n_tokens])
        n_good = losses.new_full((1,), 1 / world_size)
        values = torch.cat((losses, others, n_good)).where(result.is_good, 0.0).double()
        self._names = names
        self._sums = values if self._sums is None else self._sums.to(values.device) + values

    def next_batch(self, batches: Iterator[Item]) -> Item:
        """Return the next item, and count the time as waiting for data."""
        since = time.monotonic()
        item = next(batches)
        self.waited_s += time.monotonic() - since
        return item

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Exclude the time within this context from the throughput."""
        self.elapsed_s += time.monotonic() - self._since
        try:
            yield
        finally:
            self._since = time.monotonic()

    def as_state(self) -> dict[str, Any]:
        """Return the state for a checkpoint, while paused.

        Synchronizes the device; all processes call it together.
        """
        if self._sums is None:
            return {}
        return {
            "n_steps": self.n_steps,
            "n_tokens": self.n_tokens_seen,
            "elapsed_s": self.elapsed_s,
            "waited_s": self.waited_s,
            "names": self._names,
            "sums": self.parallel.all_reduce(self._sums.clone()).tolist(),
        }

    def as_dict(self) -> dict[str, float]:
        """Return the metrics. Synchronizes the device; all processes call it together."""
        sums = self._sums
        if sums is not None:
            sums = self.parallel.all_reduce(sums.clone())
        return self.counts().metrics(sums)

    def local_sums(self) -> Tensor | None:
        """Return the sums, on the device, as estimated from this process."""
        return None if self._sums is None else self._sums * self.parallel.world_size

    def counts(self) -> Counts:
        """Return the counts that belong to the sums."""
        n_seconds = max(self.elapsed_s + time.monotonic() - self._since, 1e-9)
        return Counts(
            self._names,
            self.n_steps,
            self.n_tokens_seen / n_seconds,
            self.waited_s / n_seconds,
        )
