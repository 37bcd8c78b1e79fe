"""Sums over the steps between two lines of the log."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from mtkit.training.distributed.parallel import Parallel
from mtkit.training.step import StepResult

Item = TypeVar("Item")


class MetricAccumulator:
    """Means per target token, and the rate; time between `pause` and `go_on` does not count. Steps that were skipped count as such alone.

    The sums stay on the device until they are read, so that counting a step does not mean waiting for it.

    Args:
        parallel: The processes whose steps are counted.
        state: What `as_state` gave, to go on from there.
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
        if self.parallel.is_main and "sums" in state:
            self._sums = torch.tensor(state["sums"], dtype=torch.float64)

    def add(self, result: StepResult) -> None:
        """Count a step. If the loss has other parts than before, as when a run goes on with another recipe, counting starts with it."""
        names = list(result.parts)
        if self._sums is not None and names != self._names:
            self.n_steps, self.n_tokens_seen, self.elapsed_s, self.waited_s, self._sums = (
                0,
                0,
                0.0,
                0.0,
                None,
            )
        self.n_steps += 1
        self.n_tokens_seen += result.n_tokens
        values = torch.stack(
            [result.loss, result.nll, *(part.float() for part in result.parts.values())]
        )
        counts = torch.stack(
            [
                result.grad_norm / self.parallel.world_size,
                values.new_full((), result.n_tokens / self.parallel.world_size),
            ]
        )
        sums = (
            torch.cat((values, counts, values.new_full((1,), 1 / self.parallel.world_size)))
            .where(result.is_good, 0.0)
            .double()
        )
        self._names = names
        self._sums = sums if self._sums is None else self._sums.to(sums.device) + sums

    def time_waiting(self, stream: Iterator[Item]) -> Item:
        """The next of a stream; the time that it takes counts as waiting for data."""
        since = time.monotonic()
        item = next(stream)
        self.waited_s += time.monotonic() - since
        return item

    def pause(self) -> None:
        """Stop the clock."""
        self.elapsed_s += time.monotonic() - self._since

    def resume(self) -> None:
        """Let the clock run again."""
        self._since = time.monotonic()

    def as_state(self) -> dict[str, Any]:
        """For a checkpoint, to go on from while the clock is stopped. Waits for the device, and all processes call it together."""
        if self._sums is None:
            return {}
        times = {"elapsed_s": self.elapsed_s, "waited_s": self.waited_s}
        sums = self.parallel.all_reduce(self._sums.clone()).tolist()
        return {
            "n_steps": self.n_steps,
            "n_tokens": self.n_tokens_seen,
            **times,
            "names": self._names,
            "sums": sums,
        }

    def as_dict(self) -> dict[str, float]:
        """For metrics.jsonl. Waits for the device, and all processes call it together."""
        return self._values(
            self.parallel.all_reduce(self._sums.clone()).tolist()
            if self._sums is not None
            else [0.0] * 5
        )

    def local_values(self) -> dict[str, float]:
        """Return the same values as estimated from the share of this process. Waits for the device, but not for other processes."""
        return self._values(
            (self._sums * self.parallel.world_size).tolist()
            if self._sums is not None
            else [0.0] * 5
        )

    def _values(self, sums: list[float]) -> dict[str, float]:
        *losses, norm, n_tokens, n_good = sums
        loss, nll, *parts = (value / max(n_tokens, 1) for value in losses)
        elapsed_s = self.elapsed_s + time.monotonic() - self._since
        n_seconds = max(elapsed_s, 1e-9)
        # Of updates that were all skipped nothing is known.
        means = (
            {
                "loss": loss,
                "nll": nll,
                **dict(zip(self._names, parts, strict=True)),
                "grad_norm": norm / n_good,
            }
            if n_good
            else {}
        )
        return {
            **means,
            "n_skipped": max(0, self.n_steps - round(n_good)),
            "tokens_per_s": self.n_tokens_seen / n_seconds,
            "data_wait": self.waited_s / n_seconds,
        }
