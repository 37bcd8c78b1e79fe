"""Weights of a model in the order in which compiled code reads them."""

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from mtkit.engines.cpu.compiled.kernels import GELU, RELU, SWISH
from mtkit.engines.cpu.compiled.layers import Shape, Weights
from mtkit.engines.cpu.compiled.products import interleave
from mtkit.engines.protocol import UnsupportedModelError
from mtkit.model.attention import CrossAttention, SelfAttention
from mtkit.model.layers import DecoderLayer, EncoderLayer, FeedForward, Sublayer
from mtkit.model.transformer import Transformer

_ACTIVATIONS = {"relu": RELU, "gelu": GELU, "swish": SWISH}


def shape_of(model: Transformer, *, is_int8: bool) -> Shape:
    """Describe a model for compiled code.

    Raises:
        UnsupportedModelError: The compiled code has no such activation or positions.
    """
    config = model.config
    if config.activation not in _ACTIVATIONS:
        raise UnsupportedModelError(f"the activation {config.activation} is not compiled")
    if config.positions == "rotary":
        raise UnsupportedModelError("rotary positions are not compiled")
    layer = cast(EncoderLayer, model.encoder_layers[0])
    return Shape(
        config.d_model,
        config.d_ff,
        config.n_heads,
        config.n_encoder_layers,
        config.n_decoder_layers,
        _ACTIVATIONS[config.activation],
        config.norm == "pre",
        config.norm_type == "rms",
        cast(float, layer.feed_forward.norm.eps),
        is_int8,
    )


def pack_encoder(model: Transformer, *, is_int8: bool) -> Weights:
    """Pack the encoder, and the decoder's projections of its output."""
    packer = _Packer(model, is_int8)
    for layer in cast(list[EncoderLayer], list(model.encoder_layers)):
        packer.add_self_attention(layer.self_attention)
        packer.add_feed_forward(layer.feed_forward)
    packer.add_final_norm(model.encoder_norm)
    for layer in cast(list[DecoderLayer], list(model.decoder_layers)):
        packer.add_linear(layer.cross_attention.inner.key_value)
    return packer.weights()


def pack_decoder(model: Transformer, *, is_int8: bool) -> Weights:
    """Pack the decoder without the output layer."""
    packer = _Packer(model, is_int8)
    for layer in cast(list[DecoderLayer], list(model.decoder_layers)):
        packer.add_self_attention(layer.self_attention)
        packer.add_cross_attention(layer.cross_attention)
        packer.add_feed_forward(layer.feed_forward)
    packer.add_final_norm(model.decoder_norm)
    return packer.weights()


def rows_of_output(model: Transformer, *, is_int8: bool) -> list[np.ndarray]:
    """Return the parts of the output layer for `pack_rows`; each has a row for each token."""
    return _rows_of_product(model.output_weight, model.output_bias, is_int8)


def pack_rows(rows: Sequence[np.ndarray]) -> Weights:
    """Pack biases, in int8 scales, and the matrix of a product."""
    *vectors, weight_NK = rows
    floats = np.concatenate([*vectors, interleave(weight_NK).view(np.float32)])
    return Weights(floats, floats.view(np.int8))


def _rows_of_product(weight_NK: Tensor, bias_N: Tensor | None, is_int8: bool) -> list[np.ndarray]:
    weight_NK = weight_NK.detach().float()
    N = len(weight_NK)
    bias_N = torch.zeros(N) if bias_N is None else bias_N.detach().float()
    if not is_int8:
        return [bias_N.numpy(), weight_NK.numpy()]
    scale_N = (weight_NK.abs().amax(1) / 127.0).clamp_min(1e-12)
    quantized_NK = (weight_NK / scale_N[:, None]).round().to(torch.int8)
    return [bias_N.numpy(), scale_N.numpy(), quantized_NK.numpy()]


class _Packer:
    def __init__(self, model: Transformer, is_int8: bool) -> None:
        self._config, self._is_int8 = model.config, is_int8
        self._is_pre = model.config.norm == "pre"
        self._parts: list[np.ndarray] = []

    def add_self_attention(self, sublayer: Sublayer[SelfAttention]) -> None:
        inner = sublayer.inner
        self._add_sublayer(sublayer, inner.query_key_value, inner.output, has_query=True)

    def add_cross_attention(self, sublayer: Sublayer[CrossAttention]) -> None:
        inner = sublayer.inner
        self._add_sublayer(sublayer, inner.query, inner.output, has_query=True)

    def add_feed_forward(self, sublayer: Sublayer[FeedForward]) -> None:
        self._add_sublayer(sublayer, sublayer.inner.inner, sublayer.inner.outer)

    def add_final_norm(self, norm: nn.Module) -> None:
        if self._is_pre:
            self._add_norm(norm)

    def add_linear(self, linear: nn.Linear, *, has_query: bool = False) -> None:
        """Add a layer; the factor 1 / sqrt(K) of the scores is multiplied into queries."""
        factor_N1 = torch.ones(linear.out_features, 1)
        if has_query:
            factor_N1[: self._config.d_model] = 1.0 / math.sqrt(self._config.d_head)
        weight_NK, bias_N = linear.weight * factor_N1, linear.bias * factor_N1[:, 0]
        self._parts.append(pack_rows(_rows_of_product(weight_NK, bias_N, self._is_int8)).floats)

    def weights(self) -> Weights:
        floats = np.concatenate(self._parts)
        return Weights(floats, floats.view(np.int8))

    def _add_sublayer(
        self, sublayer: Sublayer[Any], first: nn.Linear, second: nn.Linear, has_query: bool = False
    ) -> None:
        if self._is_pre:
            self._add_norm(sublayer.norm)
        self.add_linear(first, has_query=has_query)
        self.add_linear(second)
        if not self._is_pre:
            self._add_norm(sublayer.norm)

    def _add_norm(self, norm: nn.Module) -> None:
        gain_D, offset_D = cast(Tensor, norm.weight), getattr(norm, "bias", None)
        self._append(gain_D)
        self._append(torch.zeros_like(gain_D) if offset_D is None else offset_D)

    def _append(self, values: Tensor) -> None:
        self._parts.append(values.detach().float().flatten().numpy())
