"""Encoder and decoder layers: attention and feed-forward sublayers with residuals and norms."""

from typing import Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtkit.config.model import ModelConfig
from mtkit.model.attention import CrossAttention, FusedLinear, SelfAttention
from mtkit.model.cache import LayerCache
from mtkit.model.dropout import Dropout


class FeedForward(nn.Module):
    """The two-layer network applied to every position (Vaswani et al. 2017, section 3.3)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.activation = config.activation
        n_parts = 2 if config.activation == "swiglu" else 1
        self.inner = FusedLinear(config.d_model, config.d_ff, n_parts)
        self.outer = nn.Linear(config.d_ff, config.d_model)
        self.dropout = Dropout(config.activation_dropout)

    def forward(self, x_BQD: Tensor) -> Tensor:
        """Transform each position. Shape (B, Q, D) in and out."""
        return self.outer(self.dropout(activate(self.inner(x_BQD), self.activation)))


def activate(x: Tensor, activation: str) -> Tensor:
    """Apply an activation function to the inner layer of a feed-forward network.

    Args:
        x: Shape (..., F); (..., 2 F) for swiglu, the gates first.
        activation: As in `ModelConfig`.
    Returns:
        Shape (..., F).
    Raises:
        ValueError: The activation is unknown.
    """
    if activation == "relu":
        return F.relu(x)
    if activation == "gelu":
        return F.gelu(x)
    if activation == "swish":
        return F.silu(x)
    if activation == "swiglu":
        gate, value = x.chunk(2, dim=-1)
        return F.silu(gate) * value
    raise ValueError(f"unknown activation {activation!r}")


Inner = TypeVar("Inner", bound=nn.Module)


class Sublayer(nn.Module, Generic[Inner]):
    """A residual connection around a module f: norm(x + f(x)) if post, x + f(norm(x)) if pre."""

    inner: Inner

    def __init__(self, config: ModelConfig, inner: Inner) -> None:
        super().__init__()
        self.is_pre = config.norm == "pre"
        self.inner = inner
        self.norm = make_norm(config)
        self.dropout = Dropout(config.dropout)

    def forward(self, x_BQD: Tensor, *args, **kwargs) -> Tensor:
        """Shape (B, Q, D) in and out; further arguments are passed to the inner module."""
        if self.is_pre:
            return x_BQD + self.dropout(self.inner(self.norm(x_BQD), *args, **kwargs))
        return self.norm(x_BQD + self.dropout(self.inner(x_BQD, *args, **kwargs)))

    def inner_input(self, x_BQD: Tensor) -> Tensor:
        """Return the input of the inner module. Shape (B, Q, D) in and out."""
        return self.norm(x_BQD) if self.is_pre else x_BQD


def make_norm(config: ModelConfig) -> nn.Module:
    """Make a LayerNorm (Ba et al. 2016) or RMSNorm (Zhang and Sennrich 2019) of width d_model."""
    if config.norm_type == "layer":
        return nn.LayerNorm(config.d_model)
    return nn.RMSNorm(config.d_model, eps=1e-6)


class Layer(nn.Module):
    """A layer that may be skipped in training (LayerDrop; Fan et al. 2020, arXiv:1909.11556)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.skip_probability = config.layer_drop

    def draw_skip(self) -> bool:
        """Draw whether a pass skips the layer; not in the pass itself, which may be compiled.

        Drawn from torch's default CPU generator, so a seed fixes it and no device is waited for.
        """
        return (
            self.training
            and self.skip_probability > 0.0
            and float(torch.rand((), device="cpu")) < self.skip_probability
        )

    def skip(self, x: Tensor, *unused: Tensor) -> Tensor:
        """Return x unchanged, with zero gradients for the parameters and the unused tensors.

        Processes that average gradients wait for the gradient of every parameter.
        """
        tensors = (*unused, *self.parameters())
        return x + 0.0 * torch.stack([tensor.flatten()[0] for tensor in tensors]).sum()


class EncoderLayer(Layer):
    """Self-attention, then feed-forward."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.self_attention = Sublayer(config, SelfAttention(config))
        self.feed_forward = Sublayer(config, FeedForward(config))

    def forward(
        self, x_BSD: Tensor, may_attend_B11S: Tensor | None, is_skipped: bool = False
    ) -> Tensor:
        """Transform the source. Shape (B, S, D) in and out; the mask is False on padding."""
        if is_skipped:
            return self.skip(x_BSD)
        return self.feed_forward(self.self_attention(x_BSD, may_attend_B11S))


class DecoderLayer(Layer):
    """Causal self-attention, attention to the encoder's output, then feed-forward."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.self_attention = Sublayer(config, SelfAttention(config))
        self.cross_attention = Sublayer(config, CrossAttention(config))
        self.feed_forward = Sublayer(config, FeedForward(config))

    def forward(
        self,
        x_BTD: Tensor,
        memory_BSD: Tensor,
        may_attend_B11S: Tensor | None,
        head: int | None = None,
        is_skipped: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Transform all target positions at once.

        Args:
            memory_BSD: The encoder's output.
            may_attend_B11S: False on padding of the source.
            head: Head of the attention to the source whose weights are returned too; such a layer
                is not skipped.
            is_skipped: Whether the layer is skipped.
        Returns:
            Shape (B, T, D); with a head also the logarithms of its weights, shape (B, T, S).
        """
        if is_skipped:
            return self.skip(x_BTD, memory_BSD)
        x_BTD = self.self_attention(x_BTD, is_causal=True)
        key, value = self.cross_attention.inner.project(memory_BSD)
        out_BTD = self.feed_forward(self.cross_attention(x_BTD, key, value, may_attend_B11S))
        if head is None:
            return out_BTD
        query_BTD = self.cross_attention.inner_input(x_BTD)
        return out_BTD, self.cross_attention.inner.log_weights(
            query_BTD, key, may_attend_B11S, head
        )

    def step(
        self,
        x_BWD: Tensor,
        cache: LayerCache,
        may_attend_B1WM: Tensor | None,
        may_attend_B11S: Tensor,
        position: Tensor,
    ) -> Tensor:
        """Transform the next position of W hypotheses of each sentence. Shape (B, W, D) in and out.

        Args:
            cache: State of this layer, to which this step is added.
            may_attend_B1WM: True at the cached positions that each hypothesis descends from.
            may_attend_B11S: False on padding of the source.
            position: Position of all hypotheses. Shape (1,).
        """
        x_BWD = self.self_attention(x_BWD, may_attend_B1WM, cache=cache.past, positions=position)
        key, value = cache.memory_key_BHSK, cache.memory_value_BHSK
        return self.feed_forward(self.cross_attention(x_BWD, key, value, may_attend_B11S))
