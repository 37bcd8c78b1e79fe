"""Multi-head scaled dot-product attention (Vaswani et al. 2017, section 3.2)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtkit.config.model import ModelConfig
from mtkit.model.cache import KeyValueCache, attention_dtype
from mtkit.model.linear import FusedLinear, Linear
from mtkit.model.positions import RotaryPositions

ALL_HEADS = -1
"""In place of one head: the mean of the attention weights of all."""


def split_heads(x_BQD: Tensor, n_heads: int) -> Tensor:
    """Cut the width into heads. Shape (B, Q, D) to (B, H, Q, K)."""
    return x_BQD.unflatten(2, (n_heads, -1)).transpose(1, 2)


def join_heads(x_BHQK: Tensor) -> Tensor:
    """Put the heads side by side again. Shape (B, H, Q, K) to (B, Q, D)."""
    return x_BHQK.transpose(1, 2).flatten(2)


def attend(
    query_BHQK: Tensor,
    key_BHMK: Tensor,
    value_BHMK: Tensor,
    may_attend: Tensor | None,
    is_causal: bool = False,
    dropout: float = 0.0,
) -> Tensor:
    """softmax(Q K^T / sqrt(K)) V for every head.

    Args:
        may_attend: True where attention is allowed, or an `attention_bias`; broadcasts to (B, H, Q, M). None allows everything.
        is_causal: Query q sees keys 0..q alone; goes without `may_attend`.
        dropout: Share of the weights set to zero.
    Returns:
        Shape (B, H, Q, K), of the query's type.
    """
    if query_BHQK.device.type == "cpu" and query_BHQK.dtype == torch.bfloat16:
        # The backward pass of bf16 attention on a CPU takes several times as long as that of float32.
        with torch.autocast("cpu", enabled=False):
            out = F.scaled_dot_product_attention(
                query_BHQK.float(),
                key_BHMK.float(),
                value_BHMK.float(),
                attn_mask=may_attend,
                is_causal=is_causal,
                dropout_p=dropout,
            )
        return out.to(torch.bfloat16)
    return F.scaled_dot_product_attention(
        query_BHQK,
        key_BHMK,
        value_BHMK,
        attn_mask=may_attend,
        is_causal=is_causal,
        dropout_p=dropout,
    )


def attention_bias(may_attend: Tensor, like: Tensor) -> Tensor:
    """What is added to the scores of attention: zero where it is allowed, minus infinity elsewhere.

    A mask says the same, but is turned into this at every use.

    Args:
        may_attend: True where attention is allowed.
        like: Has the type of the queries.
    """
    return torch.zeros_like(may_attend, dtype=attention_dtype(like)).masked_fill_(
        ~may_attend, -math.inf
    )


class SelfAttention(nn.Module):
    """Attention of a sequence to itself; queries, keys and values come from one fused matrix."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.dropout = config.attention_dropout
        self.query_key_value = FusedLinear(config.d_model, config.d_model, n_parts=3)
        self.output = Linear(config.d_model, config.d_model)
        self.rotary = RotaryPositions(config.d_head) if config.positions == "rotary" else None

    def forward(
        self,
        x_BQD: Tensor,
        may_attend: Tensor | None,
        is_causal: bool = False,
        cache: KeyValueCache | None = None,
        position: int | Tensor = 0,
    ) -> Tensor:
        """Mix each position's vector with those that it may attend to.

        Args:
            may_attend: True where attention is allowed; broadcasts to (B, H, Q, M).
            is_causal: Query q sees keys 0..q alone.
            cache: With it the Q queries are hypotheses, all at `position`, and the keys are all that the cache holds after adding them.
            position: Of the first query; used by rotary positions.
        Returns:
            Shape (B, Q, D).
        """
        query, key, value = (
            split_heads(part, self.n_heads) for part in self.query_key_value(x_BQD).chunk(3, dim=2)
        )
        if self.rotary is not None:
            stride = 0 if cache is not None else 1
            query, key = self.rotary(query, position, stride), self.rotary(key, position, stride)
        if cache is not None:
            key, value = cache.append(key, value)
        out_BHQK = attend(
            query, key, value, may_attend, is_causal, self.dropout if self.training else 0.0
        )
        return self.output(join_heads(out_BHQK))


class CrossAttention(nn.Module):
    """Attention of the target to the encoder's output."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.dropout = config.attention_dropout
        self.query = Linear(config.d_model, config.d_model)
        self.key_value = FusedLinear(config.d_model, config.d_model, n_parts=2)
        self.output = Linear(config.d_model, config.d_model)

    def project(self, memory_BSD: Tensor) -> tuple[Tensor, Tensor]:
        """The encoder's output as keys and values. Shapes (B, H, S, K)."""
        key, value = (
            split_heads(part, self.n_heads) for part in self.key_value(memory_BSD).chunk(2, dim=2)
        )
        return key, value

    def forward(
        self, x_BQD: Tensor, key_BHSK: Tensor, value_BHSK: Tensor, may_attend: Tensor | None
    ) -> Tensor:
        """Mix each target position with the source. Shape (B, Q, D) in and out; `may_attend` broadcasts to (B, H, Q, S)."""
        query_BHQK = split_heads(self.query(x_BQD), self.n_heads)
        out_BHQK = attend(
            query_BHQK,
            key_BHSK,
            value_BHSK,
            may_attend,
            dropout=self.dropout if self.training else 0.0,
        )
        return self.output(join_heads(out_BHQK))

    def log_weights(
        self, x_BQD: Tensor, key_BHSK: Tensor, may_attend: Tensor | None, head: int
    ) -> Tensor:
        """Logarithms of the attention weights of one head, without dropout: what it looks at in the source.

        `forward` has no weights to give, because fast attention never holds them.

        Args:
            x_BQD: What `forward` is given, as are key_BHSK and may_attend.
            head: Which, from 0, or ALL_HEADS.
        Returns:
            In float32, minus infinity where attention is not allowed. Shape (B, Q, S).
        """
        if head == ALL_HEADS:
            each = torch.stack(
                [self.log_weights(x_BQD, key_BHSK, may_attend, one) for one in range(self.n_heads)]
            )
            return each.logsumexp(0) - math.log(self.n_heads)
        d_head = key_BHSK.size(3)
        own = slice(head * d_head, (head + 1) * d_head)
        query_BQK = F.linear(x_BQD, self.query.weight[own], self.query.bias[own])
        with torch.autocast(x_BQD.device.type, enabled=False):
            score_BQS = query_BQK.float() @ key_BHSK[:, head].float().mT / math.sqrt(d_head)
            if may_attend is not None:
                score_BQS = score_BQS.masked_fill(~may_attend[:, 0], float("-inf"))
            return score_BQS.log_softmax(2)
