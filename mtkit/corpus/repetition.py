"""Repetitions in a translation that its source does not have."""

from collections.abc import Hashable, Sequence
from operator import eq

_MAX_PERIOD = 32
"""Maximum length of what is repeated, in tokens: about a sentence."""
_MIN_EXCESS_THRICE, _MIN_EXCESS_TWICE = 4, 8
"""Minimum number of tokens repeated in a row beyond those of the source, in a translation with
three or more repetitions, or with two."""


def repeated_beyond(src: Sequence[Hashable], tgt: Sequence[Hashable]) -> int:
    """Return the tokens that a translation repeats beyond its source; 0 within the limits."""
    # A quick test: repetitions have tokens that occur before.
    if len(tgt) - len(set(tgt)) < _MIN_EXCESS_THRICE:
        return 0
    thrice, twice = _repeated(tgt, 3), _repeated(tgt, 2)
    if thrice < _MIN_EXCESS_THRICE and twice < _MIN_EXCESS_TWICE:
        return 0
    in_src = _repeated(src, 1)
    if thrice >= in_src + _MIN_EXCESS_THRICE or twice >= in_src + _MIN_EXCESS_TWICE:
        return twice - in_src
    return 0


def _repeated(ids: Sequence[Hashable], n_times: int) -> int:
    """Return the longest run of tokens that equal those one period before.

    The same stretch must occur at least `n_times`.
    """
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
