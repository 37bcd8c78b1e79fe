"""The cache of the packed decoder: over-allocation, and positions that are dropped."""

import math

import numpy as np
import torch

from mtkit.engines.cpu.packed_cache import PackedCache, SourceGroup


def make_cache(n_sentences=2, n_layers=2):
    """Two heads of width 4."""
    source = np.zeros((n_sentences, 2, 3, 4), np.float32)
    return PackedCache([SourceGroup(list(range(n_sentences)), [(source, source)] * n_layers, None)])


def steps(cache, n_steps, W):
    """Take steps whose keys are the step's number and whose values its negative.

    Returns what the last step reads: keys, values and bias.
    """
    seen = []
    for step in range(1, n_steps + 1):
        M = cache.length + W
        bias_B1WC = cache.begin_step(W, torch.ones(2, W, M, dtype=torch.bool))
        for number in range(2):
            new_BHWK = np.full((2, 2, W, 4), float(step), np.float32)
            seen = [*cache.append(number, new_BHWK, -new_BHWK), bias_B1WC]
    return seen


def test_spare_capacity_is_zero_and_masked():
    lengths = []
    for n_steps in range(1, 60):
        key_BHCK, value_BHCK, bias_B1WC = steps(make_cache(), n_steps, 3)
        M, C = 3 * n_steps, key_BHCK.shape[2]
        assert key_BHCK[1, 1, :M, 2].tolist() == [
            step for step in range(1, n_steps + 1) for _ in range(3)
        ]
        assert np.array_equal(value_BHCK, -key_BHCK)
        assert not key_BHCK[:, :, M:].any()
        assert bias_B1WC.shape == (2, 1, 3, C)
        assert not bias_B1WC[..., :M].any()
        assert (bias_B1WC[..., M:] == -math.inf).all()
        assert key_BHCK.flags.c_contiguous
        lengths.append(C)
    # It grows a little at a time, and not at every step.
    ahead = [C - M for M, C in zip(range(3, 180, 3), lengths, strict=True)]
    assert max(ahead[:8]) == 9
    assert max(ahead) <= 180 // 8
    assert len(set(lengths)) < 15


def test_all_positions_may_be_attended_to_without_a_mask():
    cache = make_cache()
    cache.begin_step(1, None)
    assert cache.begin_step(1, None).flatten().tolist() == [0.0, 0.0, -math.inf, -math.inf]


def test_positions_are_left_out_sentence_by_sentence():
    cache = make_cache()
    steps(cache, 5, 2)
    cache.select_positions(torch.tensor([[0, 3, 9], [9, 8, 1]]))
    assert cache.length == 3
    key_BHCK, value_BHCK, bias_B1WC = steps(cache, 1, 2)
    assert key_BHCK[:, 1, :5, 0].tolist() == [[1.0, 2.0, 5.0, 1.0, 1.0], [5.0, 5.0, 1.0, 1.0, 1.0]]
    assert np.array_equal(value_BHCK, -key_BHCK)
    assert bias_B1WC.isfinite().sum(-1).tolist() == [[[5, 5]], [[5, 5]]]


def test_remaining_sentences_keep_their_cache():
    cache = make_cache()
    cache.begin_step(1, None)
    for number in range(2):
        cache.append(
            number,
            np.broadcast_to(np.array([1.0, 2.0]).reshape(2, 1, 1, 1), (2, 2, 1, 4)),
            np.zeros((2, 2, 1, 4)),
        )
    cache.select(torch.tensor([1]))
    cache.begin_step(1, None)
    key_BHCK, _ = cache.append(1, np.full((1, 2, 1, 4), 3.0), np.zeros((1, 2, 1, 4)))
    assert key_BHCK[0, :, :2, 0].tolist() == [[2.0, 3.0], [2.0, 3.0]]
