"""Search without the required phrases, then again with them for sentences where any is missing."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from mtkit.engines.protocol import SearchRequest
from mtkit.errors import MtkitError
from mtkit.search.hypothesis import Hypothesis


def search_free_first(
    search: Callable[[SearchRequest], list[list[Hypothesis]]], request: SearchRequest
) -> list[list[Hypothesis]]:
    """Return the best hypotheses that contain their phrases, from a free and a constrained search.

    A beam that has to contain phrases is narrower than a free one. The free search is therefore run
    for all sources, and its result is kept where it contains all phrases. The others are searched
    again with the phrases, and the better hypotheses of both searches are returned.

    Args:
        search: Runs one of the two searches.
        request: Has constraints.
    Raises:
        MtkitError: Phrases are asked of a search that has no plain beam, or cannot be satisfied.
    """
    config, constraints = request.config, request.constraints or ()
    if config.sampling or config.n_groups > 1:
        way = "sampling" if config.sampling else "a beam in groups"
        raise MtkitError(
            f"words that must appear need a plain beam; {way} has none",
            "leave out sampling, n_groups, or the words",
        )
    relaxed = [replace(one, positive=()) for one in constraints]

    def report(batch: Sequence[int]) -> None:
        if free := [i for i in batch if not constraints[i].positive]:
            request.on_batch(free)

    found = search(replace(request, constraints=relaxed if any(relaxed) else None, on_batch=report))
    kept = [
        [h for h in hypotheses if one.are_satisfied_by(h.token_ids)]
        for hypotheses, one in zip(found, constraints, strict=True)
    ]
    missing = [i for i, hypotheses in enumerate(found) if len(kept[i]) < len(hypotheses)]
    if met := [
        i for i, one in enumerate(constraints) if one.positive and len(kept[i]) == len(found[i])
    ]:
        request.on_batch(met)
    if missing:
        again = search(request.select(missing))
        for i, hypotheses in zip(missing, again, strict=True):
            found[i] = _best([*kept[i], *hypotheses], config.n_best)
    return found


def _best(hypotheses: Sequence[Hypothesis], n: int) -> list[Hypothesis]:
    unique: dict[tuple[int, ...], Hypothesis] = {}
    for h in hypotheses:
        unique.setdefault(tuple(h.token_ids), h)
    return sorted(unique.values(), key=lambda h: h.score, reverse=True)[:n]
