"""The engine that runs mtkit's own models."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from mtkit.config.search import SearchConfig
from mtkit.engines.batching import full_batches, length_batches, mixed_batches
from mtkit.engines.protocol import SearchRequest
from mtkit.io.logs import get_logger
from mtkit.search.batch_layout import coarse_length, padded_length
from mtkit.search.beam import beam_search
from mtkit.search.constraints.constraints import Constraints
from mtkit.search.hypothesis import Hypothesis
from mtkit.search.scorer import StepScorer
from mtkit.workers.cpu_info import one_thread_for_numpy
from mtkit.workers.thread_pool import ThreadPool

logger = get_logger(__name__)

_MIN_SOURCES_TO_FORK = 32
"""For fewer, threads are as good."""

Finish = Callable[[list[int], list[list[Hypothesis]]], None]
"""Called with the indices of the sources of a batch, and the hypotheses of each."""


def initialize_fork() -> None:
    """Limit a fork to one thread, and let it use huge pages."""
    from mtkit.engines.cpu.allocator import use_huge_pages

    torch.set_num_threads(1)
    use_huge_pages()


class TorchEngine:
    """Searches with a model or an ensemble, in batches of sources of similar length.

    Args:
        scorer: Computes log-probabilities; see `make_scorer`.
        n_workers: On a CPU, the number of batches searched at a time, each by an equal share of the
            cores; None is one per core.
        one_by_one: Make each source a batch of its own, so that its result does not depend on other
            sources. Slow.
        is_frozen: Whether the scorer no longer changes. Then the workers on a CPU may be processes
            forked from this one.
    """

    def __init__(
        self,
        scorer: StepScorer[Any],
        n_workers: int | None = None,
        *,
        one_by_one: bool = False,
        is_frozen: bool = False,
    ) -> None:
        self.scorer = scorer
        self.one_by_one = one_by_one
        self.may_fork = is_frozen and scorer.device.type == "cpu"
        self._forks: Find | None = None
        self.workers = ThreadPool(n_workers if scorer.device.type == "cpu" else 1)

    def search(self, request: SearchRequest) -> list[list[Hypothesis]]:
        """See `Engine`."""
        if any(one.positive for one in request.constraints or ()):
            from mtkit.engines.free_first import search_free_first

            return search_free_first(self._search, request)
        return self._search(request)

    def _search(self, request: SearchRequest) -> list[list[Hypothesis]]:
        found: list[list[Hypothesis]] = [[] for _ in request.sources]

        def finish(batch: list[int], results: list[list[Hypothesis]]) -> None:
            if request.journal is not None:
                request.journal.add(request.key(batch), results)
            for i, result in zip(batch, results, strict=True):
                found[i] = _without_hidden(result, request, i)
            request.on_batch(batch)

        with one_thread_for_numpy():
            batches = self._search_together(request, self._batches(request), finish)
            search_batch = partial(self._search_batch, request, self._find_by(request))
            for batch, results in zip(
                batches, self.workers.map(search_batch, batches), strict=True
            ):
                finish(batch, results)
        return found

    def _search_together(
        self, request: SearchRequest, batches: list[list[int]], finish: Finish
    ) -> list[list[int]]:
        """Search batches by the scorer's own search, if it has one; return those that are left."""
        # Several workers search a batch each, see `_find_at_once`.
        is_alone = self.workers.n_workers == 1 and not request.constraints
        search = self.scorer.batch_search(request.config) if is_alone else None
        if search is None:
            return batches
        journal = request.journal
        new = [i for i in batches if journal is None or journal.get(request.key(i)) is None]
        left = {tuple(batch) for batch in batches}

        def on_found(index: int, results: list[list[Hypothesis]]) -> None:
            left.remove(tuple(new[index]))
            finish(new[index], results)

        try:
            search([[request.sources[i] for i in batch] for batch in new], on_found=on_found)
        except torch.OutOfMemoryError:
            if len(new) > 1:
                logger.info("GPU memory is too small for two batches at a time")
        return [batch for batch in batches if tuple(batch) in left]

    def _search_batch(
        self, request: SearchRequest, find_by: "Find", batch: list[int]
    ) -> list[list[Hypothesis]]:
        journal, config = request.journal, request.config
        if journal is not None and (kept := journal.get(request.key(batch))) is not None:
            return kept
        sources, constraints = [request.sources[i] for i in batch], request.constraints_of(batch)
        # A batch has constraints on all of its sources or on none.
        return find_by(sources, config, constraints if constraints and constraints[0] else None)

    def _find_by(self, request: SearchRequest) -> "Find":
        """Return the function that searches a batch: in this process, or in forks of it."""
        if (
            self.may_fork
            and self._forks is None
            and self.workers.n_workers > 1
            and len(request.sources) >= _MIN_SOURCES_TO_FORK
        ):
            from mtkit.workers.fork_pool import ForkPool, can_fork

            if can_fork():
                self._forks = ForkPool(
                    partial(find, self.scorer), self.workers.n_workers, initialize_fork
                )
        return self._forks or partial(find, self.scorer)

    def _batches(self, request: SearchRequest) -> list[list[int]]:
        config = request.config
        max_tokens = 1 if self.one_by_one else config.batch_tokens(self.scorer.device.type)
        indices, constraints = range(len(request.sources)), request.constraints
        kinds = [indices]
        if constraints is not None:
            # Sources without constraints are searched by themselves, which is faster.
            kinds = [
                [i for i in indices if constraints[i]],
                [i for i in indices if not constraints[i]],
            ]
        return [
            [kind[i] for i in batch]
            for kind in kinds
            for batch in self._cut(
                [len(request.sources[i]) + 1 for i in kind], config.n_rows, max_tokens
            )
        ]

    def _cut(self, lengths: list[int], n_rows: int, max_tokens: int) -> list[list[int]]:
        # On a CPU padding changes the last bits of a result. On a GPU nothing is promised about
        # them, and a few sentences take as long as many.
        if self.scorer.device.type == "cpu":
            cut = mixed_batches if self.scorer.mixes_lengths else length_batches
            return cut(
                [padded_length(length) * n_rows for length in lengths],
                max_tokens,
                self.workers.n_workers,
            )
        return full_batches([coarse_length(length) * n_rows for length in lengths], max_tokens)


