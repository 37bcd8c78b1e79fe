"""Sentences split into other pieces, drawn at random.

SentencePiece can do that too, but since its version 0.2.2 a seed holds within one process only, so that training could not be resumed as it would
have gone on.
"""

import math
from collections.abc import Sequence
from functools import partial
from itertools import accumulate, pairwise
from random import Random
from typing import Any

from mtkit.tokenizer.bpe_dropout import BpeDropout
from mtkit.tokenizer.normalize import WORD_BOUNDARY
from mtkit.tokenizer.scored_vocab import ScoredVocab, UniformDraw
from mtkit.tokenizer.subword import Subword
from mtkit.tokenizer.unigram_lattice import UnigramLattice, sample_index

_MAX_CACHE_BYTES = 100_000_000
"""Memory for new words until those that did not come again in the meantime are forgotten: so twice as much at most."""
_MAX_CACHED_LENGTH = 50
"""Words of more characters are not remembered: without spaces they are whole sentences, which do not come again."""


class SubwordSampler:
    """Splits sentences anew, word by word, since no piece reaches across a space.

    Args:
        subword: The vocabulary.
        dropout: Of a BPE model, see `BpeDropout`.
        alpha: Of a unigram model, see `UnigramLattice`.
        n_best: With alpha: draw from this many most probable ways to split the sentence; -1 from all, which is much faster.
    """

    def __init__(
        self,
        subword: Subword,
        *,
        dropout: float = 0.0,
        alpha: float | None = None,
        n_best: int = -1,
    ) -> None:
        if (dropout > 0) == (alpha is not None):
            raise ValueError("give either dropout, for a BPE model, or alpha, for a unigram one")
        self._subword, self._alpha, self._n_best = subword, alpha, n_best
        self._copy = partial(SubwordSampler, dropout=dropout, alpha=alpha, n_best=n_best)
        pieces = subword.entries()
        self._scores = [piece.score for piece in pieces]
        text_ids = {piece.text: i for i, piece in enumerate(pieces) if piece.kind == "text"}
        byte_ids = [i for i, piece in enumerate(pieces) if piece.kind == "byte"]
        vocabulary = ScoredVocab(text_ids, self._scores, byte_ids, subword.special.unk)
        self._segmenter = (
            BpeDropout(vocabulary, dropout) if alpha is None else UnigramLattice(vocabulary, alpha)
        )
        self._bytes_of = {i: text.encode() for text, i in text_ids.items()} | {
            i: bytes([byte]) for byte, i in enumerate(byte_ids)
        }
        # A vocabulary made elsewhere may have pieces of several words; then the sentence counts as one.
        has_phrases = any(WORD_BOUNDARY in text[1:] for text in text_ids)
        heads = (
            set()
            if has_phrases
            else {i for text, i in text_ids.items() if text.startswith(WORD_BOUNDARY)}
        )
        self._unsplit_ids = frozenset(
            i for i, piece in enumerate(pieces) if piece.kind in ("symbol", "special")
        )
        self._word_starts = self._unsplit_ids | heads
        self._words: dict[tuple[int, ...], Any] = {}
        self._older_words: dict[tuple[int, ...], Any] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """How it travels to another process: without what it remembers."""
        return self._copy, (self._subword,)

    def sample(self, rows: Sequence[Sequence[int]], seed: int) -> list[list[int]]:
        """Split sentences anew. Equal arguments give equal ids, in any process.

        Args:
            rows: Ids of each. Symbols that are never split stay; so does a sentence that holds UNK.
            seed: Of all draws.
        """
        chance = Random(seed).random
        one = self._sample_words if self._n_best < 0 else self._sample_n_best
        return [list(row) if self._subword.special.unk in row else one(row, chance) for row in rows]

    def _sample_words(self, row: Sequence[int], chance: UniformDraw) -> list[int]:
        heads, fixed, ways = self._word_starts, self._unsplit_ids, self._segmenter
        begins = [
            i for i, piece_id in enumerate(row) if not i or piece_id in heads or row[i - 1] in fixed
        ]
        ids: list[int] = []
        for begin, end in pairwise([*begins, len(row)]):
            key = tuple(row[begin:end])
            if key[0] in fixed:
                ids += key
            else:
                ids += ways.sample(self._words.get(key) or self._prepared_word(key), chance)
        return ids

    def _prepared_word(self, key: tuple[int, ...]) -> Any:
        """Where drawing a word's pieces begins."""
        start = self._older_words.get(key)
        if start is None:
            # Bytes that make no character come from a model; they stay what they are.
            word = b"".join(self._bytes_of[i] for i in key).decode(errors="surrogateescape")
            start = self._segmenter.prepare(word)
            if len(word) > _MAX_CACHED_LENGTH:
                return start
        if self._segmenter.cache_bytes > _MAX_CACHE_BYTES:
            self._words, self._older_words, self._segmenter.cache_bytes = {}, self._words, 0
        self._words[key] = start
        return start

    def _sample_n_best(self, row: Sequence[int], chance: UniformDraw) -> list[int]:
        assert self._alpha is not None
        (text,) = self._subword.decode([row], n_threads=1)
        ways = self._subword.encode_n_best(text, self._n_best)
        log_probs = [self._alpha * sum(self._scores[i] for i in way) for way in ways]
        return ways[
            sample_index(
                list(accumulate(math.exp(log_prob - max(log_probs)) for log_prob in log_probs)),
                chance,
            )
        ]
