"""Batches built in advance, in a thread or in worker processes."""

import atexit
import sys
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import chain, islice
from queue import SimpleQueue
from threading import Event, Semaphore, Thread, current_thread
from typing import TypeVar

from mtkit.batches.arrays import START, BatchArrays, BatchRows, Position
from mtkit.batches.build import BatchBuilder, identity
from mtkit.batches.collate import Batch, to_batch
from mtkit.batches.sampler import BatchSampler
from mtkit.workers.process_pool import ordered_map

T = TypeVar("T")


class BatchLoader:
    """Builds batches in the background while the model trains.

    The sampler and the builder decide which batches come in which order; n_prefetch and n_workers
    only change the waiting time.

    Args:
        sampler: Chooses the pairs of each batch.
        builder: Builds the batches.
        n_prefetch: Maximum number of batches ready in advance; at least 1, and at least a group.
        n_workers: Number of worker processes; 0 builds in a thread of this process.
        pin: Copy batches to pinned memory, from which a GPU copies asynchronously.
        share: Rank and number of the processes that train together, which take turns. Batches that
            are built in groups are built whole in each process.
    """

    def __init__(
        self,
        sampler: BatchSampler,
        builder: BatchBuilder,
        n_prefetch: int = 8,
        n_workers: int = 0,
        pin: bool = False,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        if n_prefetch < 1:
            raise ValueError(f"n_prefetch is {n_prefetch}; it must be at least 1")
        self.sampler, self._builder, self._pin, self._share = sampler, builder, pin, share
        # The batches of a group arrive together; less capacity would block in the middle of it.
        self._n_prefetch, self._n_workers = max(n_prefetch, builder.group_size), n_workers

    def iterate(self, position: Position = START) -> Generator[tuple[Batch, Position], None, None]:
        """Iterate over the data from a position on, without end.

        The thread starts with the first batch and ends when the generator is closed or garbage
        collected; exceptions in the thread are raised here.

        Yields:
            A batch, and the position after it, see `BatchSampler.iterate`. Each of several
            processes gets its own batch and the same position: the one after the batches of all.
        """
        ready: SimpleQueue[tuple[Batch, Position] | BaseException] = SimpleQueue()
        free = Semaphore(self._n_prefetch)
        stop = Event()
        # The thread holds no reference to this generator, so an unreferenced generator is closed
        # and ends its thread.
        thread = Thread(
            target=self._produce,
            args=(position, ready, free, stop),
            name="mtkit-batches",
            daemon=True,
        )

        def end() -> None:
            stop.set()
            free.release()
            thread.join()

        thread.start()
        # A thread still inside torch when the interpreter exits would crash the process.
        atexit.register(end)
        try:
            while True:
                item = ready.get()
                free.release()
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            # The garbage collector may close the generator in the thread itself, which cannot join
            # itself, or after the interpreter has stopped daemon threads.
            if thread is not current_thread() and not sys.is_finalizing():
                atexit.unregister(end)
                end()
            else:
                stop.set()
                free.release()

    def _produce(
        self,
        position: Position,
        ready: "SimpleQueue[tuple[Batch, Position] | BaseException]",
        free: Semaphore,
        stop: Event,
    ) -> None:
        try:
            with closing(self._built(position)) as built:
                while True:
                    free.acquire()
                    if stop.is_set():
                        return
                    arrays, after = next(built)
                    batch = to_batch(arrays)
                    ready.put((batch.pin() if self._pin else batch, after))
        except BaseException as error:
            ready.put(error)

    def _built(self, position: Position) -> Generator[tuple[BatchArrays, Position], None, None]:
        size = self._builder.group_size
        # A group is always built whole, also if training resumes in the middle of it.
        n_seen = position.batch % size
        stream = self.sampler.iterate(position._replace(batch=position.batch - n_seen))
        if size > 1:
            groups = _grouped(stream, size)
        else:
            groups = ([item] for item in _own_turns(stream, *self._share))
        pool = ordered_map(identity, (self._builder,), groups, self._n_workers)
        with closing(pool) as built:
            batches = islice(chain.from_iterable(built), n_seen, None)
            yield from _own_turns(batches, *self._share) if size > 1 else batches


def _own_turns(
    stream: Iterator[tuple[T, Position]], rank: int, world_size: int
) -> Iterator[tuple[T, Position]]:
    """Yield the item of one process in each round of an endless stream.

    The position is the one after the round.
    """
    while True:
        items = list(islice(stream, world_size))
        yield items[rank][0], items[-1][1]


def _grouped(
    stream: Iterator[tuple[BatchRows, Position]], size: int
) -> Iterator[list[tuple[BatchRows, Position]]]:
    """Group the batches of a window; its last group may be smaller than `size`."""
    group = []
    for batch, after in stream:
        group.append((batch, after))
        if after.batch % size == 0:
            yield group
            group = []
