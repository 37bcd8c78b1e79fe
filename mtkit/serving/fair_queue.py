"""The queue of texts to translate: bounded in tokens, with fair shares for all clients.

A batch is filled with the texts of the client that has received the least so far, then of the next
one, and so on. Within a client, its requests share in the same way. So neither a client with many
requests nor a long document holds up a short request.
"""

import asyncio
from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

_BYTES_PER_TOKEN = 4
"""Bytes of UTF-8 per subword: about 4.5 in English, 5 in Korean."""
_MAX_ATTEMPTS = 2
_MAX_IDLE_CLIENTS = 1_000
"""Clients without texts in the queue whose shares are remembered while it is not empty."""
_MIN_MEASURED_TOKENS = 128
_RATE_WEIGHT = 0.2
"""Weight of the latest batch in the average speed."""


class QueueFullError(Exception):
    """The queue takes no more texts.

    Args:
        retry_after_s: Seconds after which it should take some again.
    """

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"queue full for {retry_after_s} s")
        self.retry_after_s = retry_after_s


class WorkerLostError(Exception):
    """A worker process ended while it translated, twice in a row."""


def estimate_tokens(text: str) -> int:
    """Estimate the number of subwords of a text, without a tokenizer."""
    return len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN + 1


@dataclass(eq=False)
class Unit:
    """A text of one line, which is translated as a whole."""

    job: "Job"
    index: int
    """Index among the texts of the job."""
    n_tokens: int
    n_attempts: int = 0
    """Number of times that a batch with this text failed."""
    is_alone: bool = False
    """Whether it travels in a batch of its own, because a batch with it failed."""


@dataclass(eq=False)
class Job:
    """The texts of one request.

    Texts of different jobs share a batch if their keys are equal.
    """

    client: str
    key: Hashable
    """Everything that has to be equal within a batch: the model and its settings."""
    texts: list[str]
    required: Sequence[tuple[str, ...]] = ()
    """Words that the translation of each text has to contain; empty if there are none."""
    future: "asyncio.Future[list[Any]]" = field(init=False)
    """Results of the texts, in order."""
    served: float = 0.0
    """Tokens that were sent to workers, for its share."""

    def __post_init__(self) -> None:
        self.future = asyncio.get_running_loop().create_future()
        self.results: list[Any] = [None] * len(self.texts)
        self.n_missing = len(self.texts)
        self.waiting = deque(
            Unit(self, index, estimate_tokens(text)) for index, text in enumerate(self.texts)
        )
        self.n_tokens = sum(unit.n_tokens for unit in self.waiting)
        if not self.texts:
            self.future.set_result([])

    def finish(self, unit: Unit, result: Any) -> None:
        """Set the result of a text."""
        if self.future.done():
            return
        self.results[unit.index] = result
        self.n_missing -= 1
        if not self.n_missing:
            self.future.set_result(self.results)

    def fail(self, error: BaseException) -> None:
        """End the job with an error."""
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(eq=False)
class _Client:
    served: float = 0.0
    jobs: list[Job] = field(default_factory=list)


