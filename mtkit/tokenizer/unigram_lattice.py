"""Unigram sampling: draw one of all splits of a word by its probability."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from mtkit.tokenizer.scored_vocab import ScoredVocab, UniformDraw


class _Lattice(NamedTuple):
    """A word, and for each position from 1 to its length the tokens that end there."""

    word: str
    cumulative_weights: list[tuple[float, ...]]
    """Running sums of the tokens' weights."""
    lengths: list[tuple[int, ...]]
    """Lengths of the tokens in characters."""


class UnigramLattice:
    """Draws a split of a word with a probability proportional to its own, raised to alpha.

    Kudo 2018 (arXiv:1804.10959), section 3.3: forward filtering, backward sampling.

    Args:
        vocab: Vocabulary of a unigram model.
        alpha: Exponent; 0 makes all splits equally likely, large values favor the best split.
    """

    def __init__(self, vocab: ScoredVocab, alpha: float) -> None:
        self._vocab, self._alpha = vocab, alpha
        self.cache_bytes = 0
        """Approximate memory of all results of `prepare`, so that a cache can limit it."""

    def prepare(self, word: str) -> _Lattice:
        """Return the lattice of a word, for `sample`."""
        self.cache_bytes += 240 * len(word)
        scores, alpha, max_length = self._vocab.scores, self._alpha, self._vocab.max_length
        lattice, forward = _Lattice(word, [], []), [0.0]
        for end in range(1, len(word) + 1):
            lengths = tuple(
                length
                for length in range(1, min(max_length, end) + 1)
                if length == 1 or word[end - length : end] in scores
            )
            log_weights = [
                forward[end - n]
                + alpha * scores.get(word[end - n : end], self._vocab.unknown_score)
                for n in lengths
            ]
            largest = max(log_weights)
            lattice.lengths.append(lengths)
            lattice.cumulative_weights.append(
                tuple(accumulate(math.exp(log_weight - largest) for log_weight in log_weights))
            )
            forward.append(largest + math.log(lattice.cumulative_weights[-1][-1]))
        return lattice

    def sample(self, prepared: _Lattice, uniform: UniformDraw) -> list[int]:
        """Draw a split of a word and return its token ids."""
        word, cumulative_weights, lengths = prepared
        end, backwards = len(word), []
        while end:
            choices = lengths[end - 1]
            index = sample_index(cumulative_weights[end - 1], uniform) if len(choices) > 1 else 0
            begin = end - choices[index]
            backwards.append(self._vocab.ids_of(word[begin:end]))
            end = begin
        return [i for ids in reversed(backwards) for i in ids]


def sample_index(cumulative_weights: Sequence[float], uniform: UniformDraw) -> int:
    """Draw an index by weight.

    Args:
        cumulative_weights: Running sums of the weights.
        uniform: Called once.
    """
    index = bisect_right(cumulative_weights, uniform() * cumulative_weights[-1])
    return min(index, len(cumulative_weights) - 1)
