"""From source ids to hypotheses: what a translator hands its work to."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from mtkit.config.search import SearchConfig
from mtkit.engines.batch_journal import BatchJournal
from mtkit.engines.batching import full_batches, length_batches, mixed_batches
from mtkit.engines.cpu.cpu_info import one_thread_for_numpy
from mtkit.engines.cuda.cuda_graph_search import RecordedSearch
from mtkit.search.beam import beam_search
from mtkit.search.constraints.constraints import Demands
from mtkit.search.constraints.free_first import search_free_first
from mtkit.search.ensemble_scorer import ModelScorer
from mtkit.search.greedy import greedy_search
from mtkit.search.hypothesis import Hypothesis
from mtkit.search.padding import coarse_length, padded_length
from mtkit.search.sampling import sample
from mtkit.search.scorer import StepScorer
from mtkit.workers.fork_pool import Forks, can_fork
from mtkit.workers.thread_pool import Workers

_MIN_SOURCES_TO_FORK = 32
"""For fewer, threads are as good."""


class Engine(Protocol):
    """Finds translations of any number of sentences."""

    journal: BatchJournal | None
    """Where finished batches are kept, and taken from; None keeps none."""

    def search(
        self,
        sources: list[list[int]],
        config: SearchConfig,
        on_batch: Callable[[list[int]], None],
        demands: Sequence[Demands] | None = None,
    ) -> list[list[Hypothesis]]:
        """The n best hypotheses of each source, in order.

        Args:
            sources: Token ids, tags included, without EOS.
            config: How to search.
            on_batch: Called with the indices of sources whenever some more of them are done.
            demands: What each translation has to hold; None where nothing is demanded. Its hidden pieces are left out of the hypotheses.
        Raises:
            MtkitError: The engine cannot search like that, or demands cannot be met.
        """
        ...


class ModelEngine:
    """Searches with mtkit's own model, or with an ensemble of them, in batches of similar length.

    Args:
        scorer: Usually a `ModelScorer`.
        n_workers: On a CPU, how many batches are searched at a time, each by an equal share of the cores; None is one for each core.
        one_by_one: Make each sentence a batch of its own: slow, and exactly the same whatever else there is to translate.
        is_frozen: Whether the scorer does not change any more. Then the workers on a CPU may be processes, copies of this one, and a GPU plays steps
            that it has recorded.
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
        self.journal: BatchJournal | None = None
        self.one_by_one = one_by_one
        self.may_fork = is_frozen and scorer.device.type == "cpu" and can_fork()
        may_record = is_frozen and scorer.device.type == "cuda"
        self._recorded = (
            RecordedSearch(scorer) if may_record and isinstance(scorer, ModelScorer) else None
        )
        self._forks: Forks[list[list[Hypothesis]]] | None = None
        self.workers = Workers(n_workers if scorer.device.type == "cpu" else 1)

    def search(
        self,
        sources: list[list[int]],
        config: SearchConfig,
        on_batch: Callable[[list[int]], None],
        demands: Sequence[Demands] | None = None,
    ) -> list[list[Hypothesis]]:
        """See `Engine`."""
        if demands is not None and any(demand.must for demand in demands):
            return search_free_first(self._search, sources, config, on_batch, demands)
        return self._search(sources, config, on_batch, demands)

    def _search(
        self,
        sources: list[list[int]],
        config: SearchConfig,
        on_batch: Callable[[list[int]], None],
        demands: Sequence[Demands] | None,
    ) -> list[list[Hypothesis]]:
        max_tokens = 1 if self.one_by_one else config.batch_tokens(self.scorer.device.type)
        # Sentences of which nothing is demanded are searched for by themselves, which is faster.
        kinds = (
            [range(len(sources))]
            if demands is None
            else [
                [i for i, one in enumerate(demands) if bool(one) == is_met]
                for is_met in (True, False)
            ]
        )
        batches = [
            [kind[i] for i in batch]
            for kind in kinds
            for batch in self._batches(
                [len(sources[i]) + 1 for i in kind], config.n_rows, max_tokens
            )
        ]
        found: list[list[Hypothesis]] = [[] for _ in sources]
        journal = self.journal

        def key_of(batch: list[int]) -> str:
            return BatchJournal.key(
                [sources[i] for i in batch],
                config,
                [demands[i] for i in batch] if demands is not None else None,
            )

        def run(batch: list[int]) -> list[list[Hypothesis]]:
            if journal is not None and (kept := journal.get(key_of(batch))) is not None:
                return kept
            if self._recorded is not None and demands is None and self._recorded.can_search(config):
                return self._recorded([sources[i] for i in batch], config)
            wanted = (
                [demands[i] for i in batch] if demands is not None and demands[batch[0]] else None
            )
            return find_by([sources[i] for i in batch], config, wanted)

        with one_thread_for_numpy():
            if (
                self.may_fork
                and self._forks is None
                and self.workers.n_workers > 1
                and len(sources) >= _MIN_SOURCES_TO_FORK
            ):
                self._forks = Forks(partial(find, self.scorer), self.workers.n_workers)
            find_by = self._forks or partial(find, self.scorer)
            for batch, results in zip(batches, self.workers.map(run, batches), strict=True):
                if journal is not None:
                    journal.add(key_of(batch), results)
                for i, result in zip(batch, results, strict=True):
                    n_hidden = demands[i].n_hidden if demands is not None else 0
                    found[i] = (
                        [
                            hypothesis._replace(token_ids=hypothesis.token_ids[n_hidden:])
                            for hypothesis in result
                        ]
                        if n_hidden
                        else result
                    )
                on_batch(batch)
        return found

    def _batches(self, lengths: list[int], n_rows: int, max_tokens: int) -> list[list[int]]:
        # On a CPU padding changes the last bits of a result. A GPU makes no such promise, and takes as long for few sentences as for many.
        if self.scorer.device.type == "cpu":
            cut = (
                mixed_batches
                if isinstance(self.scorer, ModelScorer) and self.scorer.mixes_lengths
                else length_batches
            )
            return cut(
                [padded_length(length) * n_rows for length in lengths],
                max_tokens,
                self.workers.n_workers,
            )
        return full_batches([coarse_length(length) * n_rows for length in lengths], max_tokens)


def find(
    scorer: StepScorer[Any],
    sources: list[list[int]],
    config: SearchConfig,
    demands: Sequence[Demands] | None,
) -> list[list[Hypothesis]]:
    """Search one batch in the way that the settings ask for."""
    if config.ensemble != "mean" and hasattr(scorer, "combining"):
        scorer = scorer.combining(config.ensemble)  # pyright: ignore[reportAttributeAccessIssue]
    must = demands is not None and any(demand.must for demand in demands)
    if config.sampling:
        return sample(scorer, sources, config, demands)
    if config.beam_size == 1 and not must and not config.coverage_penalty:
        return [[hypothesis] for hypothesis in greedy_search(scorer, sources, config, demands)]
    return beam_search(scorer, sources, config, demands)
