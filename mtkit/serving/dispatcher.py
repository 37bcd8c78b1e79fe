"""Worker processes: batches are sent to them, and those that end are replaced."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.serving.fair_queue import FairQueue, Unit, WorkerLostError
from mtkit.serving.model_worker import Batch
from mtkit.workers.process_pool import WorkerDiedError, WorkerProcess

if TYPE_CHECKING:
    from mtkit.serving.model_worker import ModelDescription

logger = get_logger(__name__)

_WAIT_S, _MAX_WAIT_S = 0.003, 0.05
"""Time between two looks of an idle worker at the texts that have arrived, and the longest time
that it waits for more, so that concurrent requests share a batch."""
_BATCH_S = 0.5
"""Longest time that a batch should take, since new requests wait for its end."""
_MIN_BATCH_TOKENS = 256
_MAX_BACKOFF_S = 30.0


class Dispatcher:
    """Sends batches of the queue to worker processes.

    Args:
        queue: Texts to translate.
        make_worker: Makes the function of a worker process, given its index; its result translates
            a `Batch`, or describes the models if called with None.
        args: Arguments of `make_worker` that precede the index.
        n_processes: Number of worker processes.
        max_batch_tokens: Maximum number of tokens of a batch.
    """

    def __init__(
        self,
        queue: FairQueue,
        make_worker: Callable[..., Callable[[Any], Any]],
        args: tuple[Any, ...],
        n_processes: int = 1,
        max_batch_tokens: int = 2048,
    ) -> None:
        self.queue, self.make_worker, self.args = queue, make_worker, args
        self.max_batch_tokens = max_batch_tokens
        self.slots = [_Slot(index) for index in range(n_processes)]
        self.counts: Counter[str] = Counter()
        """Batches, texts and tokens that were translated, failed batches, and restarts."""
        self._n_pending = 0
        """Tokens of the latest batch and of the texts that were waiting at its end."""
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> "Sequence[ModelDescription]":
        """Start the workers, wait until they have loaded the models, and return these.

        Raises:
            MtkitError: A model cannot be loaded.
        """
        try:
            [descriptions, *_] = await asyncio.gather(*(self._load(slot) for slot in self.slots))
        except BaseException:
            await self.stop()
            raise
        self._tasks = [asyncio.create_task(self._run(slot)) for slot in self.slots]
        return descriptions

    @property
    def n_ready(self) -> int:
        """Number of workers that have loaded the models."""
        return sum(slot.worker is not None for slot in self.slots)

    async def stop(self) -> None:
        """End the workers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for slot in self.slots:
            if (worker := slot.lose()) is not None:
                worker.process.kill()  # it has nothing to clean up, and may be in a long batch
                worker.process.join()
            slot.thread.shutdown(wait=False)

    async def _load(self, slot: "_Slot") -> "Sequence[ModelDescription]":
        loop = asyncio.get_running_loop()
        worker: WorkerProcess | None = None

        def load() -> Any:
            nonlocal worker
            worker = WorkerProcess.start(self.make_worker, (*self.args, slot.index))
            worker.send(None)
            return worker.result()

        try:
            descriptions = await loop.run_in_executor(slot.thread, load)
        except BaseException:
            if worker is not None:
                worker.process.kill()
            raise
        assert worker is not None
        slot.take(worker)
        return descriptions

    async def _run(self, slot: "_Slot") -> None:
        """Translate batches with one worker, and replace it when it ends."""
        backoff_s = 0.5
        while True:
            if slot.worker is None:
                self.counts["restarts"] += 1
                try:
                    await self._load(slot)
                except MtkitError as exc:
                    backoff_s = min(2 * backoff_s, _MAX_BACKOFF_S)
                    logger.error("a worker did not start: %s; again in %g s", exc, backoff_s)
                    await asyncio.sleep(backoff_s)
                    continue
                logger.info("a worker was started again")
            if await self._translate_batch(slot):
                backoff_s = 0.5

    async def _translate_batch(self, slot: "_Slot") -> bool:
        """Wait for texts and translate a batch of them; return whether that succeeded."""
        queue = self.queue
        if not await slot.wait_for(queue):
            self._lose(slot)
            return False
        await self._wait_for_more()
        units = queue.take(self._batch_tokens())
        if not units:
            return True
        n_tokens = sum(unit.n_tokens for unit in units)
        worker, seconds = slot.worker, 0.0
        assert worker is not None

        def translate() -> list[Any]:
            worker.send(_batch(units))
            return worker.result()

        begin = time.monotonic()
        try:
            loop = asyncio.get_running_loop()
            results = await loop.run_in_executor(slot.thread, translate)
            if len(results) != len(units):
                raise MtkitError(f"{len(results)} translations of {len(units)} texts")
        except WorkerDiedError:
            self._lose(slot)
            queue.put_back(units, WorkerLostError())
            return False
        except Exception as exc:
            self.counts["failed_batches"] += 1
            queue.put_back(units, exc)
        else:
            seconds = time.monotonic() - begin
            for unit, result in zip(units, results, strict=True):
                unit.job.finish(unit, result)
            self.counts.update({"batches": 1, "texts": len(units), "tokens": n_tokens})
        finally:
            self._n_pending = queue.n_tokens + n_tokens
            queue.finish(units, seconds)
        return True

    async def _wait_for_more(self) -> None:
        """Wait for half of the texts that were pending at the end of the last batch.

        The clients of a batch answer its end with their next texts, within some milliseconds. If
        half of the clients wait while the texts of the others are translated, the worker is busy
        while requests and answers are processed. Batches of whatever comes first would be small;
        with batches for all clients, worker and server would wait for each other.
        """
        deadline, n_before = time.monotonic() + _MAX_WAIT_S, -1
        while time.monotonic() < deadline:
            n_tokens = self.queue.n_tokens
            # Before the first batch, until no more texts arrive.
            is_settled = self._n_pending or n_tokens == n_before
            if is_settled and n_tokens >= min(self._n_pending / 2, self._batch_tokens()):
                break
            n_before = n_tokens
            await asyncio.sleep(_WAIT_S)

    def _batch_tokens(self) -> int:
        """Return the size of a batch that takes a short time at the usual speed."""
        rate = self.queue.tokens_per_s / len(self.slots)
        if not rate:
            return _MIN_BATCH_TOKENS
        return min(self.max_batch_tokens, max(_MIN_BATCH_TOKENS, int(rate * _BATCH_S)))

    def _lose(self, slot: "_Slot") -> None:
        if (worker := slot.lose()) is not None:
            worker.process.join(timeout=1)
            logger.error("a worker process ended with status %s", worker.process.exitcode)
            worker.stop()


