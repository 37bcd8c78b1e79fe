"""The decoder's step with packed weights: `DecoderLayer.step` without the modules around it.

A step of search on a CPU is some hundred operations on small matrices. For small batches, calling
them through modules took longer than the operations themselves. That is why the layers' computation
is written a second time here, and only here; tests compare the two, and so does every
`CpuScorer` when it is made.
"""

import math
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from mtkit.engines.cpu.packed_cache import KeyValue, PackedCache, SourceGroup, StepCache, bias_of
from mtkit.engines.cpu.packed_linear import as_array, like, with_rows
from mtkit.engines.cpu.packed_model import MakeLinear, activated
from mtkit.engines.position_table import PositionTable
from mtkit.engines.protocol import UnsupportedModelError
from mtkit.model.attention import CrossAttention, SelfAttention
from mtkit.model.layers import DecoderLayer, FeedForward, Sublayer
from mtkit.model.positions import LearnedPositions, RotaryPositions
from mtkit.model.transformer import Memory, Transformer


class PackedDecoder:
    """A model's decoder, ready for steps of search.

    Args:
        model: A `packed_copy` in evaluation mode, whose weights no longer change.
        make: Packs a weight and its bias.
        is_exact: Whether a sentence's results must not depend on the rest of the batch, not even in
            the last bits.
    Raises:
        UnsupportedModelError: The model has a part that this decoder does not know.
    """

    def __init__(self, model: Transformer, make: MakeLinear, is_exact: bool) -> None:
        _check_parts(model)
        self.is_exact = is_exact
        self.model = model
        self.decoder_layers = cast(list[DecoderLayer], list(model.decoder_layers))
        self.layers = [_PackedLayer(layer, make) for layer in self.decoder_layers]
        self.final_norm = _norm(model.decoder_norm)
        self.min_rows = self.layers[0].inner.min_rows

    def start_cache(self, memories: Sequence[Memory], rows: Sequence[list[int]]) -> PackedCache:
        """Make the cache for decoding the sentences of several memories in one batch.

        Args:
            memories: Outputs of the encoder, padded to different lengths.
            rows: For each memory the rows that its sentences take in the batch; together they are
                all rows.
        """
        groups = [
            SourceGroup(own, self._project(memory), _source_bias(memory.may_attend_B11S))
            for memory, own in zip(memories, rows, strict=True)
        ]
        return PackedCache(groups, may_drop=not self.is_exact)

    def _project(self, memory: Memory) -> list[KeyValue]:
        return [
            (_contiguous(key), _contiguous(value))
            for key, value in (
                layer.cross_attention.inner.project(memory.states_BSD)
                for layer in self.decoder_layers
            )
        ]

    def step(self, token_ids_BW: Tensor, cache: StepCache, may_attend_BWM: Tensor | None) -> Tensor:
        """Extend W hypotheses of each sentence by one token; see `Transformer.decode_step`.

        Returns:
            The decoder's last hidden states. Shape (B, W, D).
        """
        B, W = token_ids_BW.shape
        x_BWD = self._embed(token_ids_BW, cache.n_steps)
        # Padded once for all products.
        x_RD = with_rows(x_BWD.reshape(B * W, -1), self.min_rows)
        cache.begin_step(W, may_attend_BWM)
        for number, layer in enumerate(self.layers):
            x_RD = layer(x_RD, cache, number)
        cache.n_steps += 1
        return self.final_norm(x_RD[: B * W]).view(x_BWD.shape)

    def _embed(self, token_ids_BW: Tensor, position: int) -> Tensor:
        x_BWD, positions = self.model.tgt_embedding(token_ids_BW), self.model.tgt_positions
        if isinstance(positions, PositionTable):
            table_PD = positions.reaching(position + 1, x_BWD.device)
        elif isinstance(positions, LearnedPositions):
            table_PD = positions.weight
        else:
            return x_BWD
        return x_BWD + table_PD[position : position + 1].to(x_BWD.dtype)


