"""BPE-dropout: split a word into subwords with some of the merges left out at random."""

import math
from itertools import pairwise

from mtkit.tokenizer.scored_vocab import ScoredVocab, UniformDraw

_NO_MERGE = -math.inf
"""Score of two symbols that cannot be merged."""


class _MergeState:
    """A partly merged word, and the merges that would complete it if none were left out."""

    __slots__ = ("ids", "next_states", "positions", "symbols")

    def __init__(self, symbols: list[str], positions: list[int], ids: list[int]) -> None:
        self.symbols = symbols
        """The symbols that the word consists of in this state."""
        self.positions = positions
        """For each remaining merge, in order: index of the symbol that is merged with the next."""
        self.ids = ids
        """Token ids after all remaining merges."""
        self.next_states: dict[tuple[int, int], _MergeState] = {}
        """Cached states by (n_made, n_dropped): the first n_made merges are made, the next
        n_dropped are left out, and the one after them is made."""


class BpeDropout:
    """Applies the merges of a BPE model in order, leaving each out with a given probability.

    Provilkov et al. 2020 (arXiv:1910.13267), algorithm 1: a merge is drawn again at each step at
    which it is possible. SentencePiece draws once per merge and therefore splits words more often.

    Args:
        vocab: Vocabulary of a BPE model.
        dropout: Probability of leaving out a merge; 1 results in single characters.
    """

    def __init__(self, vocab: ScoredVocab, dropout: float) -> None:
        self._vocab, self._dropout = vocab, dropout
        self._log_keep = math.log1p(-dropout) if dropout < 1 else -math.inf
        self.cache_bytes = 0
        """Approximate memory of all results of `prepare`, so that a cache can limit it."""

    def prepare(self, word: str) -> _MergeState:
        """Return the initial state of a word, for `sample`; it caches the states it leads to."""
        symbols = list(word)
        return self._merge_all(symbols, self._merge_scores(symbols))

    def sample(self, prepared: _MergeState, uniform: UniformDraw) -> list[int]:
        """Draw a split of a word and return its token ids."""
        state = prepared
        while True:
            # The number of merges before the first dropped one is geometrically distributed, so a
            # single random number determines it.
            n_made = int(math.log(1 - uniform()) / self._log_keep)
            if n_made >= len(state.positions):
                return state.ids
            n_dropped = 1
            while n_dropped < len(state.symbols) and uniform() < self._dropout:
                n_dropped += 1
            key = n_made, n_dropped
            state = state.next_states.get(key) or self._next_state(state, key)

    def _next_state(self, state: _MergeState, key: tuple[int, int]) -> _MergeState:
        n_made, n_dropped = key
        symbols = state.symbols.copy()
        for position in state.positions[:n_made]:
            symbols[position : position + 2] = [symbols[position] + symbols[position + 1]]
        scores = self._merge_scores(symbols)
        # The sort is stable: of equal scores, the first position comes first, as in `_merge_all`.
        ranked = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)[n_dropped:]
        if ranked and scores[ranked[0]] > _NO_MERGE:
            self._merge(symbols, scores, ranked[0])
            next_state = self._merge_all(symbols, scores)
        else:
            next_state = _MergeState(symbols, [], self._ids_of(symbols))
        state.next_states[key] = next_state
        return next_state

    def _merge_all(self, symbols: list[str], scores: list[float]) -> _MergeState:
        """Return the state of these symbols, with all merges that remain."""
        self.cache_bytes += 100 * len(symbols)
        merged, positions = symbols.copy(), []
        while (best := max(scores, default=_NO_MERGE)) > _NO_MERGE:
            positions.append(scores.index(best))
            self._merge(merged, scores, positions[-1])
        return _MergeState(symbols, positions, self._ids_of(merged))

    def _merge_scores(self, symbols: list[str]) -> list[float]:
        """Return the score of merging each symbol with the next."""
        scores = self._vocab.scores
        return [scores.get(a + b, _NO_MERGE) for a, b in pairwise(symbols)]

    def _merge(self, symbols: list[str], scores: list[float], position: int) -> None:
        """Merge the symbol at a position with the next, and update the scores around it."""
        get_score = self._vocab.scores.get
        merged = symbols[position] + symbols.pop(position + 1)
        symbols[position] = merged
        del scores[position]
        if position:
            scores[position - 1] = get_score(symbols[position - 1] + merged, _NO_MERGE)
        if position < len(scores):
            scores[position] = get_score(merged + symbols[position + 1], _NO_MERGE)

    def _ids_of(self, symbols: list[str]) -> list[int]:
        return [i for symbol in symbols for i in self._vocab.ids_of(symbol)]
