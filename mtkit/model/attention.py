"""Multi-head attention (Vaswani et al. 2017, section 3.2)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtkit.config.model import ModelConfig
from mtkit.model.cache import KeyValueCache
from mtkit.model.positions import RotaryPositions

ALL_HEADS = -1
"""Head index that stands for the mean of all heads."""


class ScaledDotProductAttention(nn.Module):
    """Computes softmax(Q K^T / sqrt(K)) V for every head (section 3.2.1).

    Args:
        dropout: Share of the attention weights set to zero in training.
    """

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout

    def forward(
        self,
        query_BHQK: Tensor,
        key_BHMK: Tensor,
        value_BHMK: Tensor,
        may_attend: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Average the values, weighted by the similarity of query and key. Shape (B, H, Q, K).

        Args:
            may_attend: True where attention is allowed, or values that are added to the scores;
                broadcasts to (B, H, Q, M). None allows everything.
            is_causal: Query q sees keys 0..q only; excludes `may_attend`.
        """
        return F.scaled_dot_product_attention(
            query_BHQK,
            key_BHMK,
            value_BHMK,
            attn_mask=may_attend,
            is_causal=is_causal,
            dropout_p=self.dropout if self.training else 0.0,
        )


class FusedLinear(nn.Linear):
    """Several linear layers with the same input, as one matrix: one product is faster than several.

    Args:
        d_in: Width of the input.
        d_out: Width of the output of each layer; the outputs are concatenated.
        n_parts: Number of layers.
    """

    def __init__(self, d_in: int, d_out: int, n_parts: int) -> None:
        super().__init__(d_in, n_parts * d_out)
        self.n_parts = n_parts


class SelfAttention(nn.Module):
    """Attention of a sequence to itself."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.query_key_value = FusedLinear(config.d_model, config.d_model, n_parts=3)
        self.output = nn.Linear(config.d_model, config.d_model)
        self.rotary = RotaryPositions(config.d_head) if config.positions == "rotary" else None
        self.attend = ScaledDotProductAttention(config.attention_dropout)

    def forward(
        self,
        x_BQD: Tensor,
        may_attend: Tensor | None = None,
        is_causal: bool = False,
        cache: KeyValueCache | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Mix the vector of each position with those that it may attend to.

        Args:
            may_attend: True where attention is allowed; broadcasts to (B, H, Q, M).
            is_causal: Query q sees keys 0..q only.
            cache: Keys and values of earlier steps, to which those of this call are added.
            positions: Position of each query, for rotary positions; see `mtkit.model.positions`.
        Returns:
            Shape (B, Q, D).
        """
        query, key, value = (
            split_heads(part, self.n_heads) for part in self.query_key_value(x_BQD).chunk(3, dim=2)
        )
        if self.rotary is not None:
            query, key = self.rotary(query, positions), self.rotary(key, positions)
        if cache is not None:
            key, value = cache.append(key, value)
        return self.output(join_heads(self.attend(query, key, value, may_attend, is_causal)))


class CrossAttention(nn.Module):
    """Attention of the target to the encoder's output."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.query = nn.Linear(config.d_model, config.d_model)
        self.key_value = FusedLinear(config.d_model, config.d_model, n_parts=2)
        self.output = nn.Linear(config.d_model, config.d_model)
        self.attend = ScaledDotProductAttention(config.attention_dropout)

    def project(self, memory_BSD: Tensor) -> tuple[Tensor, Tensor]:
        """Compute keys and values of the encoder's output. Shapes (B, H, S, K)."""
        key, value = (
            split_heads(part, self.n_heads) for part in self.key_value(memory_BSD).chunk(2, dim=2)
        )
        return key, value

    def forward(
        self, x_BQD: Tensor, key_BHSK: Tensor, value_BHSK: Tensor, may_attend: Tensor | None
    ) -> Tensor:
        """Mix the source into each target position. Shape (B, Q, D) in and out.

        Args:
            may_attend: True where attention is allowed; broadcasts to (B, H, Q, S).
        """
        query_BHQK = split_heads(self.query(x_BQD), self.n_heads)
        return self.output(join_heads(self.attend(query_BHQK, key_BHSK, value_BHSK, may_attend)))

    def log_weights(
        self, x_BQD: Tensor, key_BHSK: Tensor, may_attend: Tensor | None, head: int
    ) -> Tensor:
        """Compute the logarithms of the attention weights of one head, without dropout.

        `forward` cannot return them, because fast attention never stores the weights.

        Args:
            x_BQD: The input of `forward`, as are key_BHSK and may_attend.
            head: Index of the head, or ALL_HEADS.
        Returns:
            Shape (B, Q, S), float32; minus infinity where attention is not allowed.
        """
        if head == ALL_HEADS:
            heads = range(self.n_heads)
            each = [self.log_weights(x_BQD, key_BHSK, may_attend, i) for i in heads]
            return torch.stack(each).logsumexp(0) - math.log(self.n_heads)
        d_head = key_BHSK.size(3)
        rows = slice(head * d_head, (head + 1) * d_head)
        query_BQK = F.linear(x_BQD, self.query.weight[rows], self.query.bias[rows])
        with torch.autocast(x_BQD.device.type, enabled=False):
            score_BQS = query_BQK.float() @ key_BHSK[:, head].float().mT / math.sqrt(d_head)
            if may_attend is not None:
                score_BQS = score_BQS.masked_fill(~may_attend[:, 0], float("-inf"))
            return score_BQS.log_softmax(2)


def split_heads(x_BQD: Tensor, n_heads: int) -> Tensor:
    """Split the width into heads. Shape (B, Q, D) to (B, H, Q, K)."""
    return x_BQD.unflatten(2, (n_heads, -1)).transpose(1, 2)


def join_heads(x_BHQK: Tensor) -> Tensor:
    """Concatenate the heads. Shape (B, H, Q, K) to (B, Q, D)."""
    return x_BHQK.transpose(1, 2).flatten(2)
