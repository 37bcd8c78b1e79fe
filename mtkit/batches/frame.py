"""Ids as padded arrays with their marks, without torch, so that a worker process starts at once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtkit.corpus.sentences import Sentences
from mtkit.special import SpecialIds


class Arrays(NamedTuple):
    """A batch as arrays in int32, see `mtkit.batches.collate.Batch`."""

    src: NDArray[np.int32]
    tgt_in: NDArray[np.int32]
    tgt_out: NDArray[np.int32]
    n_tokens: int


def frame(src: Sentences, tgt: Sentences, src_special: SpecialIds, tgt_special: SpecialIds) -> Arrays:
    """Put the marks around sentences and fill them up to the longest."""
    src_rows, tgt_rows = _framed(src, src_special), _framed(tgt, tgt_special)
    tgt_in = tgt_rows[:, :-1].copy()
    # A row shorter than the longest has its EOS inside tgt_in, where it would pass for a token.
    shorter = np.flatnonzero(tgt.lengths < tgt.lengths.max())
    tgt_in[shorter, tgt.lengths[shorter] + 1] = tgt_special.pad
    return Arrays(src_rows[:, 1:], tgt_in, tgt_rows[:, 1:], int(tgt.lengths.sum()) + len(tgt.lengths))


def _framed(sentences: Sentences, special: SpecialIds) -> NDArray[np.int32]:
    """The sentences as rows BOS, ids, EOS, PAD..."""
    ids, lengths = sentences
    n, width = len(lengths), int(lengths.max()) + 2
    rows = np.full((n, width), special.pad, dtype=np.int32)
    rows[:, 0] = special.bos
    rows[:, 1:][np.arange(1, width) <= lengths[:, None]] = ids
    rows[np.arange(n), lengths + 1] = special.eos
    return rows
