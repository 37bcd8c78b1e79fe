"""How corpora use vocabularies: counts of tokens, and comparisons of two tokenizers."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from mtkit.config.data import CorpusSource, DataConfig, corpus_name
from mtkit.corpus.read.pairs import read_pair_chunks
from mtkit.io.progress import progress
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.tags import split_tags

_CHUNK_SIZE = 5_000


def count_tokens(
    data: DataConfig, tokenizer: Tokenizer
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the tokens of both sides of all training corpora, as their text is.

    Args:
        data: The corpora; validation and test sets are not read.
        tokenizer: Splits the texts.
    Returns:
        Number of occurrences of each source token, shape (src_vocab_size,), and of each target
        token, shape (tgt_vocab_size,).
    Raises:
        MtkitError: A corpus cannot be read.
    """
    counts = tuple(np.zeros(side.vocab_size, np.int64) for side in (tokenizer.src, tokenizer.tgt))
    for source in data.train:
        for sides in _read_sides(source, data, "Counting subwords"):
            for texts, side, counts_V in zip(
                sides, (tokenizer.src, tokenizer.tgt), counts, strict=True
            ):
                ids = [token_id for row in _encode(side, texts) for token_id in row]
                counts_V += np.bincount(ids or [0], minlength=side.vocab_size) * bool(ids)
    return counts[0], counts[1]


class SplitComparison(NamedTuple):
    """The pairs of a corpus, split by two tokenizers, before and after a change."""

    name: str
    n_pairs: int
    n_changed: int
    """Number of pairs that are split into other tokens than before."""
    n_tokens: tuple[int, int]
    """Number of tokens of both sides, before and after."""
    n_unknown: tuple[int, int]
    """Number of pairs with an unknown token, before and after."""

    @classmethod
    def of(
        cls, source: CorpusSource, data: DataConfig, before: Tokenizer, after: Tokenizer
    ) -> Self:
        """Compare two tokenizers on a corpus.

        Raises:
            MtkitError: The corpus cannot be read.
        """
        sides = [
            (_Splitter(old), _Splitter(new))
            for old, new in ((before.src, after.src), (before.tgt, after.tgt))
        ]
        n_pairs = n_changed = 0
        n_tokens, n_unknown = [0, 0], [0, 0]
        for texts in _read_sides(source, data, "Comparing subwords"):
            n_pairs += len(texts[0])
            is_changed = np.zeros(len(texts[0]), np.bool_)
            is_unknown = [is_changed.copy(), is_changed.copy()]
            for side_texts, splitters in zip(texts, sides, strict=True):
                rows = [splitter.split(side_texts) for splitter in splitters]
                is_changed |= [old != new for old, new in zip(*rows, strict=True)]
                for i, splitter in enumerate(splitters):
                    n_tokens[i] += sum(map(len, rows[i]))
                    is_unknown[i] |= [splitter.unk in row for row in rows[i]]
            n_changed += int(is_changed.sum())
            n_unknown = [n + int(has.sum()) for n, has in zip(n_unknown, is_unknown, strict=True)]
        return cls(
            corpus_name(source),
            n_pairs,
            n_changed,
            (n_tokens[0], n_tokens[1]),
            (n_unknown[0], n_unknown[1]),
        )


class _Splitter:
    """Splits texts into tokens, an unknown one being the text of UNK."""

    def __init__(self, subword: Subword) -> None:
        self.subword = subword
        self.texts = subword.token_texts
        self.unk = self.texts[subword.special.unk]

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        return [[self.texts[i] for i in row] for row in _encode(self.subword, texts)]


def _read_sides(
    source: CorpusSource, data: DataConfig, title: str
) -> Iterator[tuple[list[str], list[str]]]:
    """Yield sources and targets of a corpus in chunks."""
    with progress(title, unit="pairs") as bar:
        for _, pairs in read_pair_chunks(source, data, _CHUNK_SIZE):
            yield [pair.src for pair in pairs], [pair.tgt for pair in pairs]
            bar.advance(len(pairs))


def _encode(subword: Subword, texts: Sequence[str]) -> list[list[int]]:
    """Encode texts without the tags that they begin with."""
    return subword.encode([split_tags(text, subword.user_symbols)[1] for text in texts])