def _batch(units: Sequence[Unit]) -> Batch:
    key: Any = units[0].job.key
    texts = [unit.job.texts[unit.index] for unit in units]
    return Batch(key, texts, [unit.job.required[unit.index] for unit in units if unit.job.required])


class _Slot:
    """A worker process, or the place of one that has ended.

    Args:
        index: Index of the process.
    """

    def __init__(self, index: int) -> None:
        self.index = index
        self.worker: WorkerProcess | None = None
        # The results of a worker are waited for in a thread of its own.
        self.thread = ThreadPoolExecutor(1, thread_name_prefix=f"worker-{index}")
        self._has_ended = asyncio.Event()

    def take(self, worker: WorkerProcess) -> None:
        """Take a worker that has loaded the models, and watch for its end."""
        self.worker = worker
        self._has_ended.clear()
        loop = asyncio.get_running_loop()
        loop.add_reader(worker.process.sentinel, self._note_end)

    def lose(self) -> WorkerProcess | None:
        """Give up the worker."""
        worker, self.worker = self.worker, None
        if worker is not None:
            asyncio.get_running_loop().remove_reader(worker.process.sentinel)
        return worker

    async def wait_for(self, queue: FairQueue) -> bool:
        """Wait for texts in the queue; return False if the worker ends before."""
        tasks = [asyncio.ensure_future(one) for one in (queue.wait(), self._has_ended.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        return not self._has_ended.is_set()

    def _note_end(self) -> None:
        self._has_ended.set()
        with contextlib.suppress(AttributeError):  # it was lost already
            asyncio.get_running_loop().remove_reader(self.worker.process.sentinel)  # type: ignore[union-attr]
