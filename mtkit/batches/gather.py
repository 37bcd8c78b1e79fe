"""The ids of a batch, from the store."""

from typing import NamedTuple, Protocol

import numpy as np

from mtkit.batches.bucketing import Indices
from mtkit.batches.concatenate import PairConcatenator
from mtkit.batches.position import Position
from mtkit.corpus.sentence_pair import Side
from mtkit.corpus.store.ragged_ids import RaggedIds


class SupportsGather(Protocol):
    """What is asked of a token store here."""

    def gather(self, side: Side, rows: Indices, /) -> RaggedIds: ...


class BatchRows(NamedTuple):
    """The pairs of one batch."""

    rows: Indices
    """Places in the store. Shape (B,)."""
    partners: Indices
    """Pairs that are joined to the end of these; -1 for none. Shape (B,)."""
    n_tags: Indices
    """Ids before each source that are tags. Shape (B,)."""
    position: Position
    """Of this batch."""


def gather_pairs(
    store: SupportsGather, chosen: BatchRows, concatenator: PairConcatenator | None = None
) -> tuple[RaggedIds, RaggedIds]:
    """Sources and targets of a batch.

    Args:
        store: Where the ids are.
        chosen: Which.
        concatenator: Joins pairs; needed where there are partners.
    """
    src, tgt = store.gather("src", chosen.rows), store.gather("tgt", chosen.rows)
    joined = np.flatnonzero(chosen.partners >= 0)
    if concatenator is None or not len(joined):
        return src, tgt
    partners = chosen.partners[joined]
    src_rows, tgt_rows = src.rows(), tgt.rows()
    for i, src_ids, tgt_ids in zip(
        joined.tolist(),
        store.gather("src", partners).rows(),
        store.gather("tgt", partners).rows(),
        strict=True,
    ):
        src_rows[i] = concatenator.src(src_rows[i], src_ids, int(chosen.n_tags[i]))
        tgt_rows[i] = concatenator.tgt(tgt_rows[i], tgt_ids)
    return RaggedIds.from_rows(src_rows), RaggedIds.from_rows(tgt_rows)
