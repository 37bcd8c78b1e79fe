"""The encoder and a step of the decoder for one sentence, compiled.

The weights are packed in the order in which they are read: each function takes the position of its
weights, and returns the position after them.
"""

import math
from typing import NamedTuple

import numpy as np

from mtkit.engines.cpu.compiled.attention import attend
from mtkit.engines.cpu.compiled.kernels import activate, compiled, normalize
from mtkit.engines.cpu.compiled.products import multiply


class Weights(NamedTuple):
    """Packed weights. Positions in them are counted in float32 values."""

    floats: np.ndarray
    """Float32."""
    bytes: np.ndarray
    """The same memory as int8."""


class Part(NamedTuple):
    """An encoder or a decoder."""

    weights: Weights
    """Weights of all layers; an encoder's end with the decoder's projections of its output."""
    embedding_VD: np.ndarray
    positions_PD: np.ndarray
    """Vectors that are added to the embeddings."""


class Shape(NamedTuple):
    """Dimensions and kinds of a model's layers."""

    d_model: int
    d_ff: int
    n_heads: int
    n_encoder_layers: int
    n_decoder_layers: int
    vocab_size: int
    """Size of the target vocabulary."""
    activation: int
    is_pre: bool
    is_rms: bool
    eps: float
    is_int8: bool


@compiled
def _before(x_RD: np.ndarray, weights: Weights, at: int, shape: Shape, y_RD: np.ndarray) -> int:
    """Start a sublayer: write its input to y."""
    if shape.is_pre:
        return normalize(x_RD, weights, at, shape.is_rms, shape.eps, y_RD)
    for r in range(len(x_RD)):
        for d in range(shape.d_model):
            y_RD[r, d] = x_RD[r, d]
    return at


@compiled
def _after(x_RD: np.ndarray, weights: Weights, at: int, shape: Shape, y_RD: np.ndarray) -> int:
    """End a sublayer: add its output y to x."""
    for r in range(len(x_RD)):
        for d in range(shape.d_model):
            x_RD[r, d] += y_RD[r, d]
    if shape.is_pre:
        return at
    return normalize(x_RD, weights, at, shape.is_rms, shape.eps, x_RD)


@compiled
def _feed_forward(
    x_RD: np.ndarray, weights: Weights, at: int, shape: Shape, y_RD: np.ndarray
) -> int:
    inner_RF = np.empty((len(x_RD), shape.d_ff), np.float32)
    at = _before(x_RD, weights, at, shape, y_RD)
    at = multiply(y_RD, weights, at, shape.is_int8, inner_RF)
    activate(inner_RF, shape.activation)
    at = multiply(inner_RF, weights, at, shape.is_int8, y_RD)
    return _after(x_RD, weights, at, shape, y_RD)


@compiled
def _embed(part: Part, token_ids_R: np.ndarray, first: int, stride: int, x_RD: np.ndarray) -> None:
    factor = np.float32(math.sqrt(x_RD.shape[1]))
    for r in range(len(x_RD)):
        token_id, position = token_ids_R[r], first + stride * r
        for d in range(x_RD.shape[1]):
            embedding = part.embedding_VD[token_id, d] * factor
            x_RD[r, d] = embedding + part.positions_PD[position, d]


