"""Gathering: what the store holds, with joined pairs as one and rewritten ones in their place."""

import numpy as np

from mtkit.batches.gather import Chosen, gather
from mtkit.batches.maker import BatchMaker
from mtkit.batches.merging import Joiner
from mtkit.batches.position import START, Position
from mtkit.corpus.sentences import Sentences, places_of
from tests.batches.store import SRC_SPECIAL, TGT_SPECIAL, ListStore

TAG = 90
STORE = ListStore([([TAG, 10, 11], [20]), ([TAG, 12], [21, 22]), ([TAG, 13], [23])])


def chosen(rows, partners, n_tags=1, position=START):
    return Chosen(np.array(rows), np.array(partners), np.full(len(rows), n_tags), position)


def test_sentences_are_rows_one_after_the_other():
    sentences = Sentences.of([np.array([1, 2]), np.array([], dtype=int), np.array([3])])
    assert sentences.ids.tolist() == [1, 2, 3]
    assert [row.tolist() for row in sentences.rows()] == [[1, 2], [], [3]]
    assert places_of(np.array([7, 3, 0]), np.array([2, 0, 3])).tolist() == [7, 8, 0, 1, 2]


def test_a_joined_pair_has_its_tags_once(tiny_tokenizer):
    joiner = Joiner(tiny_tokenizer, ("de", "en"))
    src, tgt = gather(STORE, chosen([2, 0, 1], [-1, 1, 0]), joiner)
    assert [row.tolist() for row in src.rows()] == [[TAG, 13], [TAG, 10, 11, 12], [TAG, 12, 10, 11]]
    assert [row.tolist() for row in tgt.rows()] == [[23], [20, 21, 22], [21, 22, 20]]


def test_a_rewriter_is_given_the_batch_s_place_and_tags():
    seen = []

    class Doubler:
        def rewrite(self, src_rows, tgt_rows, n_tags, position):
            seen.append((n_tags, position))
            return [np.concatenate([row, row[n:]]) for row, n in zip(src_rows, n_tags, strict=True)], tgt_rows

    maker = BatchMaker(STORE, SRC_SPECIAL, TGT_SPECIAL, rewriter=Doubler())  # pyright: ignore[reportArgumentType]
    arrays, after = maker((chosen([1, 0], [-1, -1], position=Position(2, 1, 7)), Position(2, 1, 8)))
    assert seen == [([1, 1], (2, 1, 7))]
    assert after == (2, 1, 8)
    assert arrays.src.tolist() == [[TAG, 12, 12, 3, 0, 0], [TAG, 10, 11, 10, 11, 3]]
    assert arrays.src.dtype == np.int32
