"""Several batches at a time, each in a thread of its own with its share of the cores."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from mtkit.io.arguments import require_count

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """Runs a function over many items.

    Two threads of one core each translate faster than one of two cores: small matrix products gain little from a second core.

    Args:
        n_workers: None is one for each core that torch may use.
    Raises:
        ValueError: n_workers is below 1.
    """

    def __init__(self, n_workers: int | None) -> None:
        if n_workers is not None:
            require_count(n_workers, "n_workers")
        self.n_workers = n_workers or torch.get_num_threads()

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """The results, in order; an error in any of them is raised here."""
        n_workers = min(self.n_workers, len(items))
        if n_workers <= 1:
            yield from map(function, items)
            return
        n_threads = torch.get_num_threads()
        share = max(n_threads // n_workers, 1)
        try:
            with ThreadPoolExecutor(
                n_workers, initializer=torch.set_num_threads, initargs=(share,)
            ) as pool:
                try:
                    yield from pool.map(function, items)
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
        finally:
            # The threads' own setting leaks into the matrix library's.
            torch.set_num_threads(n_threads)
