"""The decoder's step of a packed model: the operations of `DecoderLayer.step` in a row, without the modules around them.

A step of search on a CPU is some hundred operations on small matrices. Where few sentences are translated together, calling them through modules took
longer than the operations themselves. So here, and only here, what the layers compute is written a second time; tests hold both against each other.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtkit.model.cache import DecoderCache, LayerCache
from mtkit.model.layers import DecoderLayer
from mtkit.model.packing import PackedLinear

MakeLinear = Callable[[Tensor, Tensor | None], PackedLinear]


class PackedDecoder:
    """The layers of a decoder ready for steps of search.

    Args:
        layers: In evaluation mode, on a CPU; they must not change afterwards.
        final_norm: What follows the last layer.
        make: Packs a weight and its bias.
    """

    def __init__(self, layers: list[DecoderLayer], final_norm: nn.Module, make: MakeLinear) -> None:
        self.layers = [_PackedLayer(layer, make) for layer in layers]
        self.final_norm = _norm(final_norm)

    def __call__(self, x_BWD: Tensor, cache: DecoderCache, bias_B1WM: Tensor | None) -> Tensor:
        """Take a step with W hypotheses of each sentence, from their embeddings to the last states. Shape (B, W, D) in and out."""
        B, W, D = x_BWD.shape
        x_RD = x_BWD.reshape(B * W, D)
        for layer, layer_cache in zip(self.layers, cache.layers, strict=True):
            x_RD = layer(x_RD, B, W, layer_cache, bias_B1WM, cache.memory_bias_B11S, cache.n_steps)
        return self.final_norm(x_RD).view(B, W, D)


class _PackedLayer:
    def __init__(self, layer: DecoderLayer, make: MakeLinear) -> None:
        own, cross, feed_forward = layer.self_attention.inner, layer.cross_attention.inner, layer.feed_forward.inner
        self.is_pre = layer.self_attention.is_pre
        self.n_heads, self.rotary = own.n_heads, own.rotary
        d_model = own.output.in_features
        # The scores' factor 1 / sqrt(K) is multiplied into the queries' weights.
        scale = torch.ones(3 * d_model, 1, dtype=own.output.weight.dtype)
        scale[:d_model] = 1.0 / math.sqrt(d_model // own.n_heads)
        fused, query = own.query_key_value, cross.query
        self.query_key_value = make(fused.weight * scale, fused.bias * scale[:, 0])
        self.own_output = make(own.output.weight, own.output.bias)
        self.cross_query = make(query.weight * scale[:d_model], query.bias * scale[:d_model, 0])
        self.cross_output = make(cross.output.weight, cross.output.bias)
        self.inner = make(feed_forward.inner.weight, feed_forward.inner.bias)
        self.outer = make(feed_forward.outer.weight, feed_forward.outer.bias)
        self.activation = feed_forward.activation
        self.norms = [_norm(sublayer.norm) for sublayer in (layer.self_attention, layer.cross_attention, layer.feed_forward)]

    def __call__(
        self, x_RD: Tensor, B: int, W: int, cache: LayerCache, bias_B1WM: Tensor | None, memory_bias_B11S: Tensor | None, position: int | Tensor
    ) -> Tensor:
        """Shape (R, D) in and out, for R = B x W rows."""
        own_norm, cross_norm, feed_forward_norm = self.norms
        y_RD = own_norm(x_RD) if self.is_pre else x_RD
        query, key, value = self.query_key_value(y_RD).view(B, W, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        if self.rotary is not None:
            query, key = self.rotary(query, position, 0), self.rotary(key, position, 0)
        key, value = cache.past.append(key, value)
        x_RD = x_RD + self.own_output(_attend(query, key, value, bias_B1WM))

        y_RD = cross_norm(x_RD) if self.is_pre else (x_RD := own_norm(x_RD))
        query = self.cross_query(y_RD).view(B, W, self.n_heads, -1).transpose(1, 2)
        x_RD = x_RD + self.cross_output(_attend(query, cache.memory_key_BHSK, cache.memory_value_BHSK, memory_bias_B11S))

        y_RD = feed_forward_norm(x_RD) if self.is_pre else (x_RD := cross_norm(x_RD))
        x_RD = x_RD + self.outer(self._activated(y_RD))
        return x_RD if self.is_pre else feed_forward_norm(x_RD)

    def _activated(self, x_RD: Tensor) -> Tensor:
        if self.activation == "relu":
            return self.inner(x_RD, relu=True)
        if self.activation == "gelu":
            return F.gelu(self.inner(x_RD))
        gate_RF, value_RF = self.inner(x_RD).chunk(2, dim=1)
        return F.silu(gate_RF) * value_RF


def _norm(norm: nn.Module) -> Callable[[Tensor], Tensor]:
    if isinstance(norm, nn.LayerNorm):
        shape, weight, bias, eps = norm.normalized_shape, norm.weight, norm.bias, norm.eps
        return lambda x: torch.layer_norm(x, shape, weight, bias, eps)
    return norm.forward


def _attend(query_BHWK: Tensor, key_BHMK: Tensor, value_BHMK: Tensor, bias: Tensor | None) -> Tensor:
    """Attention whose queries are scaled already. With few queries for each sentence plain products are faster than a fused kernel.

    Returns:
        Shape (R, D), of the queries' type.
    """
    B, H, W, K = query_BHWK.shape
    query_NWK = query_BHWK.to(key_BHMK.dtype).reshape(B * H, W, K)
    score_NWM = torch.bmm(query_NWK, key_BHMK.flatten(0, 1).mT)
    if bias is not None:
        score_NWM.view(B, H, W, -1).add_(bias)
    out_NWK = torch.bmm(score_NWM.softmax(2), value_BHMK.flatten(0, 1))
    return out_NWK.view(B, H, W, K).transpose(1, 2).reshape(B * W, H * K).to(query_BHWK.dtype)
