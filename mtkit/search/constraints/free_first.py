"""Search without the phrases that must appear first, and with them only where they are missing."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from mtkit.config.search import SearchConfig
from mtkit.errors import MtkitError
from mtkit.search.constraints.constraints import Demands
from mtkit.search.hypothesis import Hypothesis


class Search(Protocol):
    """A search such as that of an `Engine`, which returns the n best hypotheses of each source."""

    def __call__(
        self,
        sources: list[list[int]],
        config: SearchConfig,
        on_batch: Callable[[list[int]], None],
        demands: Sequence[Demands] | None,
    ) -> list[list[Hypothesis]]: ...


def search_free_first(
    search: Search,
    sources: list[list[int]],
    config: SearchConfig,
    on_batch: Callable[[list[int]], None],
    demands: Sequence[Demands],
) -> list[list[Hypothesis]]:
    """Return the best hypotheses that contain their phrases, from a free and a constrained search.

    A beam that has to contain phrases is narrower than a free one. The free search is therefore run
    for all sources, and its result is kept where it contains all phrases. The others are searched
    again with the phrases, and the better hypotheses of both searches are returned.

    Args:
        search: Runs one of the two searches; returns token ids without the hidden ones.
        sources: Token ids, without EOS.
        config: Search settings.
        on_batch: Called with the indices of sources that are finished.
        demands: For each source.
    Raises:
        MtkitError: Phrases are asked of a search that has no plain beam, or cannot be satisfied.
    """
    if config.sampling or config.n_groups > 1:
        way = "sampling" if config.sampling else "a beam in groups"
        raise MtkitError(
            f"words that must appear need a plain beam; {way} has none",
            "leave out sampling, n_groups, or the words",
        )
    relaxed = [replace(demand, must=()) for demand in demands]

    def report(batch: Sequence[int]) -> None:
        if free := [i for i in batch if not demands[i].must]:
            on_batch(free)

    found = search(sources, config, report, relaxed if any(relaxed) else None)
    kept = [
        [h for h in hypotheses if demand.are_met_by(h.token_ids)]
        for hypotheses, demand in zip(found, demands, strict=True)
    ]
    missing = [i for i, hypotheses in enumerate(found) if len(kept[i]) < len(hypotheses)]
    if met := [i for i in range(len(sources)) if demands[i].must and len(kept[i]) == len(found[i])]:
        on_batch(met)
    if missing:
        again = search(
            [sources[i] for i in missing],
            config,
            lambda batch: on_batch([missing[i] for i in batch]),
            [demands[i] for i in missing],
        )
        for i, hypotheses in zip(missing, again, strict=True):
            found[i] = _best([*kept[i], *hypotheses], config.n_best)
    return found


def _best(hypotheses: Sequence[Hypothesis], n: int) -> list[Hypothesis]:
    unique: dict[tuple[int, ...], Hypothesis] = {}
    for h in hypotheses:
        unique.setdefault(tuple(h.token_ids), h)
    return sorted(unique.values(), key=lambda h: h.score, reverse=True)[:n]
