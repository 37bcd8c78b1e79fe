"""Finished parts to one token store, without duplicates."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtkit.corpus.clean.duplicates import find_duplicates
from mtkit.corpus.clean.pair_cleaner import Dropped
from mtkit.corpus.store.shards import KEYS_NAME, PartId, Parts, PreparedPairs
from mtkit.corpus.store.token_store import StoreWriter
from mtkit.io.progress import progress
from mtkit.tokenizer.subword import Tokenizer


def merge_parts(
    parts: Parts,
    part_ids: Sequence[PartId],
    writer: StoreWriter,
    tokenizer: Tokenizer,
    dropped: Mapping[int, Dropped],
) -> dict[int, int]:
    """Join parts, in their order, into a store; of equal pairs the first stays.

    Args:
        parts: Where the parts are.
        part_ids: All parts of the training corpora, in order.
        writer: Of an empty store.
        tokenizer: Turns duplicates back into text, for the samples.
        dropped: Where duplicates are counted, by the corpus' place in data.train.
    Returns:
        How many pairs were kept of each corpus, by its place in data.train.
    """
    n_kept = {part.corpus: 0 for part in part_ids}
    first = 0
    with (
        _duplicates(parts, part_ids) as is_duplicate,
        progress("Joining", len(part_ids), "parts") as bar,
    ):
        for part in part_ids:
            pairs = parts.read(part)
            is_repeat = is_duplicate[first : first + len(pairs)]
            first += len(pairs)
            if is_repeat.any():
                repeats = pairs.select(is_repeat)
                _count(repeats, tokenizer, dropped[part.corpus])
                pairs = pairs.select(~is_repeat)
            writer.append_arrays(*pairs.arrays(), pairs.links)
            n_kept[part.corpus] += len(pairs)
            bar.advance()
    return n_kept


@contextmanager
def _duplicates(parts: Parts, part_ids: Sequence[PartId]) -> Iterator[NDArray[np.bool_]]:
    """Which pairs were there before, counted through all parts; none where the parts have no keys."""
    with tempfile.TemporaryDirectory(prefix="duplicates-", dir=parts.folder) as folder:
        yield find_duplicates([parts.path(part) / KEYS_NAME for part in part_ids], Path(folder))


def _count(repeats: PreparedPairs, tokenizer: Tokenizer, dropped: Dropped) -> None:
    n_samples = dropped.n_wanted("duplicate")
    src, tgt = (
        subword.decode(
            [ids.tolist() for ids in np.split(ids, np.cumsum(lengths)[:n_samples])[:n_samples]]
        )
        for subword, ids, lengths in (
            (tokenizer.src, repeats.src_ids, repeats.src_lengths),
            (tokenizer.tgt, repeats.tgt_ids, repeats.tgt_lengths),
        )
    )
    for src_text, tgt_text in zip(src, tgt, strict=True):
        dropped.add("duplicate", None, src_text, tgt_text)
    dropped.counts["duplicate"] += len(repeats) - len(src)
