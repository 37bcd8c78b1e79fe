"""Further merges for a trained BPE model, learned from where its own end."""

import heapq
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from itertools import pairwise

from mtkit.tokenizer.normalize import WORD_BOUNDARY

MAX_TOKEN_LENGTH = 16
"""Characters of a piece at most, as in SentencePiece's trainer."""
_MIN_COUNT = 2


def learn_merges(
    words: Mapping[tuple[str, ...], int], scores: Mapping[str, float], n_merges: int
) -> list[str]:
    """Go on with the training of a BPE model on another corpus.

    Purason et al. 2025 (arXiv:2512.03989): the pieces of a second model would in part never come out, because the merges that lead to them are not
    among the first model's. Here each new piece is made of two that there are.

    As in SentencePiece's trainer, a piece is of letters of one script, of digits, or of other signs, and a space only begins one.

    Args:
        words: Words as the model splits them, and how often each comes; a character without a piece is apart.
        scores: Of the model's pieces, single characters included.
        n_merges: So many new pieces at most; fewer when nothing comes twice any more.
    Returns:
        The new pieces in the order of their merges, which come after all of the model's.
    """
    corpus = _PairCounts(words, dict(scores))
    learned = []
    while len(learned) < n_merges and (piece := corpus.most_frequent()) is not None:
        corpus.merge(piece)
        learned.append(piece)
    return learned


class _PairCounts:
    """Words, and how often two neighbours in them would make each piece."""

    def __init__(self, words: Mapping[tuple[str, ...], int], scores: dict[str, float]) -> None:
        self.words = [list(word) for word in words]
        self.n_times = list(words.values())
        self.scores = scores
        self.merged = _MergedPairs(scores)
        self.next_score = min(scores.values(), default=0.0) - 1
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.words_with: defaultdict[str, set[int]] = defaultdict(set)
        for place in range(len(self.words)):
            self._count(place, 1)
        self.queue = [(-count, piece) for piece, count in self.counts.items()]
        heapq.heapify(self.queue)

    def most_frequent(self) -> str | None:
        """What comes most often; of equals the first by its letters."""
        while self.queue:
            count, piece = heapq.heappop(self.queue)
            now = self.counts.get(piece, 0)
            if now == -count and now >= _MIN_COUNT:
                return piece
        return None

    def merge(self, piece: str) -> None:
        """Make it a piece wherever it can be made."""
        self.scores[piece] = self.next_score
        self.next_score -= 1
        changed: set[str] = set()
        for place in sorted(self.words_with[piece]):
            changed |= self._count(place, -1)
            self._apply_merges(self.words[place])
            changed |= self._count(place, 1)
        for neighbour in changed:
            if self.counts[neighbour]:
                heapq.heappush(self.queue, (-self.counts[neighbour], neighbour))
            else:
                del self.counts[neighbour], self.words_with[neighbour]

    def _count(self, place: int, sign: int) -> set[str]:
        joined = [piece for pair in pairwise(self.words[place]) if (piece := self.merged[pair])]
        for piece in joined:
            self.counts[piece] += sign * self.n_times[place]
            if sign > 0:
                self.words_with[piece].add(place)
            else:
                self.words_with[piece].discard(place)
        return set(joined)

    def _apply_merges(self, symbols: list[str]) -> None:
        """Make all merges in their order: the new one may make room for one that the model knew."""
        while True:
            found = [
                (-self.scores[a + b], i)
                for i, (a, b) in enumerate(pairwise(symbols))
                if a + b in self.scores
            ]
            if not found:
                return
            _, i = min(found)
            symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]


class _MergedPairs(dict[tuple[str, str], str]):
    """What comes of two neighbours; empty where they may not be merged."""

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
def _char_class(piece: str) -> str:
    """What its characters are: digits, signs, or letters of a script; of combining marks alone that of any letter before them is meant."""
    for char in reversed(piece):
        category = unicodedata.category(char)[0]
        if category == "N":
            return "digits"
        if category != "L" and category != "M":
            return "signs"
        script = unicodedata.name(char, "?").split()[0]
        if script != "COMBINING":
            # Japanese words mix these.
            return (
                "han" if script in ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA") else script
            )
    return "signs"