class FairQueue:
    """Texts that wait for a worker.

    Args:
        max_tokens: Maximum number of tokens that wait; an empty queue takes any request.
        max_wait_s: Maximum time that a request may be expected to wait.
    """

    def __init__(self, max_tokens: int, max_wait_s: float) -> None:
        self.max_tokens, self.max_wait_s = max_tokens, max_wait_s
        self.n_tokens = 0
        """Tokens that wait."""
        self.n_running = 0
        """Tokens in workers."""
        self.tokens_per_s = 0.0
        """Average speed of all workers; 0 if it is not known yet."""
        self._clients: dict[str, _Client] = {}
        self._has_units = asyncio.Event()

    def put(self, job: Job) -> None:
        """Add a job.

        Raises:
            QueueFullError: Too many tokens wait.
        """
        wait_s = self.expected_wait_s()
        is_full = self.n_tokens and self.n_tokens + job.n_tokens > self.max_tokens
        if is_full or wait_s > self.max_wait_s:
            raise QueueFullError(max(1, ceil(wait_s)))
        if not job.waiting:
            return
        client = self._clients.setdefault(job.client, _Client())
        # A client that was idle has no claim to what it did not use.
        active = [one.served for one in self._clients.values() if one.jobs]
        client.served = max(client.served, min(active, default=0.0))
        job.served = min((one.served for one in client.jobs), default=0.0)
        client.jobs.append(job)
        self.n_tokens += job.n_tokens
        self._has_units.set()

    def drop(self, job: Job) -> None:
        """Remove what is left of a job whose client has gone or whose time is up."""
        self.n_tokens -= sum(unit.n_tokens for unit in job.waiting)
        job.waiting.clear()
        self._forget(job)

    def put_back(self, units: list[Unit], error: Exception) -> None:
        """Queue the texts of a failed batch again, each alone; one that fails again is an error."""
        for unit in reversed(units):
            job = unit.job
            unit.n_attempts += 1
            if job.future.done():
                continue
            if unit.n_attempts == _MAX_ATTEMPTS:
                self.drop(job)
                job.fail(error)
                continue
            unit.is_alone = True
            job.waiting.appendleft(unit)
            self.n_tokens += unit.n_tokens
            client = self._clients.setdefault(job.client, _Client())
            if job not in client.jobs:
                client.jobs.append(job)
            self._has_units.set()

    def expected_wait_s(self) -> float:
        """Return the time after which all that waits now should be translated."""
        n_tokens = self.n_tokens + self.n_running
        return n_tokens / self.tokens_per_s if self.tokens_per_s else 0.0

    async def wait(self) -> None:
        """Wait until there is a text."""
        await self._has_units.wait()

    def take(self, max_tokens: int) -> list[Unit]:
        """Take the texts of one batch; none if the queue is empty.

        Args:
            max_tokens: Maximum number of tokens; a longer text is a batch of its own.
        """
        units: list[Unit] = []
        total = 0
        while (job := self._next_job(units[0].job.key if units else None)) is not None:
            unit = job.waiting[0]
            is_over = total + unit.n_tokens > max_tokens
            if units and (is_over or unit.is_alone):
                break
            job.waiting.popleft()
            units.append(unit)
            total += unit.n_tokens
            job.served += unit.n_tokens
            self._clients[job.client].served += unit.n_tokens
            if not job.waiting:
                self._forget(job)
            if unit.is_alone:
                break
        self.n_tokens -= total
        self.n_running += total
        return units

    def finish(self, units: list[Unit], seconds: float) -> None:
        """Note that a batch has ended.

        Args:
            units: Texts of the batch.
            seconds: Time that it took; 0 if it failed.
        """
        n_tokens = sum(unit.n_tokens for unit in units)
        self.n_running -= n_tokens
        if seconds <= 0:
            return
        rate = n_tokens / seconds
        # Small batches are slower for each token: they show only how fast the workers are at least.
        if n_tokens >= _MIN_MEASURED_TOKENS or (self.tokens_per_s and rate > self.tokens_per_s):
            before = self.tokens_per_s or rate
            self.tokens_per_s = before + _RATE_WEIGHT * (rate - before)

    def _next_job(self, key: Hashable) -> Job | None:
        """Return the job that is served next: one with this key, or any if it is None."""
        chosen: tuple[float, Job] | None = None
        for client in self._clients.values():
            if chosen is not None and client.served >= chosen[0]:
                continue
            fitting = [job for job in client.jobs if key is None or job.key == key]
            if fitting:
                chosen = client.served, min(fitting, key=lambda one: one.served)
        return chosen[1] if chosen is not None else None

    def _forget(self, job: Job) -> None:
        """Remove a job of which nothing waits."""
        client = self._clients.get(job.client)
        if client is not None and job in client.jobs:
            client.jobs.remove(job)
        if not any(one.jobs for one in self._clients.values()):
            self._clients.clear()
            self._has_units.clear()
        elif len(self._clients) > _MAX_IDLE_CLIENTS:
            self._clients = {name: one for name, one in self._clients.items() if one.jobs}
