"""BPE-dropout: split a word with random merges left out."""

import math
from itertools import pairwise

from mtkit.tokenizer.scored_vocab import ScoredVocab, UniformDraw

_IMPOSSIBLE = -math.inf


class _MergeState:
    """A word that is put together: where from, how, and what comes of it when no merge is left out any more."""

    __slots__ = ("following", "ids", "places", "symbols")

    def __init__(self, symbols: list[str], places: list[int], ids: list[int]) -> None:
        self.symbols = symbols
        """What the word is made of so far."""
        self.places = places
        """For each merge in its order, which symbol is merged with the next one."""
        self.ids = ids
        """Of the pieces in the end."""
        self.following: dict[tuple[int, int], _MergeState] = {}
        """What comes of it when so many merges are made, so many then left out and the next one made, once somebody asked."""


class BpeDropout:
    """A word's merges made in their order, each left out with some chance whenever it could be made.

    Provilkov et al. 2020 (arXiv:1910.13267), algorithm 1. SentencePiece asks chance once for each possible merge, and so splits more.

    Args:
        vocabulary: Of a BPE model.
        dropout: The chance; 1 gives single characters.
    """

    def __init__(self, vocabulary: ScoredVocab, dropout: float) -> None:
        self._vocabulary, self._dropout = vocabulary, dropout
        self._log_made = math.log1p(-dropout) if dropout < 1 else -math.inf
        self.cache_bytes = 0
        """About what the results of `start` have taken; whoever keeps them counts by this."""

    def prepare(self, word: str) -> _MergeState:
        """What `draw` takes; it grows as it is drawn from."""
        symbols = list(word)
        return self._merge_all(symbols, self._scores(symbols))

    def sample(self, start: _MergeState, chance: UniformDraw) -> list[int]:
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
            split = split.following.get(way) or self._next_state(split, way)

    def _next_state(self, split: _MergeState, way: tuple[int, int]) -> _MergeState:
        n_made, n_left_out = way
        symbols = split.symbols.copy()
        for place in split.places[:n_made]:
            symbols[place : place + 2] = [symbols[place] + symbols[place + 1]]
        scores = self._scores(symbols)
        # Of equal scores the first comes first here too.
        places = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)[n_left_out:]
        if places and scores[places[0]] > _IMPOSSIBLE:
            self._merge(symbols, scores, places[0])
            following = self._merge_all(symbols, scores)
        else:
            following = _MergeState(symbols, [], self._ids_of(symbols))
        split.following[way] = following
        return following

    def _merge_all(self, symbols: list[str], scores: list[float]) -> _MergeState:
        self.cache_bytes += 100 * len(symbols)
        merged, places = symbols.copy(), []
        while (best := max(scores, default=_IMPOSSIBLE)) > _IMPOSSIBLE:
            places.append(scores.index(best))
            self._merge(merged, scores, places[-1])
        return _MergeState(symbols, places, self._ids_of(merged))

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

    def _ids_of(self, symbols: list[str]) -> list[int]:
        return [i for symbol in symbols for i in self._vocabulary.spell(symbol)]
