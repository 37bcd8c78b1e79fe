"""Subword regularization: split sentences into different subwords, drawn at random.

SentencePiece can sample too, but since its version 0.2.2 a seed is valid within one process only,
so a resumed run would see different splits than an uninterrupted one.
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
"""Memory of one generation of cached words. Words that were not used since the last change of
generation are dropped, so that the cache has twice this size at most."""
_MAX_CACHED_LENGTH = 50
"""Longer words are not cached: without spaces, they are whole sentences, which rarely recur."""


class SubwordSampler:
    """Splits sentences at random, word by word, since no token crosses a space.

    Args:
        subword: The vocabulary.
        dropout: Probability of leaving out a merge of a BPE model; see `BpeDropout`.
        alpha: Exponent of the probabilities of a unigram model; see `UnigramLattice`.
        n_best: With alpha: draw from this many best splits of the sentence. -1 draws from all
            splits, which is much faster.
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
            raise ValueError("give either dropout, for a BPE model, or alpha, for a unigram model")
        self._subword, self._alpha, self._n_best = subword, alpha, n_best
        self._copy = partial(SubwordSampler, dropout=dropout, alpha=alpha, n_best=n_best)
        entries = subword.entries()
        self._scores = [entry.score for entry in entries]
        text_ids = {entry.text: i for i, entry in enumerate(entries) if entry.kind == "text"}
        byte_ids = [i for i, entry in enumerate(entries) if entry.kind == "byte"]
        vocab = ScoredVocab(text_ids, self._scores, byte_ids, subword.special.unk)
        self._segmenter = (
            BpeDropout(vocab, dropout) if alpha is None else UnigramLattice(vocab, alpha)
        )
        self._bytes_of = {i: text.encode() for text, i in text_ids.items()} | {
            i: bytes([byte]) for byte, i in enumerate(byte_ids)
        }
        self._unsplit_ids = frozenset(
            i for i, entry in enumerate(entries) if entry.kind in ("symbol", "special", "unused")
        )
        self._word_starts = self._unsplit_ids
        # A vocabulary from elsewhere may have tokens that span several words. The sentence is then
        # treated as one word.
        if not any(WORD_BOUNDARY in text[1:] for text in text_ids):
            self._word_starts |= {
                i for text, i in text_ids.items() if text.startswith(WORD_BOUNDARY)
            }
        self._words: dict[tuple[int, ...], Any] = {}
        self._older_words: dict[tuple[int, ...], Any] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the cache."""
        return self._copy, (self._subword,)

    def sample(self, rows: Sequence[Sequence[int]], seed: int) -> list[list[int]]:
        """Split sentences at random. Equal arguments result in equal ids, in any process.

        Args:
            rows: Ids of each sentence. Symbols that are never split stay as they are, and so do
                sentences that contain UNK.
            seed: Seed of all draws.
        """
        uniform = Random(seed).random
        sample = self._sample_words if self._n_best < 0 else self._sample_n_best
        unk = self._subword.special.unk
        return [list(row) if unk in row else sample(row, uniform) for row in rows]

    def _sample_words(self, row: Sequence[int], uniform: UniformDraw) -> list[int]:
        word_starts, unsplit_ids, segmenter = self._word_starts, self._unsplit_ids, self._segmenter
        begins = [
            i
            for i, token_id in enumerate(row)
            if not i or token_id in word_starts or row[i - 1] in unsplit_ids
        ]
        ids: list[int] = []
        for begin, end in pairwise([*begins, len(row)]):
            key = tuple(row[begin:end])
            if key[0] in unsplit_ids:
                ids += key
            else:
                ids += segmenter.sample(self._words.get(key) or self._prepare_word(key), uniform)
        return ids

    def _prepare_word(self, key: tuple[int, ...]) -> Any:
        """Return what the segmenter samples from, from the older cache or computed."""
        prepared = self._older_words.get(key)
        if prepared is None:
            # A model may have produced bytes that are not valid UTF-8; they are kept.
            word = b"".join(self._bytes_of[i] for i in key).decode(errors="surrogateescape")
            prepared = self._segmenter.prepare(word)
            if len(word) > _MAX_CACHED_LENGTH:
                return prepared
        if self._segmenter.cache_bytes > _MAX_CACHE_BYTES:
            self._words, self._older_words, self._segmenter.cache_bytes = {}, self._words, 0
        self._words[key] = prepared
        return prepared

    def _sample_n_best(self, row: Sequence[int], uniform: UniformDraw) -> list[int]:
        assert self._alpha is not None
        (text,) = self._subword.decode([row], n_threads=1)
        splits = self._subword.encode_n_best(text, self._n_best)
        log_probs = [self._alpha * sum(self._scores[i] for i in split) for split in splits]
        largest = max(log_probs)
        weights = (math.exp(log_prob - largest) for log_prob in log_probs)
        return splits[sample_index(list(accumulate(weights)), uniform)]
