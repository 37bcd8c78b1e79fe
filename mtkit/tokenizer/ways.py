"""The ways to split a word into pieces, and one of them drawn at random."""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

Chance = Callable[[], float]
"""Gives a number in [0, 1), as random.random does."""

_UNKNOWN_PENALTY = 10.0
"""How far SentencePiece sets the log-probability of a character without a piece below that of the rarest piece."""


class Vocabulary:
    """What has to be known of the pieces.

    Args:
        ids: Of each piece that is text.
        scores: Of all pieces, by id.
        byte_ids: Of the 256 bytes in their order, or empty.
        unk_id: Stands for a character without a piece when there are no bytes.
    """

    def __init__(self, ids: dict[str, int], scores: Sequence[float], byte_ids: Sequence[int], unk_id: int) -> None:
        self.scores = {text: scores[i] for text, i in ids.items()}
        self.unknown_score = min(self.scores.values(), default=0.0) - _UNKNOWN_PENALTY
        self.longest = max(map(len, ids), default=1)
        self._spelled = {text: (i,) for text, i in ids.items()}
        self._byte_ids, self._unk_id = byte_ids, unk_id

    def spell(self, text: str) -> tuple[int, ...]:
        """The id of a piece, or the ids of a character without one."""
        found = self._spelled.get(text)
        if found is None:
            found = tuple(self._byte_ids[byte] for byte in text.encode(errors="surrogateescape")) if self._byte_ids else (self._unk_id,)
        return found


class _Split:
    """A word on its way from characters to pieces.

    Args:
        symbols: What the word has been put together to so far.
        known: All splits of this word that were made.
    """

    __slots__ = ("following", "ids", "known", "merges", "symbols")

    def __init__(self, symbols: tuple[str, ...], known: "dict[tuple[str, ...], _Split]", vocabulary: Vocabulary) -> None:
        scores = vocabulary.scores
        ranked = sorted((-scores[pair], place) for place, (a, b) in enumerate(pairwise(symbols)) if (pair := a + b) in scores)
        self.symbols, self.known = symbols, known
        self.merges = [place for _, place in ranked]
        """Places of the symbols that can be merged with the next one, the first to be made first."""
        self.following: list[_Split | None] = [None] * len(ranked)
        """What each of them leads to, once somebody asked."""
        self.ids: list[int] | None = None
        """Of the symbols, once somebody asked."""


class BpeDropout:
    """A word's merges made in their order, each left out with some chance whenever it could be made.

    Provilkov et al. 2020 (arXiv:1910.13267), algorithm 1. SentencePiece asks chance once for each possible merge, and so splits more.

    Args:
        vocabulary: Of a BPE model.
        dropout: The chance; 1 gives single characters.
    """

    def __init__(self, vocabulary: Vocabulary, dropout: float) -> None:
        self._vocabulary, self._dropout = vocabulary, dropout
        self.n_made = 0
        """What was made of words so far, to be kept with them: some 500 bytes each."""

    def start(self, word: str) -> _Split:
        """What `draw` takes; it grows as it is drawn from."""
        self.n_made += 1
        return _Split(tuple(word), {}, self._vocabulary)

    def draw(self, start: _Split, chance: Chance) -> list[int]:
        """Ids of a word's pieces."""
        dropout, split = self._dropout, start
        while split.merges:
            # One number tells how many of the first merges are left out: scaled up, what lies below dropout is again a number in [0, 1).
            number, n_left_out = chance(), 0
            while number < dropout and n_left_out < len(split.merges):
                number /= dropout
                n_left_out += 1
            if n_left_out == len(split.merges):
                break
            split = split.following[n_left_out] or self._merged(split, n_left_out)
        if split.ids is None:
            split.ids = [i for symbol in split.symbols for i in self._vocabulary.spell(symbol)]
        return split.ids

    def _merged(self, split: _Split, choice: int) -> _Split:
        place, symbols = split.merges[choice], split.symbols
        merged = (*symbols[:place], symbols[place] + symbols[place + 1], *symbols[place + 2 :])
        found = split.known.get(merged)
        if found is None:
            found = split.known[merged] = _Split(merged, split.known, self._vocabulary)
            self.n_made += 1
        split.following[choice] = found
        return found


class _Arrivals(NamedTuple):
    """The pieces that end at a place of a word."""

    totals: list[float]
    """Their chances, summed up from the first on."""
    starts: list[int]
    ids: list[tuple[int, ...]]


class UnigramLattice:
    """A word's pieces drawn from all ways to split it, each by its probability to the power of alpha.

    Kudo 2018 (arXiv:1804.10959), section 3.3: forward filtering, backward sampling.

    Args:
        vocabulary: Of a unigram model.
        alpha: 0 makes all ways equal; the larger, the likelier is the most probable way.
    """

    def __init__(self, vocabulary: Vocabulary, alpha: float) -> None:
        self._vocabulary, self._alpha = vocabulary, alpha
        self.n_made = 0
        """What was made of words so far, to be kept with them: some 500 bytes each."""

    def start(self, word: str) -> list[_Arrivals]:
        """What `draw` takes: what ends at each place of the word, from before its first character on."""
        self.n_made += len(word)
        scores, alpha = self._vocabulary.scores, self._alpha
        lattice, forward = [_Arrivals([], [], [])], [0.0]
        for end in range(1, len(word) + 1):
            starts = [i for i in range(max(0, end - self._vocabulary.longest), end) if word[i:end] in scores or i == end - 1]
            log_weights = [forward[i] + alpha * scores.get(word[i:end], self._vocabulary.unknown_score) for i in starts]
            largest = max(log_weights)
            totals = list(accumulate(math.exp(log_weight - largest) for log_weight in log_weights))
            forward.append(largest + math.log(totals[-1]))
            lattice.append(_Arrivals(totals, starts, [self._vocabulary.spell(word[i:end]) for i in starts]))
        return lattice

    def draw(self, start: list[_Arrivals], chance: Chance) -> list[int]:
        """Ids of a word's pieces."""
        end, backwards = len(start) - 1, []
        while end:
            totals, starts, ids = start[end]
            choice = draw(totals, chance) if len(totals) > 1 else 0
            backwards.append(ids[choice])
            end = starts[choice]
        return [i for piece in reversed(backwards) for i in piece]


def draw(totals: list[float], chance: Chance) -> int:
    """Draw a place by its weight.

    Args:
        totals: Weights summed up from the first on.
        chance: Asked once.
    """
    return min(bisect_right(totals, chance() * totals[-1]), len(totals) - 1)
