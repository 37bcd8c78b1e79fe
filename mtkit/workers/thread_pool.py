"""Pool of threads, each with its share of the cores, to process several batches at a time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class ThreadPool:
    """Applies a function to many items.

    Two threads of one core each translate faster than one thread of two cores: small matrix
    products gain little from a second core.

    Args:
        n_workers: Number of threads; None: one for each core that torch may use.
    Raises:
        ValueError: n_workers is below 1.
    """

    def __init__(self, n_workers: int | None) -> None:
        from torch import get_num_threads

        if n_workers is not None and n_workers < 1:
            raise ValueError(f"n_workers ({n_workers}) is below 1")
        self.n_workers = n_workers or get_num_threads()

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Yield the results in order; an error in a thread is raised here."""
        from torch import get_num_threads, set_num_threads

        n_workers = min(self.n_workers, len(items))
        if n_workers <= 1:
            yield from map(function, items)
            return
        n_threads = get_num_threads()
        threads_each = max(n_threads // n_workers, 1)
        try:
            with ThreadPoolExecutor(
                n_workers, initializer=set_num_threads, initargs=(threads_each,)
            ) as pool:
                try:
                    yield from pool.map(function, items)
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
        finally:
            # The setting of a thread changes that of the matrix library for the whole process.
            set_num_threads(n_threads)
