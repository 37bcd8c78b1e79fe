"""Output layer, log-sum-exp and selection of the most probable tokens, compiled."""

import math
from typing import NamedTuple

import numpy as np

from mtkit.engines.cpu.compiled.kernels import compiled, fast_exp, fast_max
from mtkit.engines.cpu.compiled.layers import Weights
from mtkit.engines.cpu.compiled.products import Inputs, multiply_outputs

_PART = 512
"""Tokens whose logits are computed at a time: the logits of all rows stay in the cache, and each
weight is read once."""
_BLOCK = 64
"""Logits that are looked at one by one only if the largest of them is good enough."""
_SMALLEST = np.float32(-1e30)
"""Less than any logit, and finite: the exponentials of impossible tokens are relative to it."""


class Vocabulary(NamedTuple):
    """Tokens that a search chooses from. Elsewhere a token is an index into them."""

    weights: Weights
    """Output layer of these tokens."""
    token_ids_V: np.ndarray
    eos: int
    never: np.ndarray
    """Tokens that are impossible, although they have a probability."""
    bias_BV: np.ndarray
    """Minus infinity at tokens that are not in the list of a sentence, else zero; of shape (0, 0)
    if there are no lists."""


class TopTokens(NamedTuple):
    """The most probable next tokens of each row."""

    logit_RC: np.ndarray
    """In descending order; minus infinity where there are fewer."""
    index_RC: np.ndarray
    eos_logit_R: np.ndarray
    """Logit of EOS, whether it is among them or not."""
    normalizer_R: np.ndarray
    """Logarithm of the sum of the exponentials of all logits."""


@compiled
def find_top_tokens(
    inputs: Inputs,
    sentence_R: np.ndarray,
    vocabulary: Vocabulary,
    n_tokens: int,
    may_end: bool,
) -> TopTokens:
    """Find the most probable tokens of each row.

    Args:
        inputs: Inputs of the output layer.
        sentence_R: Index of each row's sentence.
        vocabulary: The tokens.
        n_tokens: Number of tokens to find.
        may_end: Whether EOS is possible.
    """
    R, V, eos = len(sentence_R), len(vocabulary.token_ids_V), vocabulary.eos
    top = TopTokens(
        np.full((R, n_tokens), -np.inf, np.float32),
        np.zeros((R, n_tokens), np.int64),
        np.empty(R, np.float32),
        np.empty(R, np.float32),
    )
    largest_R, sum_R = np.full(R, _SMALLEST, np.float32), np.zeros(R, np.float32)
    for first in range(0, V, _PART):
        X = min(_PART, V - first)
        logits_RX = np.empty((R, X), np.float32)
        multiply_outputs(inputs, vocabulary.weights, 0, V, first, logits_RX)
        for r in range(R):
            logits_X = logits_RX[r]
            if len(vocabulary.bias_BV):
                bias_X = vocabulary.bias_BV[sentence_R[r], first:]
                for x in range(X):
                    logits_X[x] += bias_X[x]
            add_exponentials(logits_X, r, largest_R, sum_R)
            if first <= eos < first + X:
                top.eos_logit_R[r] = logits_X[eos - first]
                if not may_end:
                    logits_X[eos - first] = -np.inf
            for token in vocabulary.never:
                if first <= token < first + X:
                    logits_X[token - first] = -np.inf
            select(logits_X, first, top.logit_RC[r], top.index_RC[r])
    for r in range(R):
        top.normalizer_R[r] = largest_R[r] + np.float32(math.log(sum_R[r]))
    return top


@compiled
def add_exponentials(x_X: np.ndarray, r: int, largest_R: np.ndarray, sum_R: np.ndarray) -> None:
    """Add exponentials of values to the sum of a row, relative to the largest value so far."""
    before = largest = largest_R[r]
    for x in range(len(x_X)):
        largest = fast_max(largest, x_X[x])  # pyright: ignore[reportCallIssue]
    total = sum_R[r] * fast_exp(before - largest)
    for x in range(len(x_X)):
        total += fast_exp(x_X[x] - largest)
    largest_R[r], sum_R[r] = largest, total


@compiled
def select(logits_X: np.ndarray, first: int, logit_C: np.ndarray, index_C: np.ndarray) -> None:
    """Insert tokens, numbered from the first one, into those with the largest logits."""
    X = len(logits_X)
    for start in range(0, X, _BLOCK):
        # Indices into the whole row might be negative, and their loop would not be vectorized.
        block_X = logits_X[start : min(start + _BLOCK, X)]
        largest = block_X[0]
        for x in range(len(block_X)):
            largest = fast_max(largest, block_X[x])  # pyright: ignore[reportCallIssue]
        if largest > logit_C[-1]:
            for x in range(len(block_X)):
                insert(block_X[x], first + start + x, logit_C, index_C)


@compiled
def insert(value: float, number: int, value_C: np.ndarray, number_C: np.ndarray) -> None:
    """Insert a value with its number into descending values, if it is larger than the last one."""
    c = len(value_C) - 1
    if not value > value_C[c]:
        return
    while c > 0 and value_C[c - 1] < value:
        value_C[c], number_C[c] = value_C[c - 1], number_C[c - 1]
        c -= 1
    value_C[c], number_C[c] = value, number
