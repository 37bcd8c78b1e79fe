"""Attention in float32 for bf16 models on a CPU."""

import torch
from torch import Tensor, nn

from mtkit.model.attention import ScaledDotProductAttention


class Float32Attention(ScaledDotProductAttention):
    """Computes attention in float32, whatever the type of queries, keys and values.

    On a CPU, bf16 attention is slower than float32 attention, and its backward pass takes several
    times as long. The products around it remain bf16.
    """

    def forward(
        self,
        query_BHQK: Tensor,
        key_BHMK: Tensor,
        value_BHMK: Tensor,
        may_attend: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """See `ScaledDotProductAttention`; the result has the type of the queries."""
        with torch.autocast("cpu", enabled=False):
            out_BHQK = super().forward(
                query_BHQK.float(), key_BHMK.float(), value_BHMK.float(), may_attend, is_causal
            )
        return out_BHQK.to(query_BHQK.dtype)


def in_float32(module: nn.Module) -> nn.Module | None:
    """Return float32 attention in place of plain attention; None for other modules."""
    if type(module) is not ScaledDotProductAttention:
        return None
    attention = Float32Attention(module.dropout)
    attention.train(module.training)
    return attention