class _PackedLayer:
    def __init__(self, layer: DecoderLayer, make: MakeLinear) -> None:
        attention, cross, feed_forward = (
            layer.self_attention.inner,
            layer.cross_attention.inner,
            layer.feed_forward.inner,
        )
        self.is_pre = layer.self_attention.is_pre
        self.n_heads, self.rotary = attention.n_heads, attention.rotary
        d_model = attention.output.in_features
        # The factor 1 / sqrt(K) of the scores is multiplied into the weights of the queries.
        scale = torch.ones(3 * d_model, 1, dtype=attention.output.weight.dtype)
        scale[:d_model] = 1.0 / math.sqrt(d_model // attention.n_heads)
        fused, query = attention.query_key_value, cross.query
        self.query_key_value = make(fused.weight * scale, fused.bias * scale[:, 0])
        self.attention_output = make(attention.output.weight, attention.output.bias)
        self.cross_query = make(query.weight * scale[:d_model], query.bias * scale[:d_model, 0])
        self.cross_output = make(cross.output.weight, cross.output.bias)
        self.inner = make(feed_forward.inner.weight, feed_forward.inner.bias)
        self.outer = make(feed_forward.outer.weight, feed_forward.outer.bias)
        self.activation = feed_forward.activation
        self.norms = [
            _norm(sublayer.norm)
            for sublayer in (layer.self_attention, layer.cross_attention, layer.feed_forward)
        ]

    def __call__(self, x_RD: Tensor, cache: StepCache, number: int) -> Tensor:
        """Run the layer. Shape (R, D) in and out, with R = B x W rows and perhaps padding.

        Args:
            number: Index of this layer.
        """
        attention_norm, cross_norm, feed_forward_norm = self.norms
        y_RD = attention_norm(x_RD) if self.is_pre else x_RD
        fused = self.query_key_value(y_RD)
        attended_RD = cache.attend_to_past(number, as_array(fused), self.n_heads, self.rotary)
        x_RD = self.attention_output(like(fused, attended_RD)).add_(x_RD)

        y_RD = cross_norm(x_RD) if self.is_pre else (x_RD := attention_norm(x_RD))
        query_RD = self.cross_query(y_RD)
        attended_RD = cache.attend_to_sources(number, as_array(query_RD), self.n_heads)
        x_RD = self.cross_output(like(query_RD, attended_RD)).add_(x_RD)

        y_RD = feed_forward_norm(x_RD) if self.is_pre else (x_RD := cross_norm(x_RD))
        x_RD = self.outer(activated(self.inner, y_RD, self.activation)).add_(x_RD)
        return x_RD if self.is_pre else feed_forward_norm(x_RD)


def _norm(norm: nn.Module) -> Callable[[Tensor], Tensor]:
    if isinstance(norm, nn.LayerNorm):
        # Without the module's call, which takes as long as the operation.
        shape, weight, bias, eps = norm.normalized_shape, norm.weight, norm.bias, norm.eps
        return lambda x: torch.layer_norm(x, shape, weight, bias, eps)
    return norm.forward


def _source_bias(may_attend: Tensor) -> Tensor | None:
    """Convert a mask of sources; None if there is no padding, which saves an addition per step."""
    return None if bool(may_attend.all()) else bias_of(may_attend)


def _contiguous(x_BHSK: Tensor) -> np.ndarray:
    # Read at every step, head by head.
    return x_BHSK.to(torch.float32, memory_format=torch.contiguous_format, copy=True).numpy()


def _check_parts(model: Transformer) -> None:
    known = {SelfAttention, CrossAttention, FeedForward}
    parts: list[nn.Module] = []
    for layer in cast(list[DecoderLayer], list(model.decoder_layers)):
        sublayers = (layer.self_attention, layer.cross_attention, layer.feed_forward)
        if type(layer) is not DecoderLayer or {type(one) for one in sublayers} != {Sublayer}:
            parts.append(layer)
        parts += [one.inner for one in sublayers if type(one.inner) not in known]
        if type(layer.self_attention.inner) is SelfAttention:
            rotary = layer.self_attention.inner.rotary
            parts += [] if rotary is None or type(rotary) is RotaryPositions else [rotary]
    positions = model.tgt_positions
    if positions is not None and type(positions) not in (PositionTable, LearnedPositions):
        parts.append(positions)
    if parts:
        raise UnsupportedModelError(f"{type(parts[0]).__name__} is not known to the CPU engine")
