"""Batches made ready in advance, in a thread of their own."""

import sys
from collections.abc import Generator
from queue import SimpleQueue
from threading import Event, Semaphore, Thread, current_thread

from mtkit.batches.bucketing import Indices
from mtkit.batches.collate import Batch, HasPairs, collate
from mtkit.batches.order import START, BatchOrder, Position
from mtkit.special import SpecialIds


class BatchLoader:
    """Collates batches in the background while the model works.

    What comes, and in which order, is decided by the BatchOrder; n_prefetch changes only how long one waits.

    Args:
        store: Where the ids are.
        order: Which pairs make which batch.
        src_special: Special ids of the source's vocabulary.
        tgt_special: Special ids of the target's vocabulary.
        n_prefetch: Batches that may wait to be taken; at least 1.
    """

    def __init__(self, store: HasPairs, order: BatchOrder, src_special: SpecialIds, tgt_special: SpecialIds, n_prefetch: int = 8) -> None:
        if n_prefetch < 1:
            raise ValueError(f"n_prefetch is {n_prefetch}; it should be at least 1")
        self._store, self._order = store, order
        self._src_special, self._tgt_special = src_special, tgt_special
        self._n_prefetch = n_prefetch

    def iterate(self, position: Position = START) -> Generator[tuple[Batch, Position], None, None]:
        """Go through the data from a position on, for ever.

        The thread starts with the first batch asked for and ends when the generator is closed or let go; what goes wrong
        in it is raised here.

        Yields:
            A batch, and the position after it, see BatchOrder.iterate.
        """
        ready: SimpleQueue[tuple[Batch, Position] | BaseException] = SimpleQueue()
        free = Semaphore(self._n_prefetch)
        stop = Event()
        # The thread holds no reference to this generator, so that a generator nobody holds is closed and ends its thread.
        thread = Thread(target=self._produce, args=(position, ready, free, stop), name="mtkit-batches", daemon=True)
        thread.start()
        try:
            while True:
                item = ready.get()
                free.release()
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stop.set()
            free.release()
            # The garbage collector may close the generator in the thread itself, which cannot wait for its own end, or after
            # the interpreter has stopped such threads for good.
            if thread is not current_thread() and not sys.is_finalizing():
                thread.join()

    def _produce(self, position: Position, ready: "SimpleQueue[tuple[Batch, Position] | BaseException]", free: Semaphore, stop: Event) -> None:
        try:
            for indices, next_position in self._order.iterate(position):
                free.acquire()
                if stop.is_set():
                    return
                ready.put((self._collate(indices), next_position))
        except BaseException as error:
            ready.put(error)

    def _collate(self, indices: Indices) -> Batch:
        return collate(self._store, indices, self._src_special, self._tgt_special)
