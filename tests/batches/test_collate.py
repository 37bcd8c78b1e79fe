"""Collating: ids with BOS, EOS and PAD where each belongs."""

import time

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.batches.arrays import pad_batch
from mtkit.batches.bucketing import make_batches
from mtkit.batches.collate import collate
from mtkit.corpus.store.token_store import TokenStore
from mtkit.tokenizer.special_ids import SpecialIds
from tests.batches.store import SRC_SPECIAL, TGT_SPECIAL, ListStore, random_store, write_store


def test_a_batch_by_hand():
    store = ListStore([([10, 11, 12], [20]), ([13], [21, 22]), ([99], [99])])
    batch = collate(store, np.array([1, 0]), SRC_SPECIAL, TGT_SPECIAL)
    assert batch.src.tolist() == [[13, 3, 0, 0], [10, 11, 12, 3]]
    assert batch.tgt_in.tolist() == [[5, 21, 22], [5, 20, 7]]
    assert batch.tgt_out.tolist() == [[21, 22, 4], [20, 4, 7]]
    assert batch.n_tokens == 5


def test_sources_alone_may_be_padded_to_a_multiple():
    store = ListStore([([10, 11, 12], [20]), (list(range(10, 18)), [21, 22])])
    src, tgt = (store.gather(side, np.array([0, 1])) for side in ("src", "tgt"))
    batch = pad_batch(src, tgt, SRC_SPECIAL, TGT_SPECIAL, src_multiple=8)
    assert batch.src.shape == (2, 16) and batch.src[0, 3:].tolist() == [3] + [0] * 12
    assert batch.tgt_in.tolist() == [[5, 20, 7], [5, 21, 22]]


ids = st.lists(st.integers(8, 65_535), max_size=12)


@given(pairs=st.lists(st.tuples(ids, ids), min_size=1, max_size=8), data=st.data())
@settings(max_examples=60)
def test_rows_are_the_sentences(pairs, data):
    rows = data.draw(st.lists(st.integers(0, len(pairs) - 1), min_size=1, max_size=10))
    batch = collate(ListStore(pairs), np.array(rows), SRC_SPECIAL, TGT_SPECIAL)
    pad, eos, bos = TGT_SPECIAL.pad, TGT_SPECIAL.eos, TGT_SPECIAL.bos
    for row, i in enumerate(rows):
        src, tgt = pairs[i]
        assert batch.src[row].tolist() == src + [SRC_SPECIAL.eos] + [SRC_SPECIAL.pad] * (
            batch.src.shape[1] - len(src) - 1
        )
        assert batch.tgt_in[row].tolist() == [bos, *tgt] + [pad] * (
            batch.tgt_in.shape[1] - len(tgt) - 1
        )
        assert batch.tgt_out[row].tolist() == [*tgt, eos] + [pad] * (
            batch.tgt_out.shape[1] - len(tgt) - 1
        )
    for tensor in batch[:3]:
        assert tensor.dtype == torch.int64
        assert tensor.is_contiguous()
    assert batch.n_tokens == int((batch.tgt_out != pad).sum())
    # No column is padding alone.
    assert (batch.src != SRC_SPECIAL.pad).any(0).all()
    assert (batch.tgt_out != pad).any(0).all()


def test_one_id_may_serve_as_both_bos_and_eos():
    special = SpecialIds(pad=1, unk=3, bos=0, eos=0)
    batch = collate(ListStore([([9], [8]), ([9], [8, 9])]), np.array([0, 1]), special, special)
    assert batch.tgt_in.tolist() == [[0, 8, 1], [0, 8, 9]]
    assert batch.tgt_out.tolist() == [[8, 0, 1], [8, 9, 0]]


def test_from_a_store_on_disk(tmp_path):
    in_memory = random_store(50)
    write_store(tmp_path, in_memory)
    indices = np.array([49, 3, 0, 17])
    on_disk = collate(TokenStore.open(tmp_path), indices, SRC_SPECIAL, TGT_SPECIAL)
    expected = collate(in_memory, indices, SRC_SPECIAL, TGT_SPECIAL)
    assert [tensor.tolist() for tensor in on_disk[:3]] == [
        tensor.tolist() for tensor in expected[:3]
    ]
    assert on_disk.n_tokens == expected.n_tokens


def test_to_moves_every_tensor():
    batch = collate(random_store(3), np.arange(3), SRC_SPECIAL, TGT_SPECIAL).to("meta")
    assert [tensor.device.type for tensor in batch[:3]] == ["meta"] * 3
    assert isinstance(batch.n_tokens, int)


def test_a_million_tokens_a_second():
    store = random_store(5000)
    rows = np.arange(len(store))
    batches = make_batches(
        store.lengths("src", rows) + 1,
        store.lengths("tgt", rows) + 1,
        4096,
        np.random.default_rng(0),
    )
    start = time.perf_counter()
    n_tokens = sum(collate(store, batch, SRC_SPECIAL, TGT_SPECIAL).n_tokens for batch in batches)
    # Several million on an idle core; the bound leaves room for a busy machine.
    assert n_tokens / (time.perf_counter() - start) > 5e5
