"""Attention in float32 for bf16 models."""

import torch

from mtkit.engines.cpu.float32_attention import Float32Attention
from mtkit.model.attention import ScaledDotProductAttention

B, H, Q, K = 2, 4, 5, 8


def test_bf16_result_is_bf16_and_close():
    attend, plain = Float32Attention(dropout=0.0), ScaledDotProductAttention(dropout=0.0)
    query, key, value = (
        torch.randn(B, H, Q, K, dtype=torch.bfloat16).requires_grad_() for _ in range(3)
    )
    with torch.autocast("cpu", torch.bfloat16):
        out = attend(query, key, value, None, is_causal=True)
    assert out.dtype == torch.bfloat16
    exact = plain(query.float(), key.float(), value.float(), None, is_causal=True)
    torch.testing.assert_close(out.float(), exact, rtol=0.01, atol=0.01)
    out.float().sum().backward()
    assert all(x.grad is not None and x.grad.dtype == torch.bfloat16 for x in (query, key, value))
