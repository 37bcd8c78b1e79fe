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
_IMPOSSIBLE = -math.inf


class Vocabulary:
    """What has to be known of the pieces.

    Args:
        ids: Of each piece that is text.
        scores: Of all pieces, by id.
        byte_ids: Of the 256 bytes in their order, or empty.
        unk_id: Stands for a character without a piece when there are no bytes.
    """

    def __init__(
        self, ids: dict[str, int], scores: Sequence[float], byte_ids: Sequence[int], unk_id: int
    ) -> None:
        self.scores = {text: scores[i] for text, i in ids.items()}
        self.unknown_score = min(self.scores.values(), default=0.0) - _UNKNOWN_PENALTY
        self.longest = max(map(len, ids), default=1)
        self._spelled = {text: (i,) for text, i in ids.items()}
        self._byte_ids, self._unk_id = byte_ids, unk_id

    def spell(self, text: str) -> tuple[int, ...]:
        """The id of a piece, or the ids of a character without one."""
        found = self._spelled.get(text)
        if found is None:
            found = (
                tuple(self._byte_ids[byte] for byte in text.encode(errors="surrogateescape"))
                if self._byte_ids
                else (self._unk_id,)
            )
        return found


class _Split:
    """A word that is put together: where from, how, and what comes of it when no merge is left out any more."""

    __slots__ = ("following", "ids", "places", "symbols")

    def __init__(self, symbols: list[str], places: list[int], ids: list[int]) -> None:
        self.symbols = symbols
        """What the word is made of so far."""
        self.places = places
        """For each merge in its order, which symbol is merged with the next one."""
        self.ids = ids
        """Of the pieces in the end."""
        self.following: dict[tuple[int, int], _Split] = {}
        """What comes of it when so many merges are made, so many then left out and the next one made, once somebody asked."""


class BpeDropout:
    """A word's merges made in their order, each left out with some chance whenever it could be made.

    Provilkov et al. 2020 (arXiv:1910.13267), algorithm 1. SentencePiece asks chance once for each possible merge, and so splits more.

    Args:
        vocabulary: Of a BPE model.
        dropout: The chance; 1 gives single characters.
    """

    def __init__(self, vocabulary: Vocabulary, dropout: float) -> None:
        self._vocabulary, self._dropout = vocabulary, dropout
        self._log_made = math.log1p(-dropout) if dropout < 1 else -math.inf
        self.n_bytes = 0
        """About what the results of `start` have taken; whoever keeps them counts by this."""

    def start(self, word: str) -> _Split:
        """What `draw` takes; it grows as it is drawn from."""
        symbols = list(word)
        return self._split(symbols, self._scores(symbols))

    def draw(self, start: _Split, chance: Chance) -> list[int]:
        """Ids of a word's pieces."""
        split = start
        while True:
            # One number tells how many merges are made before the first that is left out.
            n_made = int(math.log(1 - chance()) / self._log_made)
            if n_made >= len(split.places):
                return split.ids
            n_left_out = 1
            while n_left_out < len(split.symbols) and chance() < self._dropout:
                n_left_out += 1
            way = n_made, n_left_out
            split = split.following.get(way) or self._follow(split, way)

    def _follow(self, split: _Split, way: tuple[int, int]) -> _Split:
        n_made, n_left_out = way
        symbols = split.symbols.copy()
        for place in split.places[:n_made]:
            symbols[place : place + 2] = [symbols[place] + symbols[place + 1]]
        scores = self._scores(symbols)
        # Of equal scores the first comes first here too.
        places = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)[n_left_out:]
        if places and scores[places[0]] > _IMPOSSIBLE:
            self._merge(symbols, scores, places[0])
            following = self._split(symbols, scores)
        else:
            following = _Split(symbols, [], self._spelled(symbols))
        split.following[way] = following
        return following

    def _split(self, symbols: list[str], scores: list[float]) -> _Split:
        self.n_bytes += 100 * len(symbols)
        merged, places = symbols.copy(), []
        while (best := max(scores, default=_IMPOSSIBLE)) > _IMPOSSIBLE:
            places.append(scores.index(best))
            self._merge(merged, scores, places[-1])
        return _Split(symbols, places, self._spelled(merged))

    def _scores(self, symbols: list[str]) -> list[float]:
        """Of what comes of each symbol merged with the next one."""
        scores = self._vocabulary.scores
        return [scores.get(a + b, _IMPOSSIBLE) for a, b in pairwise(symbols)]

    def _merge(self, symbols: list[str], scores: list[float], place: int) -> None:
        """Make a merge, and bring its neighbours' scores up to date."""
        get_score = self._vocabulary.scores.get
        merged = symbols[place] + symbols.pop(place + 1)
        symbols[place] = merged
        del scores[place]
        if place:
            scores[place - 1] = get_score(symbols[place - 1] + merged, _IMPOSSIBLE)
        if place < len(scores):
            scores[place] = get_score(merged + symbols[place + 1], _IMPOSSIBLE)

    def _spelled(self, symbols: list[str]) -> list[int]:
        return [i for symbol in symbols for i in self._vocabulary.spell(symbol)]


class _Lattice(NamedTuple):
    """A word, and for each of its places from 1 on the pieces that end there."""

    word: str
    totals: list[tuple[float, ...]]
    """Their chances, summed up from the first on."""
    lengths: list[tuple[int, ...]]
    """Their characters."""


class UnigramLattice:
    """A word's pieces drawn from all ways to split it, each by its probability to the power of alpha.

    Kudo 2018 (arXiv:1804.10959), section 3.3: forward filtering, backward sampling.

    Args:
        vocabulary: Of a unigram model.
        alpha: 0 makes all ways equal; the larger, the likelier is the most probable way.
    """

    def __init__(self, vocabulary: Vocabulary, alpha: float) -> None:
        self._vocabulary, self._alpha = vocabulary, alpha
        self.n_bytes = 0
        """About what the results of `start` have taken; whoever keeps them counts by this."""

    def start(self, word: str) -> _Lattice:
        """What `draw` takes."""
        self.n_bytes += 240 * len(word)
        scores, alpha, longest = self._vocabulary.scores, self._alpha, self._vocabulary.longest
        lattice, forward = _Lattice(word, [], []), [0.0]
        for end in range(1, len(word) + 1):
            lengths = tuple(
                length
                for length in range(1, min(longest, end) + 1)
                if length == 1 or word[end - length : end] in scores
            )
            log_weights = [
                forward[end - n]
                + alpha * scores.get(word[end - n : end], self._vocabulary.unknown_score)
                for n in lengths
            ]
            largest = max(log_weights)
            lattice.lengths.append(lengths)
            lattice.totals.append(
                tuple(accumulate(math.exp(log_weight - largest) for log_weight in log_weights))
            )
            forward.append(largest + math.log(lattice.totals[-1][-1]))
        return lattice

    def draw(self, start: _Lattice, chance: Chance) -> list[int]:
        """Ids of a word's pieces."""
        word, totals, lengths = start
        end, backwards = len(word), []
        while end:
            choices = lengths[end - 1]
            begin = end - (choices[draw(totals[end - 1], chance)] if len(choices) > 1 else 1)
            backwards.append(self._vocabulary.spell(word[begin:end]))
            end = begin
        return [i for piece in reversed(backwards) for i in piece]


def draw(totals: Sequence[float], chance: Chance) -> int:
    """Draw a place by its weight.

    Args:
        totals: Weights summed up from the first on.
        chance: Asked once.
    """
    return min(bisect_right(totals, chance() * totals[-1]), len(totals) - 1)
