"""Learn further merges for a trained BPE model, on another corpus."""

import heapq
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from itertools import pairwise

from mtkit.tokenizer.normalize import WORD_BOUNDARY

MAX_TOKEN_LENGTH = 16
"""Maximum length of a token in characters, as in SentencePiece's trainer."""
_MIN_COUNT = 2


def learn_merges(
    words: Mapping[tuple[str, ...], int], scores: Mapping[str, float], n_merges: int
) -> list[str]:
    """Continue the training of a BPE model on another corpus.

    Purason et al. 2025 (arXiv:2512.03989): tokens taken over from a second model would partly be
    unreachable, because the merges that lead to them are missing from the first model. Here each
    new token is the merge of two existing ones.

    As in SentencePiece's trainer, a token consists of letters of one script, of digits or of other
    characters, and can contain a space only at its start.

    Args:
        words: Counts of words, split as the model splits them; a character without a token is a
            symbol of its own.
        scores: Scores of the model's tokens, single characters included.
        n_merges: Maximum number of new tokens; fewer are learned if no pair occurs twice.
    Returns:
        The new tokens in the order of their merges, which follow all of the model's.
    """
    counts = _PairCounts(words, dict(scores))
    learned = []
    while len(learned) < n_merges and (token := counts.most_frequent()) is not None:
        counts.merge(token)
        learned.append(token)
    return learned


class _PairCounts:
    """Words as lists of symbols, and the number of adjacent pairs that would form each token."""

    def __init__(self, words: Mapping[tuple[str, ...], int], scores: dict[str, float]) -> None:
        self.words = [list(word) for word in words]
        self.n_times = list(words.values())
        self.scores = scores
        self.merged = _MergedPairs(scores)
        self.next_score = min(scores.values(), default=0.0) - 1
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.words_with: defaultdict[str, set[int]] = defaultdict(set)
        for index in range(len(self.words)):
            self._count(index, 1)
        self.queue = [(-count, token) for token, count in self.counts.items()]
        heapq.heapify(self.queue)

    def most_frequent(self) -> str | None:
        """Return the most frequent candidate; of equally frequent ones, the first by code point."""
        while self.queue:
            count, token = heapq.heappop(self.queue)
            current = self.counts.get(token, 0)
            # A stale entry of the queue has another count than the current one.
            if current == -count and current >= _MIN_COUNT:
                return token
        return None

    def merge(self, token: str) -> None:
        """Add a token, merging it wherever it occurs."""
        self.scores[token] = self.next_score
        self.next_score -= 1
        changed: set[str] = set()
        for index in sorted(self.words_with[token]):
            changed |= self._count(index, -1)
            # All merges in order: a new one can enable one that the model already had.
            apply_merges(self.words[index], self.scores)
            changed |= self._count(index, 1)
        for neighbor in changed:
            if self.counts[neighbor]:
                heapq.heappush(self.queue, (-self.counts[neighbor], neighbor))
            else:
                del self.counts[neighbor], self.words_with[neighbor]

    def _count(self, index: int, sign: int) -> set[str]:
        """Add or subtract the candidates of a word; returns them."""
        candidates = [token for pair in pairwise(self.words[index]) if (token := self.merged[pair])]
        for token in candidates:
            self.counts[token] += sign * self.n_times[index]
            if sign > 0:
                self.words_with[token].add(index)
            else:
                self.words_with[token].discard(index)
        return set(candidates)


def apply_merges(symbols: list[str], scores: Mapping[str, float]) -> list[str]:
    """Apply all merges of a BPE model, in place.

    Args:
        symbols: Characters or tokens of a word.
        scores: Scores of the model's tokens; of equal ones, the leftmost pair is merged first.
    Returns:
        The tokens that were formed, in the order of the merges.
    """
    formed = []
    while True:
        possible = [
            (-scores[a + b], i) for i, (a, b) in enumerate(pairwise(symbols)) if a + b in scores
        ]
        if not possible:
            return formed
        _, i = min(possible)
        symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]
        formed.append(symbols[i])


class _MergedPairs(dict[tuple[str, str], str]):
    """Caches the token that two symbols form; empty if they cannot be merged."""

    def __init__(self, known: Mapping[str, float]) -> None:
        super().__init__()
        self.known = known

    def __missing__(self, pair: tuple[str, str]) -> str:
        self[pair] = "".join(pair) if _can_merge(*pair, self.known) else ""
        return self[pair]


def _can_merge(a: str, b: str, known: Mapping[str, float]) -> bool:
    if (
        a not in known
        or b not in known
        or len(a) + len(b) > MAX_TOKEN_LENGTH
        or b.startswith(WORD_BOUNDARY)
    ):
        return False
    return a == WORD_BOUNDARY or _char_class(a.removeprefix(WORD_BOUNDARY)) == _char_class(b)


@cache
def _char_class(symbol: str) -> str:
    """Return "digits", "other" or the script of the symbol's letters.

    Combining marks take the class of the character before them; only marks are "other".
    """
    for char in reversed(symbol):
        category = unicodedata.category(char)[0]
        if category == "N":
            return "digits"
        if category != "L" and category != "M":
            return "other"
        script = unicodedata.name(char, "?").split()[0]
        if script != "COMBINING":
            # Japanese words mix these.
            return (
                "han" if script in ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA") else script
            )
    return "other"
