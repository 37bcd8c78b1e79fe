"""The layers of encoder and decoder: attention and feed-forward, each with a residual connection and a norm."""

from typing import Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtkit.config.model import ModelConfig
from mtkit.model.attention import CrossAttention, SelfAttention
from mtkit.model.cache import LayerCache, attention_dtype
from mtkit.model.dropout import Dropout
from mtkit.model.linear import FusedLinear, Linear


def make_norm(config: ModelConfig) -> nn.Module:
    """LayerNorm (Ba et al. 2016) or RMSNorm (Zhang and Sennrich 2019) of the model's width."""
    return (
        nn.LayerNorm(config.d_model)
        if config.norm_type == "layer"
        else nn.RMSNorm(config.d_model, eps=1e-6)
    )


class FeedForward(nn.Module):
    """The same two-layer network at every position (Vaswani et al. 2017, section 3.3)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.activation = config.activation
        self.inner = FusedLinear(
            config.d_model, config.d_ff, n_parts=2 if config.activation == "swiglu" else 1
        )
        self.outer = Linear(config.d_ff, config.d_model)
        self.dropout = Dropout(config.activation_dropout)

    def forward(self, x_BQD: Tensor) -> Tensor:
        """Shape (B, Q, D) in and out."""
        if self.activation == "relu":
            inner_BQF = self.inner(x_BQD, relu=True)
        elif self.activation == "gelu":
            inner_BQF = F.gelu(self.inner(x_BQD))
        else:
            gate_BQF, value_BQF = self.inner(x_BQD).chunk(2, dim=-1)
            inner_BQF = F.silu(gate_BQF) * value_BQF
        return self.outer(self.dropout(inner_BQF))


Inner = TypeVar("Inner", bound=nn.Module)


class Sublayer(nn.Module, Generic[Inner]):
    """The residual connection around attention or feed-forward: norm(x + f(x)) if post, x + f(norm(x)) if pre."""

    inner: Inner

    def __init__(self, config: ModelConfig, inner: Inner) -> None:
        super().__init__()
        self.is_pre = config.norm == "pre"
        self.inner = inner
        self.norm = make_norm(config)
        self.dropout = Dropout(config.dropout)

    def forward(self, x_BQD: Tensor, *args, **kwargs) -> Tensor:
        """Shape (B, Q, D) in and out; further arguments go to the inner module."""
        if self.is_pre:
            return x_BQD + self.dropout(self.inner(self.norm(x_BQD), *args, **kwargs))
        return self.norm(x_BQD + self.dropout(self.inner(x_BQD, *args, **kwargs)))

    def inner_input(self, x_BQD: Tensor) -> Tensor:
        """What the inner module is given. Shape (B, Q, D) in and out."""
        return self.norm(x_BQD) if self.is_pre else x_BQD


class Layer(nn.Module):
    """A layer that may be left out as a whole in training (LayerDrop; Fan et al. 2020, arXiv:1909.11556)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.drop_probability = config.layer_drop
        # torch.compile takes a float for a variable, and would ask for its value in the midst of a graph; a bool is a constant to it.
        self.may_be_left_out = config.layer_drop > 0.0

    def draws_leave(self) -> bool:
        """Whether this pass goes without the layer. Drawn from torch's default CPU generator: a seed fixes it, and no device is waited for."""
        return (
            self.training
            and self.may_be_left_out
            and float(torch.rand((), device="cpu")) < self.drop_probability
        )

    def leave_out(self, x: Tensor, *unused: Tensor) -> Tensor:
        """The same values. What is not used, parameters too, gets gradients of zero: processes that average gradients wait for each of them."""
        nothing = (
            0.0
            * torch.stack([tensor.flatten()[0] for tensor in (*unused, *self.parameters())]).sum()
        )
        return x + nothing


class EncoderLayer(Layer):
    """Self-attention, then feed-forward."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.self_attention = Sublayer(config, SelfAttention(config))
        self.feed_forward = Sublayer(config, FeedForward(config))

    def forward(self, x_BSD: Tensor, may_attend_B11S: Tensor | None) -> Tensor:
        """Shape (B, S, D) in and out; `may_attend_B11S` is False on padding, None where there is none."""
        if self.draws_leave():
            return self.leave_out(x_BSD)
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
        memory_may_attend_B11S: Tensor | None,
        head: int | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """All target positions at once. Shape (B, T, D) in and out; with a head also the logarithms of its attention to the source, (B, T, S)."""
        # A head that is asked for an answer has to give one.
        if head is None and self.draws_leave():
            return self.leave_out(x_BTD, memory_BSD)
        x_BTD = self.self_attention(x_BTD, None, is_causal=True)
        key, value = self.cross_attention.inner.project(memory_BSD)
        out_BTD = self.feed_forward(self.cross_attention(x_BTD, key, value, memory_may_attend_B11S))
        if head is None:
            return out_BTD
        inner_BTD = self.cross_attention.inner_input(x_BTD)
        return out_BTD, self.cross_attention.inner.log_weights(
            inner_BTD, key, memory_may_attend_B11S, head
        )

    def project_memory(self, memory_BSD: Tensor) -> LayerCache:
        """A fresh cache for step-by-step decoding of these sentences."""
        key, value = self.cross_attention.inner.project(memory_BSD)
        # Read at every step, and each head for itself: so the positions of a head lie side by side.
        layout = {
            "dtype": attention_dtype(key),
            "memory_format": torch.contiguous_format,
            "copy": True,
        }
        return LayerCache(key.to(**layout), value.to(**layout))

    def step(
        self,
        x_BWD: Tensor,
        cache: LayerCache,
        bias_B1WM: Tensor | None,
        memory_bias_B11S: Tensor | None,
        position: int | Tensor,
    ) -> Tensor:
        """The next position of W hypotheses of each sentence. Shape (B, W, D) in and out; the cache takes them up."""
        x_BWD = self.self_attention(x_BWD, bias_B1WM, cache=cache.past, position=position)
        x_BWD = self.cross_attention(
            x_BWD, cache.memory_key_BHSK, cache.memory_value_BHSK, memory_bias_B11S
        )
        return self.feed_forward(x_BWD)