@compiled
def encode(encoder: Part, shape: Shape, source_S: np.ndarray) -> np.ndarray:
    """Encode a sentence.

    Args:
        encoder: The encoder.
        shape: Shape of the model.
        source_S: Token ids, EOS included.
    Returns:
        Keys and values of the decoder's layers, side by side. Shape (L, S, 2 D).
    """
    S, D, weights = len(source_S), shape.d_model, encoder.weights
    x_SD, y_SD = np.empty((S, D), np.float32), np.empty((S, D), np.float32)
    attended_SD, fused_SX = np.empty((S, D), np.float32), np.empty((S, 3 * D), np.float32)
    row_S, weight_HX = np.arange(S), np.empty((shape.n_heads, S + 3), np.float32)
    _embed(encoder, source_S, 0, 1, x_SD)
    at = np.int64(0)
    for _ in range(shape.n_encoder_layers):
        at = _before(x_SD, weights, at, shape, y_SD)
        at = multiply(y_SD, weights, at, shape.is_int8, fused_SX)
        for s in range(S):
            attend(fused_SX[s], fused_SX, D, row_S, weight_HX, attended_SD[s])
        at = multiply(attended_SD, weights, at, shape.is_int8, y_SD)
        at = _after(x_SD, weights, at, shape, y_SD)
        at = _feed_forward(x_SD, weights, at, shape, y_SD)
    if shape.is_pre:
        at = normalize(x_SD, weights, at, shape.is_rms, shape.eps, x_SD)
    memory_LSX = np.empty((shape.n_decoder_layers, S, 2 * D), np.float32)
    for layer in range(shape.n_decoder_layers):
        at = multiply(x_SD, weights, at, shape.is_int8, memory_LSX[layer])
    return memory_LSX


@compiled
def decode_step(
    decoder: Part,
    shape: Shape,
    memory_LSX: np.ndarray,
    token_ids_W: np.ndarray,
    step: int,
    cache_LRX: np.ndarray,
    ancestors_WT: np.ndarray,
    logits_WV: np.ndarray,
) -> None:
    """Extend the hypotheses by one token.

    Args:
        decoder: The decoder.
        shape: Shape of the model.
        memory_LSX: From `encode`.
        token_ids_W: Last token of each hypothesis.
        step: Number of earlier steps.
        cache_LRX: Keys and values, side by side, of all steps; those of this one are written.
        ancestors_WT: Row of the cache of the ancestor of each hypothesis at each step, and of its
            own at this one.
        logits_WV: Receives the logits of W hypotheses.
    """
    W, D, S, weights = len(logits_WV), shape.d_model, memory_LSX.shape[1], decoder.weights
    x_WD, y_WD = np.empty((W, D), np.float32), np.empty((W, D), np.float32)
    attended_WD, fused_WX = np.empty((W, D), np.float32), np.empty((W, 3 * D), np.float32)
    query_WD, row_S = np.empty((W, D), np.float32), np.arange(S)
    weight_HX = np.empty((shape.n_heads, max(step + 1, S) + 3), np.float32)
    _embed(decoder, token_ids_W, step, 0, x_WD)
    at = np.int64(0)
    for layer in range(shape.n_decoder_layers):
        at = _before(x_WD, weights, at, shape, y_WD)
        at = multiply(y_WD, weights, at, shape.is_int8, fused_WX)
        cache_RX = cache_LRX[layer]
        for w in range(W):
            for x in range(2 * D):
                cache_RX[ancestors_WT[w, step], x] = fused_WX[w, D + x]
        for w in range(W):
            rows, out_D = ancestors_WT[w, : step + 1], attended_WD[w]
            attend(fused_WX[w], cache_RX, 0, rows, weight_HX, out_D)
        at = multiply(attended_WD, weights, at, shape.is_int8, y_WD)
        at = _after(x_WD, weights, at, shape, y_WD)

        at = _before(x_WD, weights, at, shape, y_WD)
        at = multiply(y_WD, weights, at, shape.is_int8, query_WD)
        for w in range(W):
            out_D = attended_WD[w]
            attend(query_WD[w], memory_LSX[layer], 0, row_S, weight_HX, out_D)
        at = multiply(attended_WD, weights, at, shape.is_int8, y_WD)
        at = _after(x_WD, weights, at, shape, y_WD)

        at = _feed_forward(x_WD, weights, at, shape, y_WD)
    if shape.is_pre:
        at = normalize(x_WD, weights, at, shape.is_rms, shape.eps, x_WD)
    multiply(x_WD, weights, at, shape.is_int8, logits_WV)
