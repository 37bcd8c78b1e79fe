"""The encoder and a step of the decoder, compiled.

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
    activation: int
    is_pre: bool
    is_rms: bool
    eps: float
    is_int8: bool


class Memory(NamedTuple):
    """Keys and values of the sources, to which the decoder attends."""

    states_LMX: np.ndarray
    """Keys and values, side by side, of all tokens, for each layer of the decoder."""
    start_B: np.ndarray
    """First token of each sentence, and behind them the number of all tokens."""


class Rows(NamedTuple):
    """Hypotheses that a step extends, one for each row."""

    token_ids_R: np.ndarray
    """Last tokens."""
    sentence_R: np.ndarray
    """Indices of the sentences that are translated."""
    ancestors_RT: np.ndarray
    """Rows of the cache: that of the ancestor at each step, and at the end its own one."""


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
def _embed(part: Part, token_ids_R: np.ndarray, position_R: np.ndarray, x_RD: np.ndarray) -> None:
    factor = np.float32(math.sqrt(x_RD.shape[1]))
    for r in range(len(x_RD)):
        token_id, position = token_ids_R[r], position_R[r]
        for d in range(x_RD.shape[1]):
            embedding = part.embedding_VD[token_id, d] * factor
            x_RD[r, d] = embedding + part.positions_PD[position, d]


@compiled
def encode(encoder: Part, shape: Shape, source_M: np.ndarray, memory: Memory) -> None:
    """Encode sentences.

    Like all that Python calls, this returns nothing: to return an array, Numba runs Python code, in
    which Ctrl-C takes effect, and crashes on the exception.

    Args:
        encoder: The encoder.
        shape: Shape of the model.
        source_M: Token ids of all sentences, one after the other, EOS included.
        memory: Has the places of the sentences; its states are computed.
    """
    M, D, weights = len(source_M), shape.d_model, encoder.weights
    start_B = memory.start_B
    x_MD, y_MD = np.empty((M, D), np.float32), np.empty((M, D), np.float32)
    attended_MD, fused_MX = np.empty((M, D), np.float32), np.empty((M, 3 * D), np.float32)
    row_M, position_M = np.arange(M), np.arange(M)
    weight_HX = np.empty((shape.n_heads, M + 3), np.float32)
    for b in range(len(start_B) - 1):
        for m in range(start_B[b], start_B[b + 1]):
            position_M[m] = m - start_B[b]
    _embed(encoder, source_M, position_M, x_MD)
    at = np.int64(0)
    for _ in range(shape.n_encoder_layers):
        at = _before(x_MD, weights, at, shape, y_MD)
        at = multiply(y_MD, weights, at, shape.is_int8, fused_MX)
        for b in range(len(start_B) - 1):
            row_S = row_M[start_B[b] : start_B[b + 1]]
            for m in row_S:
                attend(fused_MX[m], fused_MX, D, row_S, weight_HX, attended_MD[m])
        at = multiply(attended_MD, weights, at, shape.is_int8, y_MD)
        at = _after(x_MD, weights, at, shape, y_MD)
        at = _feed_forward(x_MD, weights, at, shape, y_MD)
    if shape.is_pre:
        at = normalize(x_MD, weights, at, shape.is_rms, shape.eps, x_MD)
    for layer in range(shape.n_decoder_layers):
        at = multiply(x_MD, weights, at, shape.is_int8, memory.states_LMX[layer])


@compiled
def decode_step(
    decoder: Part,
    shape: Shape,
    memory: Memory,
    rows: Rows,
    cache_CX: np.ndarray,
) -> np.ndarray:
    """Extend hypotheses by one token.

    Args:
        decoder: The decoder.
        shape: Shape of the model.
        memory: From `encode`.
        rows: The hypotheses.
        cache_CX: Keys and values of all layers, side by side, of earlier steps; those of this one
            are written.
    Returns:
        Inputs of the output layer. Shape (R, D).
    """
    (R, T), D, weights = rows.ancestors_RT.shape, shape.d_model, decoder.weights
    start_B = memory.start_B
    x_RD, y_RD = np.empty((R, D), np.float32), np.empty((R, D), np.float32)
    attended_RD, fused_RX = np.empty((R, D), np.float32), np.empty((R, 3 * D), np.float32)
    query_RD, row_M = np.empty((R, D), np.float32), np.arange(start_B[-1])
    weight_HX = np.empty((shape.n_heads, max(T, len(row_M)) + 3), np.float32)
    _embed(decoder, rows.token_ids_R, np.full(R, T - 1), x_RD)
    at = np.int64(0)
    for layer in range(shape.n_decoder_layers):
        at = _before(x_RD, weights, at, shape, y_RD)
        at = multiply(y_RD, weights, at, shape.is_int8, fused_RX)
        first = layer * 2 * D
        for r in range(R):
            own_X, fused_X = cache_CX[rows.ancestors_RT[r, T - 1], first:], fused_RX[r, D:]
            for x in range(2 * D):
                own_X[x] = fused_X[x]
        for r in range(R):
            ancestors_T = rows.ancestors_RT[r]
            attend(fused_RX[r], cache_CX, first, ancestors_T, weight_HX, attended_RD[r])
        at = multiply(attended_RD, weights, at, shape.is_int8, y_RD)
        at = _after(x_RD, weights, at, shape, y_RD)

        at = _before(x_RD, weights, at, shape, y_RD)
        at = multiply(y_RD, weights, at, shape.is_int8, query_RD)
        for r in range(R):
            b = rows.sentence_R[r]
            row_S = row_M[start_B[b] : start_B[b + 1]]
            attend(query_RD[r], memory.states_LMX[layer], 0, row_S, weight_HX, attended_RD[r])
        at = multiply(attended_RD, weights, at, shape.is_int8, y_RD)
        at = _after(x_RD, weights, at, shape, y_RD)

        at = _feed_forward(x_RD, weights, at, shape, y_RD)
    if shape.is_pre:
        at = normalize(x_RD, weights, at, shape.is_rms, shape.eps, x_RD)
    return x_RD