Find = Callable[
    [list[list[int]], SearchConfig, Sequence[Constraints] | None], list[list[Hypothesis]]
]
"""Searches one batch: sources, settings, constraints."""


def _without_hidden(
    hypotheses: list[Hypothesis], request: SearchRequest, index: int
) -> list[Hypothesis]:
    n_hidden = request.constraints[index].n_hidden if request.constraints is not None else 0
    return [one._replace(token_ids=one.token_ids[n_hidden:]) for one in hypotheses]


def find(
    scorer: StepScorer[Any],
    sources: list[list[int]],
    config: SearchConfig,
    constraints: Sequence[Constraints] | None,
) -> list[list[Hypothesis]]:
    """Search one batch with the method that the settings choose.

    If the memory of a GPU is too small for all sources, each half is searched by itself.

    Raises:
        torch.OutOfMemoryError: The memory is too small for a single source.
    """
    try:
        return _find_at_once(scorer, sources, config, constraints)
    except torch.OutOfMemoryError:
        if len(sources) == 1:
            raise
    # Here, where the exception no longer holds the tensors of the search.
    logger.info("GPU memory is too small for %d sentences; halving the batch", len(sources))
    torch.cuda.empty_cache()
    half = (len(sources) + 1) // 2
    return [
        hypotheses
        for part in (slice(half), slice(half, None))
        for hypotheses in find(scorer, sources[part], config, constraints and constraints[part])
    ]


def _find_at_once(
    scorer: StepScorer[Any],
    sources: list[list[int]],
    config: SearchConfig,
    constraints: Sequence[Constraints] | None,
) -> list[list[Hypothesis]]:
    if constraints is None and (search := scorer.batch_search(config)) is not None:
        found: list[list[Hypothesis]] = []
        search([sources], on_found=lambda _, hypotheses: found.extend(hypotheses))
        return found
    scorer = scorer.for_search(config)
    has_phrases = constraints is not None and any(constraint.positive for constraint in constraints)
    if config.sampling:
        from mtkit.search.sampling import sample

        return sample(scorer, sources, config, constraints)
    if config.beam_size == 1 and not has_phrases and not config.coverage_penalty:
        from mtkit.search.greedy import greedy_search

        return [[hypothesis] for hypothesis in greedy_search(scorer, sources, config, constraints)]
    return beam_search(scorer, sources, config, constraints)
