"""A token store in memory, as the tests of batches need it."""

import numpy as np

from mtkit.batches.mixture import DataMixture
from mtkit.batches.sampler import BatchSampler
from mtkit.corpus.store.ragged_ids import RaggedIds
from mtkit.corpus.store.token_store import StoredCorpus, StoreWriter
from mtkit.tokenizer.special_ids import SpecialIds

SRC_SPECIAL = SpecialIds(pad=0, unk=1, bos=2, eos=3)
TGT_SPECIAL = SpecialIds(pad=7, unk=6, bos=5, eos=4)


class ListStore:
    def __init__(self, pairs):
        self.sides = {
            "src": [np.array(src, dtype=np.uint16) for src, _ in pairs],
            "tgt": [np.array(tgt, dtype=np.uint32) for _, tgt in pairs],
        }

    def __len__(self):
        return len(self.sides["src"])

    def lengths(self, side, rows):
        return np.array([len(self.sides[side][row]) for row in rows.tolist()], dtype=np.int64)

    def gather(self, side, rows):
        return RaggedIds.from_rows([self.sides[side][row] for row in rows.tolist()])


class LengthStore:
    """Knows lengths only."""

    def n_previous(self, rows, limit):
        raise NotImplementedError

    def __init__(self, src_lengths, tgt_lengths):
        self.sides = {"src": np.asarray(src_lengths), "tgt": np.asarray(tgt_lengths)}

    def __len__(self):
        return len(self.sides["src"])

    def lengths(self, side, rows):
        return self.sides[side][rows]


class LostStore:
    """Cannot be read."""

    def gather(self, side, rows):
        raise OSError("the disk is gone")


def corpora(*sizes, n_tags=0):
    """Corpora of these sizes, one after the other."""
    return [
        StoredCorpus(f"corpus{i}", sum(sizes[:i]), size, n_tags) for i, size in enumerate(sizes)
    ]


def plain_order(store, max_tokens, seed, **mix):
    """Every pair of the store once an epoch."""
    return BatchSampler(store, DataMixture.plain(corpora(len(store)), seed, **mix), max_tokens)


def random_store(n_pairs, max_length=30, vocab_size=100, seed=0):
    rng = np.random.default_rng(seed)
    return ListStore(
        [
            [rng.integers(8, vocab_size, size=rng.integers(1, max_length + 1)) for _ in range(2)]
            for _ in range(n_pairs)
        ]
    )


def write_store(folder, store):
    """The same on disk."""
    with StoreWriter(folder, 100, 70_000) as writer:
        writer.append(*([row.tolist() for row in store.sides[side]] for side in ("src", "tgt")))
        writer.finish({})
    return folder
