"""Gathering: what the store holds, with joined pairs as one and rewritten ones in their place."""

from itertools import islice

import numpy as np

from mtkit.batches.arrays import START, BatchRows, Position, gather_pairs
from mtkit.batches.build import BatchBuilder
from mtkit.batches.concatenate import PairConcatenator
from mtkit.batches.loader import BatchLoader
from mtkit.batches.online_augment import GROUP_SIZE, RebatchedPairs
from mtkit.corpus.store.ragged_ids import RaggedIds, range_indices
from tests.batches.store import SRC_SPECIAL, TGT_SPECIAL, ListStore, plain_order, random_store

TAG = 90
STORE = ListStore([([TAG, 10, 11], [20]), ([TAG, 12], [21, 22]), ([TAG, 13], [23])])


def chosen(rows, partners, n_tags=1, position=START):
    return BatchRows(np.array(rows), np.array(partners), np.full(len(rows), n_tags), position)


def test_sentences_are_rows_one_after_the_other():
    sentences = RaggedIds.from_rows([np.array([1, 2]), np.array([], dtype=int), np.array([3])])
    assert sentences.ids.tolist() == [1, 2, 3]
    assert [row.tolist() for row in sentences.rows()] == [[1, 2], [], [3]]
    assert range_indices(np.array([7, 3, 0]), np.array([2, 0, 3])).tolist() == [7, 8, 0, 1, 2]


def test_concatenated_pair_has_its_tags_once(tiny_tokenizer):
    concatenator = PairConcatenator(tiny_tokenizer, ("de", "en"))
    src, tgt = gather_pairs(STORE, chosen([2, 0, 1], [-1, 1, 0]), concatenator)
    assert [row.tolist() for row in src.rows()] == [[TAG, 13], [TAG, 10, 11, 12], [TAG, 12, 10, 11]]
    assert [row.tolist() for row in tgt.rows()] == [[23], [20, 21, 22], [21, 22, 20]]


class Reverser:
    """Rewrites a group by turning the order of its batches round."""

    group_size = GROUP_SIZE

    def __init__(self):
        self.seen = []

    def augment_group(self, batches, position):
        self.seen.append(([batch.n_tags for batch in batches], position))
        ends = np.cumsum([len(batch.src) for batch in batches])
        return [
            RebatchedPairs(batch.src, batch.tgt, np.arange(end - len(batch.src), end))
            for batch, end in reversed(list(zip(batches, ends, strict=True)))
        ]


def test_a_rewriter_is_given_groups_with_their_place_and_tags():
    augmenter = Reverser()
    maker = BatchBuilder(STORE, SRC_SPECIAL, TGT_SPECIAL, augmenter=augmenter)  # pyright: ignore[reportArgumentType]
    group = [
        (chosen([1, 0], [-1, -1], position=Position(2, 1, 32)), Position(2, 1, 33)),
        (chosen([2], [-1]), Position(2, 2, 0)),
    ]
    (first, after_first), (second, after_second) = maker(group)
    assert augmenter.seen == [([[1, 1], [1]], (2, 1, 32))]
    assert (after_first, after_second) == (Position(2, 1, 33), Position(2, 2, 0))
    assert first.src.tolist() == [[TAG, 13, 3]]
    assert second.src.tolist() == [[TAG, 12, 3, 0], [TAG, 10, 11, 3]]
    assert first.src.dtype == np.int32


def test_loader_starting_mid_epoch_yields_whole_groups():
    store = random_store(600)
    order = plain_order(store, max_tokens=100, seed=3, window=350)
    n_batches = len(order.window(0, 0).batches)
    assert n_batches > GROUP_SIZE
    assert n_batches % GROUP_SIZE

    def batches(position, n):
        augmenter = Reverser()
        loader = BatchLoader(
            order,
            BatchBuilder(store, SRC_SPECIAL, TGT_SPECIAL, augmenter=augmenter),  # pyright: ignore[reportArgumentType]
        )
        stream = loader.iterate(position)
        made = [(batch.src.tolist(), after) for batch, after in islice(stream, n)]
        stream.close()
        return made, [position for _, position in augmenter.seen]

    whole, positions = batches(START, n_batches + 40)
    assert positions[: len(range(0, n_batches, GROUP_SIZE)) + 1] == [
        *((0, 0, i) for i in range(0, n_batches, GROUP_SIZE)),
        (0, 1, 0),
    ]
    for n in (1, GROUP_SIZE - 1, GROUP_SIZE, n_batches - 1, n_batches, n_batches + 5):
        assert batches(whole[n - 1][1], 30)[0] == whole[n:][:30]
