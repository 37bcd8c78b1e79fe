"""Frequencies of words in a training corpus."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mtkit.corpus.store.token_store import TokenStore
from mtkit.evaluation.words import split_words
from mtkit.io.text import read_lines
from mtkit.tokenizer.subword import Tokenizer

_CHUNK_LINES = 10_000


def count_training_words(path: Path, *, spaces: bool) -> Counter[str]:
    """Count the words of the target side of a training corpus.

    Args:
        path: A text file, or a token store next to the directory of its tokenizer.
        spaces: See `split_words`.
    Raises:
        MtkitError: There is no such file or store, or it is damaged.
    """
    lines = _lines_of_store(path) if path.is_dir() else read_lines(path, what="the training corpus")
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(split_words(line, spaces=spaces))
    return counts


def _lines_of_store(path: Path) -> Iterator[str]:
    store = TokenStore.open(path, check_hashes=False)
    tokenizer = Tokenizer.load(path.parent / "tokenizer").tgt
    for start in range(0, len(store), _CHUNK_LINES):
        rows = np.arange(start, min(start + _CHUNK_LINES, len(store)))
        ids, lengths = store.gather("tgt", rows)
        ends = np.cumsum(lengths)
        yield from tokenizer.decode([part.tolist() for part in np.split(ids, ends[:-1])])
