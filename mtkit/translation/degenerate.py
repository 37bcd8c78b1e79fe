"""Translations that repeat themselves or do not end: they are found here and searched again.

Whether a translation is such depends on its own source alone. Of 271,848 true translations (Multi30k, Tatoeba and WMT news of German and English;
Tatoeba, news and documentation of Korean and English; both ways), in pieces of vocabularies of 8,000, none repeats itself by these bounds; 28 are too
long, nearly all of them sentences that had been put beside the wrong one.
"""

from collections.abc import Callable, Sequence
from operator import eq
from typing import NamedTuple

from mtkit.config.search import SearchConfig
from mtkit.search.hypothesis import Hypothesis
from mtkit.search.max_length import max_target_lengths

_MAX_PERIOD = 32
"""Pieces of what comes again and again; a sentence, at most."""
_MIN_EXCESS_THRICE, _MIN_EXCESS_TWICE = 4, 8
"""Pieces that are repeated without a break, beyond those of the source, in a translation where the same comes three times or more, or twice."""
_LONG_RATIO, _LONG_EXTRA = 2, 10
"""A translation that was ended by its limit is too long with this many pieces for each of the source, and this many more."""
_BLOCKED_NGRAM = 3
"""In the second search no run of so many pieces comes twice."""

Search = Callable[[list[int], SearchConfig], list[list[Hypothesis]]]
"""The n best of some of the sources, which are told by their indices."""


class Degeneration(NamedTuple):
    """What is wrong with a translation."""

    n_repeated: int
    """Pieces that it repeats beyond its source; 0 if it is only too long."""


def find_degeneration(src: list[int], tgt: list[int], config: SearchConfig) -> Degeneration | None:
    """What is wrong with a translation; None of nearly all.

    Args:
        src: Pieces of the source.
        tgt: Pieces of its translation.
        config: By which it was found.
    """
    if n_repeated := _repeated_beyond(src, tgt):
        return Degeneration(n_repeated)
    if (
        len(tgt) >= _LONG_RATIO * len(src) + _LONG_EXTRA
        and len(tgt) + 1 >= max_target_lengths([src], config, None)[0]
    ):
        return Degeneration(0)
    return None


def search_again(
    sources: Sequence[list[int]],
    found: list[list[Hypothesis]],
    config: SearchConfig,
    search: Search,
) -> list[list[Hypothesis]]:
    """Search once more, in another way, where the best hypothesis repeats itself or does not end, and take what is better.

    Args:
        sources: Pieces of all sources.
        found: Their n best.
        config: By which these were found.
        search: Searches by another configuration.
    Returns:
        The n best of all.
    """
    faults = {
        i: fault
        for i, hypotheses in enumerate(found)
        if (fault := find_degeneration(sources[i], hypotheses[0].token_ids, config))
    }
    way, better = _other_way(config), list(found)
    if not faults or way == config:
        return better
    for i, hypotheses in zip(faults, search(list(faults), way), strict=True):
        fault = find_degeneration(sources[i], hypotheses[0].token_ids, config)
        if fault is None or fault.n_repeated < faults[i].n_repeated:
            better[i] = hypotheses
    return better


def _other_way(config: SearchConfig) -> SearchConfig:
    blocked = config.no_repeat_ngram_size or _BLOCKED_NGRAM
    return config.model_copy(update={"no_repeat_ngram_size": min(blocked, _BLOCKED_NGRAM)})


def _repeated_beyond(src: list[int], tgt: list[int]) -> int:
    """Pieces that a translation repeats beyond its source; 0 where that is within bounds."""
    # What repeats so much has as many pieces that are there already.
    if len(tgt) - len(set(tgt)) < _MIN_EXCESS_THRICE:
        return 0
    thrice, twice = _repeated(tgt, 3), _repeated(tgt, 2)
    if thrice < _MIN_EXCESS_THRICE and twice < _MIN_EXCESS_TWICE:
        return 0
    in_src = _repeated(src, 1)
    if thrice >= in_src + _MIN_EXCESS_THRICE or twice >= in_src + _MIN_EXCESS_TWICE:
        return twice - in_src
    return 0


def _repeated(ids: list[int], n_times: int) -> int:
    """The most pieces in a row of which each is the one some pieces before, where the same stretch comes at least `n_times`."""
    most = 0
    for period in range(1, min(_MAX_PERIOD, len(ids) - 1) + 1):
        least = max((n_times - 1) * period, most + 1)
        same = list(map(eq, ids[period:], ids))
        if sum(same) >= least:
            longest = run = 0
            for is_same in same:
                run = run + 1 if is_same else 0
                longest = max(longest, run)
            if longest >= least:
                most = longest
    return most
