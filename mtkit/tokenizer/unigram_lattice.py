"""Sample the split of a word from the lattice of all its splits under a unigram model."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from mtkit.tokenizer.scored_vocab import ScoredVocab, UniformDraw


class _Lattice(NamedTuple):
    """A word, and for each of its places from 1 on the pieces that end there."""

    word: str
    cumulative_weights: list[tuple[float, ...]]
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

    def __init__(self, vocabulary: ScoredVocab, alpha: float) -> None:
        self._vocabulary, self._alpha = vocabulary, alpha
        self.cache_bytes = 0
        """About what the results of `start` have taken; whoever keeps them counts by this."""

    def prepare(self, word: str) -> _Lattice:
        """What `draw` takes."""
        self.cache_bytes += 240 * len(word)
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
            lattice.cumulative_weights.append(
                tuple(accumulate(math.exp(log_weight - largest) for log_weight in log_weights))
            )
            forward.append(largest + math.log(lattice.cumulative_weights[-1][-1]))
        return lattice

    def sample(self, start: _Lattice, chance: UniformDraw) -> list[int]:
        """Ids of a word's pieces."""
        word, totals, lengths = start
        end, backwards = len(word), []
        while end:
            choices = lengths[end - 1]
            begin = end - (
                choices[sample_index(totals[end - 1], chance)] if len(choices) > 1 else 1
            )
            backwards.append(self._vocabulary.spell(word[begin:end]))
            end = begin
        return [i for piece in reversed(backwards) for i in piece]


def sample_index(totals: Sequence[float], chance: UniformDraw) -> int:
    """Draw a place by its weight.

    Args:
        totals: Weights summed up from the first on.
        chance: Asked once.
    """
    return min(bisect_right(totals, chance() * totals[-1]), len(totals) - 1)
