"""The decoder's step of a packed model: the operations of `DecoderLayer.step` in a row, without the modules around them.

A step of search on a CPU is some hundred operations on small matrices. Where few sentences are translated together, calling them through modules took
longer than the operations themselves. So here, and only here, what the layers compute is written a second time; tests hold both against each other.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtkit.engines.cpu.packed_cache import PackedCache
from mtkit.engines.cpu.packed_linear import PackedLinear, with_rows
from mtkit.model.layers import DecoderLayer

MakeLinear = Callable[[Tensor, Tensor | None], PackedLinear]


class PackedDecoder:
    """The layers of a decoder ready for steps of search.

    Args:
        layers: In evaluation mode, on a CPU; they must not change afterwards.
        final_norm: What follows the last layer.
        make: Packs a weight and its bias.
        is_exact: Whether a sentence's results may not depend on those beside it, not even in the last bits.
    """

    def __init__(
        self,
        layers: list[DecoderLayer],
        final_norm: nn.Module,
        make: MakeLinear,
        is_exact: bool = True,
    ) -> None:
        self.is_exact = is_exact
        self.layers = [_PackedLayer(layer, make) for layer in layers]
        self.final_norm = _norm(final_norm)
        self.fewest_rows = self.layers[0].inner.fewest_rows

    def __call__(self, x_BWD: Tensor, cache: PackedCache, bias_B1WM: Tensor | None) -> Tensor:
        """Take a step with W hypotheses of each sentence, from their embeddings to the last states. Shape (B, W, D) in and out."""
        B, W, D = x_BWD.shape
        # Once for all products.
        x_RD = with_rows(x_BWD.reshape(B * W, D), self.fewest_rows)
        bias_B1WC = cache.begin_step(W, bias_B1WM)
        for number, layer in enumerate(self.layers):
            x_RD = layer(x_RD, (B, W), cache, number, bias_B1WC)
        return self.final_norm(x_RD[: B * W]).view(B, W, D)


class _PackedLayer:
    def __init__(self, layer: DecoderLayer, make: MakeLinear) -> None:
        own, cross, feed_forward = (
            layer.self_attention.inner,
            layer.cross_attention.inner,
            layer.feed_forward.inner,
        )
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
        self.norms = [
            _norm(sublayer.norm)
            for sublayer in (layer.self_attention, layer.cross_attention, layer.feed_forward)
        ]

    def __call__(
        self,
        x_RD: Tensor,
        shape: tuple[int, int],
        cache: PackedCache,
        number: int,
        bias_B1WC: Tensor,
    ) -> Tensor:
        """Shape (R, D) in and out, for R = B x W rows, or more that count for nothing; `number` is this layer's own."""
        own_norm, cross_norm, feed_forward_norm = self.norms
        y_RD = own_norm(x_RD) if self.is_pre else x_RD
        attended_RD = self._attend_self(self.query_key_value(y_RD), shape, cache, number, bias_B1WC)
        x_RD = self.own_output(attended_RD).add_(x_RD)

        y_RD = cross_norm(x_RD) if self.is_pre else (x_RD := own_norm(x_RD))
        x_RD = self.cross_output(
            self._attend_sources(self.cross_query(y_RD), shape, cache, number)
        ).add_(x_RD)

        y_RD = feed_forward_norm(x_RD) if self.is_pre else (x_RD := cross_norm(x_RD))
        x_RD = self.outer(self._activated(y_RD)).add_(x_RD)
        return x_RD if self.is_pre else feed_forward_norm(x_RD)

    def _attend_self(
        self,
        fused: Tensor,
        shape: tuple[int, int],
        cache: PackedCache,
        number: int,
        bias_B1WC: Tensor,
    ) -> Tensor:
        """Queries, keys and values of the coming step side by side, shape (R, 3 D), to shape (R, D)."""
        n_rows = math.prod(shape)
        query, key, value = (
            _array(fused)[:n_rows].reshape(*shape, 3, self.n_heads, -1).transpose(2, 0, 3, 1, 4)
        )
        if self.rotary is not None:
            query, key = (
                self.rotary(torch.from_numpy(part), cache.n_steps, 0).numpy()
                for part in (query, key)
            )
        out_RD = torch.empty(n_rows, fused.size(1) // 3)
        _attend(
            query,
            *cache.append(number, key, value),
            bias_B1WC,
            out_RD.numpy().reshape(*shape, self.n_heads, -1).swapaxes(1, 2),
        )
        return _like(fused, out_RD)

    def _attend_sources(
        self, query_RD: Tensor, shape: tuple[int, int], cache: PackedCache, number: int
    ) -> Tensor:
        """Each hypothesis to its own source. Shape (R, D) in and out."""
        n_rows = math.prod(shape)
        query_BWHK = _array(query_RD)[:n_rows].reshape(*shape, self.n_heads, -1)
        if cache.order is not None:
            query_BWHK = query_BWHK[cache.order[0]]
        out_RD = torch.empty(n_rows, query_RD.size(1))
        out_BWHK = out_RD.numpy().reshape(query_BWHK.shape)
        start = 0
        for group in cache.groups:
            own = slice(start, start + len(group.places))
            _attend(
                query_BWHK[own].swapaxes(1, 2),
                *group.layers[number],
                group.bias_B11S,
                out_BWHK[own].swapaxes(1, 2),
            )
            start = own.stop
        if cache.order is not None:
            out_RD = torch.from_numpy(out_BWHK[cache.order[1]]).view(out_RD.shape)
        return _like(query_RD, out_RD)

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


def _like(other: Tensor, x_RD: Tensor) -> Tensor:
    """With as many rows, and of the same type."""
    return with_rows(x_RD if other.dtype == x_RD.dtype else x_RD.to(other.dtype), other.size(0))


def _array(x: Tensor) -> np.ndarray:
    """In float32."""
    return (x if x.dtype == torch.float32 else x.float()).numpy()


def _attend(
    query_BHWK: np.ndarray,
    key_BHMK: np.ndarray,
    value_BHMK: np.ndarray,
    bias: Tensor | None,
    out_BHWK: np.ndarray,
) -> None:
    """Attention with queries that are scaled already.

    The products are numpy's, which go from matrix to matrix with a routine for small ones: torch's take two to three times as long, and want heads
    side by side.

    Args:
        bias: Broadcasts to (B, H, W, M).
        out_BHWK: Where the result goes.
    """
    score_BHWM = torch.empty(*query_BHWK.shape[:3], key_BHMK.shape[2])
    score = score_BHWM.numpy()
    np.matmul(query_BHWK, key_BHMK.swapaxes(2, 3), out=score)
    if bias is not None:
        score_BHWM += bias
    torch.softmax(score_BHWM, 3, out=score_BHWM)
    np.matmul(score, value_BHMK, out=out_BHWK)
