"""Batches made ready in advance, in a thread or in processes."""

import atexit
import sys
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import chain, islice
from queue import SimpleQueue
from threading import Event, Semaphore, Thread, current_thread
from typing import TypeVar

from mtkit.batches.build import BatchBuilder, identity
from mtkit.batches.collate import Batch, to_batch
from mtkit.batches.gather import BatchRows
from mtkit.batches.pad import BatchArrays
from mtkit.batches.position import START, Position
from mtkit.batches.sampler import BatchSampler
from mtkit.workers.process_pool import ordered_map

T = TypeVar("T")


class BatchLoader:
    """Makes batches in the background while the model works.

    What comes, and in which order, is decided by BatchSampler and BatchBuilder; n_prefetch and n_workers change only how long one waits.

    Args:
        sampler: Which pairs make which batch.
        builder: Makes the batches.
        n_prefetch: Batches that may wait to be taken; at least 1. Of those that are made in groups, a group at least.
        n_workers: Processes that make them; 0 is a thread of this process.
        pin: Put them into memory that a GPU copies from without waiting.
        share: Of several processes that train together, the number of this one, from 0, and how many there are. They take turns; what is made in
            groups is made whole by each of them.
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
            raise ValueError(f"n_prefetch is {n_prefetch}; it should be at least 1")
        self._sampler, self._builder, self._pin, self._share = sampler, builder, pin, share
        # Batches that are made in groups come all at once; room for fewer would make the maker wait in their midst.
        self._n_prefetch, self._n_workers = max(n_prefetch, builder.group_size), n_workers

    def iterate(self, position: Position = START) -> Generator[tuple[Batch, Position], None, None]:
        """Go through the data from a position on, for ever.

        The thread starts with the first batch asked for and ends when the generator is closed or let go; what goes wrong
        in it is raised here.

        Yields:
            A batch, and the position after it, see BatchSampler.iterate. Of several processes each gets a batch of its own, and all the same
            position: that after the last one's.
        """
        ready: SimpleQueue[tuple[Batch, Position] | BaseException] = SimpleQueue()
        free = Semaphore(self._n_prefetch)
        stop = Event()
        # The thread holds no reference to this generator, so that a generator nobody holds is closed and ends its thread.
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
        # A thread that is still inside torch when the interpreter ends would take the process down with it.
        atexit.register(end)
        try:
            while True:
                item = ready.get()
                free.release()
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            # The garbage collector may close the generator in the thread itself, which cannot wait for its own end, or after
            # the interpreter has stopped such threads for good.
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
            with closing(self._built(position)) as made:
                while True:
                    free.acquire()
                    if stop.is_set():
                        return
                    arrays, after = next(made)
                    batch = to_batch(arrays)
                    ready.put((batch.pin() if self._pin else batch, after))
        except BaseException as error:
            ready.put(error)

    def _built(self, position: Position) -> Generator[tuple[BatchArrays, Position], None, None]:
        size = self._builder.group_size
        # A group is made as a whole, also where training goes on in its middle.
        n_seen = position.batch % size
        stream = self._sampler.iterate(position._replace(batch=position.batch - n_seen))
        groups = (
            _grouped(stream, size)
            if size > 1
            else ([item] for item in _turns(stream, *self._share))
        )
        with closing(ordered_map(identity, (self._builder,), groups, self._n_workers)) as made:
            batches = islice(chain.from_iterable(made), n_seen, None)
            yield from _turns(batches, *self._share) if size > 1 else batches


def _turns(
    stream: Iterator[tuple[T, Position]], rank: int, world_size: int
) -> Iterator[tuple[T, Position]]:
    """What one of several processes gets of a stream that does not end, and the position after each round."""
    while True:
        items = list(islice(stream, world_size))
        yield items[rank][0], items[-1][1]


def _grouped(
    stream: Iterator[tuple[BatchRows, Position]], size: int
) -> Iterator[list[tuple[BatchRows, Position]]]:
    """Batches of a window in groups of that many; the last group of a window may be smaller."""
    group = []
    for chosen, after in stream:
        group.append((chosen, after))
        if after.batch % size == 0:
            yield group
            group = []
