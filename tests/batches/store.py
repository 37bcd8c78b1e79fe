"""A token store in memory, as the tests of batches need it."""

import numpy as np

from mtkit.special import SpecialIds

SRC_SPECIAL = SpecialIds(pad=0, unk=1, bos=2, eos=3)
TGT_SPECIAL = SpecialIds(pad=7, unk=6, bos=5, eos=4)


class ListStore:
    def __init__(self, pairs):
        self.pairs = [(np.array(src, dtype=np.uint16), np.array(tgt, dtype=np.uint32)) for src, tgt in pairs]
        self.src_lengths = np.array([len(src) for src, _ in self.pairs], dtype=np.int32)
        self.tgt_lengths = np.array([len(tgt) for _, tgt in self.pairs], dtype=np.int32)

    def src(self, index):
        return self.pairs[index][0]

    def tgt(self, index):
        return self.pairs[index][1]


def random_store(n_pairs, max_length=30, vocab_size=100, seed=0):
    rng = np.random.default_rng(seed)
    return ListStore([[rng.integers(8, vocab_size, size=rng.integers(1, max_length + 1)) for _ in range(2)] for _ in range(n_pairs)])
