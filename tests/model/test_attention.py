"""Attention by its formula, head by head, and against torch.nn.MultiheadAttention."""

import math

import pytest
import torch
from torch import nn

from mtkit.model.attention import (
    CrossAttention,
    ScaledDotProductAttention,
    SelfAttention,
    join_heads,
    split_heads,
)
from tests.model.reference import randomize, tiny_config

B, H, Q, M, K = 2, 4, 5, 7, 8
D = H * K
attend = ScaledDotProductAttention(dropout=0.0)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(2)


def attention_of_one_query(query_K, keys_MK, values_MK, may_attend_M):
    """softmax(q k / sqrt(K)) v, one number after the other."""
    weights = [
        math.exp(sum(a * b for a, b in zip(query_K, key, strict=True)) / math.sqrt(len(query_K)))
        for key in keys_MK
    ]
    weights = [weight if may else 0.0 for weight, may in zip(weights, may_attend_M, strict=True)]
    return [
        sum(w * value[i] for w, value in zip(weights, values_MK, strict=True)) / sum(weights)
        for i in range(len(query_K))
    ]


@pytest.mark.parametrize("mask", ["none", "padding", "causal"])
def test_attend_by_its_formula(mask):
    n_keys = Q if mask == "causal" else M
    query, key, value = (
        torch.randn(B, H, Q, K),
        torch.randn(B, H, n_keys, K),
        torch.randn(B, H, n_keys, K),
    )
    may_attend = torch.ones(B, 1, Q, n_keys, dtype=torch.bool)
    if mask == "padding":
        may_attend[1, :, :, 4:] = False
    if mask == "causal":
        may_attend = may_attend.tril()
    out = attend(
        query, key, value, may_attend if mask == "padding" else None, is_causal=mask == "causal"
    )
    assert out.shape == (B, H, Q, K)
    for b in range(B):
        for h in range(H):
            for q in range(Q):
                sides = query[b, h, q].tolist(), key[b, h].tolist(), value[b, h].tolist()
                expected = attention_of_one_query(*sides, may_attend[b, 0, q].tolist())
                assert out[b, h, q].tolist() == pytest.approx(expected, abs=1e-5)


def test_heads_are_consecutive_slices_of_the_width():
    x = torch.randn(B, Q, D)
    heads = split_heads(x, H)
    for h in range(H):
        torch.testing.assert_close(heads[:, h], x[:, :, h * K : (h + 1) * K], rtol=0, atol=0)
    torch.testing.assert_close(join_heads(heads), x, rtol=0, atol=0)


def test_self_attention_equals_torch():
    ours = randomize(SelfAttention(tiny_config()))
    theirs = nn.MultiheadAttention(D, H, batch_first=True)
    theirs.load_state_dict(
        {
            "in_proj_weight": ours.query_key_value.weight,
            "in_proj_bias": ours.query_key_value.bias,
            "out_proj.weight": ours.output.weight,
            "out_proj.bias": ours.output.bias,
        }
    )
    x = torch.randn(B, Q, D)
    is_pad = torch.tensor([[False] * 5, [False] * 2 + [True] * 3])
    torch.testing.assert_close(
        ours(x, ~is_pad[:, None, None, :]),
        theirs(x, x, x, key_padding_mask=is_pad)[0],
        rtol=1e-4,
        atol=1e-5,
    )
    causal = torch.ones(Q, Q, dtype=torch.bool).triu(1)
    torch.testing.assert_close(
        ours(x, None, is_causal=True), theirs(x, x, x, attn_mask=causal)[0], rtol=1e-4, atol=1e-5
    )


def test_cross_attention_equals_torch():
    ours = randomize(CrossAttention(tiny_config()))
    theirs = nn.MultiheadAttention(D, H, batch_first=True)
    theirs.load_state_dict(
        {
            "in_proj_weight": torch.cat([ours.query.weight, ours.key_value.weight]),
            "in_proj_bias": torch.cat([ours.query.bias, ours.key_value.bias]),
            "out_proj.weight": ours.output.weight,
            "out_proj.bias": ours.output.bias,
        }
    )
    x, memory = torch.randn(B, Q, D), torch.randn(B, M, D)
    is_pad = torch.tensor([[False] * 7, [False] * 3 + [True] * 4])
    out = ours(x, *ours.project(memory), ~is_pad[:, None, None, :])
    torch.testing.assert_close(
        out, theirs(x, memory, memory, key_padding_mask=is_pad)[0], rtol=1e-4, atol=1e-5
    )


def test_equal_keys_share_the_weight_equally():
    value = torch.randn(1, 1, M, K)
    out = attend(torch.randn(1, 1, Q, K), torch.ones(1, 1, M, K), value, None)
    torch.testing.assert_close(out, value.mean(2, keepdim=True).expand_as(out))
