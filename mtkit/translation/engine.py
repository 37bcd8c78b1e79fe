"""From source ids to hypotheses: what a translator hands its work to."""

from collections.abc import Callable
from typing import Any, Protocol

from mtkit.config.search import SearchConfig
from mtkit.search.beam import beam_search
from mtkit.search.greedy import greedy_search
from mtkit.search.hypothesis import Hypothesis
from mtkit.search.scorer import StepScorer
from mtkit.translation.ordering import length_batches
from mtkit.translation.workers import Workers


class Engine(Protocol):
    """Finds translations of any number of sentences."""

    def search(self, sources: list[list[int]], config: SearchConfig, on_batch: Callable[[list[int]], None]) -> list[list[Hypothesis]]:
        """The n best hypotheses of each source, in order.

        Args:
            sources: Token ids, tags included, without EOS.
            config: How to search.
            on_batch: Called with the indices of sources whenever some more of them are done.
        """
        ...


class ModelEngine:
    """Searches with mtkit's own model, or with an ensemble of them, in batches of similar length.

    Args:
        scorer: Usually a `ModelScorer`.
        n_workers: On a CPU, how many batches are searched at a time, each by an equal share of the cores; None is one for each core.
    """

    def __init__(self, scorer: StepScorer[Any], n_workers: int | None = None) -> None:
        self.scorer = scorer
        self.workers = Workers(n_workers if scorer.device.type == "cpu" else 1)

    def search(self, sources: list[list[int]], config: SearchConfig, on_batch: Callable[[list[int]], None]) -> list[list[Hypothesis]]:
        """See `Engine`."""
        # The batches must suffice to keep all workers busy to the end.
        n_positions = sum(len(source) + 1 for source in sources) * config.beam_size
        max_tokens = min(config.max_tokens, max(n_positions // (2 * self.workers.n_workers), 256))
        batches = length_batches([(len(source) + 1) * config.beam_size for source in sources], max_tokens)
        found: list[list[Hypothesis]] = [[] for _ in sources]

        def run(batch: list[int]) -> list[list[Hypothesis]]:
            chosen = [sources[i] for i in batch]
            if config.beam_size == 1:
                return [[hypothesis] for hypothesis in greedy_search(self.scorer, chosen, config)]
            return beam_search(self.scorer, chosen, config)

        for batch, results in zip(batches, self.workers.map(run, batches), strict=True):
            for i, result in zip(batch, results, strict=True):
                found[i] = result
            on_batch(batch)
        return found
