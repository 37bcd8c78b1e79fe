"""Which pieces of the target translate a piece of the source, learned from the pairs of a token store.

IBM model 1 (Brown et al. 1993) with a fixed preference for the diagonal, as in fast_align (Dyer et al. 2013): each target piece comes of one source
piece of its pair, or of none, and expectation maximisation learns of which.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtkit.corpus.store.ragged_ids import RaggedIds, range_indices
from mtkit.corpus.store.token_store import TokenStore
from mtkit.io.progress import progress

_DIAGONAL = 4.0
"""The probability of a link falls by exp(-4) from the diagonal to the far corner; about what fast_align learns."""
_NO_SOURCE = 0.08
"""Of a target piece that comes of no source piece; fast_align's value."""
_CHUNK_LINKS = 1 << 20
"""Possible links looked at together; they take some 80 MB."""
_MAX_ENTRIES = 1 << 25
"""Pairs of pieces that are kept; the rarest go first. They take some 1 GB."""


class PieceTranslations(NamedTuple):
    """Probabilities of target pieces given a source piece, row by row, the most probable first."""

    offsets: NDArray[np.int64]
    """Where the row of each source piece begins, and where the last one ends. Shape (src_vocab_size + 1,)."""
    tgt_ids: NDArray[np.int64]
    """Shape (n,)."""
    probabilities: NDArray[np.float64]
    """Shape (n,)."""


class _Links(NamedTuple):
    """Everything that may be linked in some pairs."""

    keys: NDArray[np.int64]
    """Source piece times the target's vocabulary size, plus target piece. Shape (L,)."""
    tokens: NDArray[np.int64]
    """The target token that it explains, counted through the pairs. Shape (L,)."""
    priors: NDArray[np.float64]
    """Shape (L,)."""


def learn_translations(
    store: TokenStore,
    src_vocab_size: int,
    tgt_vocab_size: int,
    n_iterations: int = 4,
    max_pairs: int = 1_000_000,
) -> PieceTranslations:
    """Learn the probable translations of each source piece, in memory that does not grow with the corpus.

    Args:
        store: The pairs.
        src_vocab_size: Pieces of the source.
        tgt_vocab_size: Pieces of the target.
        n_iterations: Passes over the pairs.
        max_pairs: Of a larger corpus so many are looked at, drawn evenly from all of it.
    """
    rows = np.unique(np.linspace(0, len(store) - 1, min(len(store), max_pairs)).astype(np.int64))
    keys, probabilities = np.empty(0, np.int64), np.empty(0)
    with progress("Aligning pieces", n_iterations * len(rows), "pairs") as bar:
        for iteration in range(n_iterations):
            counts = np.zeros(len(keys))
            for chunk in _chunks(store, rows):
                links = _links(
                    store.gather("src", chunk),
                    store.gather("tgt", chunk),
                    src_vocab_size,
                    tgt_vocab_size,
                )
                unique, inverse = np.unique(links.keys, return_inverse=True)
                if iteration == 0:
                    expected = np.bincount(inverse, _posteriors(links, links.priors)).astype(
                        np.float64
                    )
                    keys, counts = _merged(keys, counts, unique, expected)
                else:
                    places = np.minimum(np.searchsorted(keys, unique), len(keys) - 1)
                    is_known = keys[places] == unique
                    weights = np.where(is_known, probabilities[places], 0.0)[inverse] * links.priors
                    counts[places[is_known]] += np.bincount(inverse, _posteriors(links, weights))[
                        is_known
                    ]
                bar.advance(len(chunk))
            totals = np.bincount(keys // tgt_vocab_size, counts, minlength=src_vocab_size + 1)
            probabilities = counts / np.maximum(totals, 1e-300)[keys // tgt_vocab_size]
    return _ranked(keys, probabilities, src_vocab_size, tgt_vocab_size)


def _chunks(store: TokenStore, rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """The rows in stretches with a bounded number of links, at least one each."""
    for first in range(0, len(rows), 1 << 16):
        stretch = rows[first : first + (1 << 16)]
        n_links = np.cumsum((store.lengths("src", stretch) + 1) * store.lengths("tgt", stretch))
        yield from np.split(stretch, np.flatnonzero(np.diff(n_links // _CHUNK_LINKS)) + 1)


def _links(src: RaggedIds, tgt: RaggedIds, src_vocab_size: int, tgt_vocab_size: int) -> _Links:
    # Before each source stands the piece that is none.
    src_lengths = src.lengths + 1
    src_starts = np.cumsum(src_lengths) - src_lengths
    src_ids = np.full(int(src_lengths.sum()), src_vocab_size, np.int64)
    src_ids[range_indices(src_starts + 1, src.lengths)] = src.ids
    n_links = np.repeat(src_lengths, tgt.lengths)
    starts = np.repeat(src_starts, tgt.lengths)
    places = range_indices(starts, n_links)
    tokens = np.repeat(np.arange(len(tgt.ids)), n_links)
    keys = src_ids[places] * tgt_vocab_size + tgt.ids.astype(np.int64)[tokens]

    positions = places - starts[tokens]
    tgt_starts = np.cumsum(tgt.lengths) - tgt.lengths
    tgt_shares = (range_indices(np.zeros_like(tgt_starts), tgt.lengths) + 0.5) / np.repeat(
        tgt.lengths, tgt.lengths
    )
    src_shares = (positions - 0.5) / np.maximum(n_links - 1, 1)[tokens]
    nearness = np.where(
        positions > 0, np.exp(-_DIAGONAL * np.abs(src_shares - tgt_shares[tokens])), 0.0
    )
    sums = np.bincount(tokens, nearness, minlength=len(tgt.ids))
    priors = np.where(
        positions > 0, (1 - _NO_SOURCE) * nearness / np.maximum(sums, 1e-300)[tokens], _NO_SOURCE
    )
    return _Links(keys, tokens, priors)


def _posteriors(links: _Links, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """How probable each link is among those of its target token."""
    totals = np.bincount(links.tokens, weights)
    return weights / np.maximum(totals, 1e-300)[links.tokens]


def _merged(
    keys: NDArray[np.int64],
    counts: NDArray[np.float64],
    more_keys: NDArray[np.int64],
    more_counts: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    joined, inverse = np.unique(np.concatenate((keys, more_keys)), return_inverse=True)
    sums = np.bincount(inverse, np.concatenate((counts, more_counts))).astype(np.float64)
    if len(joined) > _MAX_ENTRIES:
        is_kept = sums > np.partition(sums, len(sums) // 2)[len(sums) // 2]
        return joined[is_kept], sums[is_kept]
    return joined, sums


def _ranked(
    keys: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    src_vocab_size: int,
    tgt_vocab_size: int,
) -> PieceTranslations:
    is_piece = (keys // tgt_vocab_size < src_vocab_size) & (probabilities > 0)
    keys, probabilities = keys[is_piece], probabilities[is_piece]
    # Of equally probable ones the lower id comes first, so that the same corpus gives the same lists.
    order = np.lexsort((keys, -probabilities, keys // tgt_vocab_size))
    keys, probabilities = keys[order], probabilities[order]
    offsets = np.searchsorted(keys // tgt_vocab_size, np.arange(src_vocab_size + 1))
    return PieceTranslations(offsets, keys % tgt_vocab_size, probabilities)
