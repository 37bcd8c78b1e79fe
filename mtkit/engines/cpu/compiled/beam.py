"""Beam search for one sentence, compiled."""

import numpy as np

from mtkit.engines.cpu.compiled.kernels import compiled, log_sum_exp
from mtkit.engines.cpu.compiled.layers import Shape, Weights, decode_step

_BLOCK = 64
"""Logits that are looked at one by one only if the largest of them is good enough."""


@compiled
def search(
    weights: Weights,
    shape: Shape,
    embedding_VD: np.ndarray,
    positions_PD: np.ndarray,
    memory_LSX: np.ndarray,
    bos: int,
    eos: int,
    never: np.ndarray,
    n_beam: int,
    n_best: int,
    min_length: int,
    penalties: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Search as `beam_search` does without penalties, groups and constraints.

    Args:
        memory_LSX: From `encode`.
        positions_PD: Vectors that are added to the embeddings.
        never: Tokens that are impossible.
        penalties: Divisor of the log-probability of a hypothesis of each length, EOS included, from
            length 0 to the maximum length.
    Returns:
        Tokens of the finished hypotheses, shape (N, T); their lengths without EOS,
        log-probabilities and scores, each of shape (N,).
    """
    max_steps, L, D = len(penalties) - 1, shape.n_decoder_layers, shape.d_model
    cache_LRX = np.empty((L, max_steps * n_beam, 2 * D), np.float32)
    ancestors_WT = np.empty((n_beam, max_steps), np.int64)
    tokens_WT = np.empty((n_beam, max_steps), np.int64)
    next_ancestors_WT = np.empty((n_beam, max_steps), np.int64)
    next_tokens_WT = np.empty((n_beam, max_steps), np.int64)
    found_NT = np.empty((2 * n_beam, max_steps), np.int64)
    length_N, log_prob_N = np.empty(2 * n_beam, np.int64), np.empty(2 * n_beam, np.float32)
    score_N = np.empty(2 * n_beam, np.float64)
    value_X, parent_X = np.empty(2 * n_beam, np.float32), np.empty(2 * n_beam, np.int64)
    token_X = np.empty(2 * n_beam, np.int64)
    last_W, total_W = np.empty(n_beam, np.int64), np.empty(n_beam, np.float32)
    logits_WV = np.empty((n_beam, shape.vocab_size), np.float32)
    last_W[0], total_W[0] = bos, 0.0
    n_live, n_found = 1, 0
    for step in range(max_steps):
        length = step + 1
        for w in range(n_live):
            ancestors_WT[w, step] = step * n_beam + w
        decode_step(
            weights,
            shape,
            embedding_VD,
            positions_PD,
            memory_LSX,
            last_W,
            step,
            cache_LRX,
            ancestors_WT,
            logits_WV[:n_live],
        )
        for x in range(2 * n_beam):
            value_X[x] = -np.inf
        for w in range(n_live):
            offset = total_W[w] - log_sum_exp(logits_WV[w])
            if length == max_steps:
                _insert(logits_WV[w, eos] + offset, w, eos, value_X, parent_X, token_X)
                continue
            for token in never:
                logits_WV[w, token] = -np.inf
            if length <= min_length:
                logits_WV[w, eos] = -np.inf
            _select(logits_WV[w], offset, w, value_X, parent_X, token_X)
        # EOS among the best continuations ends a hypothesis; the best others stay in the beam.
        n_next = 0
        for x in range(2 * n_beam):
            if value_X[x] == -np.inf:
                break
            parent = parent_X[x]
            if token_X[x] == eos:
                if x < n_beam:
                    for t in range(step):
                        found_NT[n_found, t] = tokens_WT[parent, t]
                    length_N[n_found], log_prob_N[n_found] = step, value_X[x]
                    score_N[n_found] = np.float64(value_X[x]) / penalties[length]
                    n_found += 1
            elif n_next < n_beam:
                for t in range(step):
                    next_tokens_WT[n_next, t] = tokens_WT[parent, t]
                for t in range(length):
                    next_ancestors_WT[n_next, t] = ancestors_WT[parent, t]
                next_tokens_WT[n_next, step] = token_X[x]
                last_W[n_next], total_W[n_next] = token_X[x], value_X[x]
                n_next += 1
        ancestors_WT, next_ancestors_WT = next_ancestors_WT, ancestors_WT
        tokens_WT, next_tokens_WT = next_tokens_WT, tokens_WT
        n_live = n_next
        if n_live == 0 or n_found >= n_beam:
            break
        if n_found >= n_best:
            bound, n_better = np.float64(total_W[0]) / penalties[max_steps], 0
            for n in range(n_found):
                n_better += score_N[n] >= bound
            if n_better >= n_best:
                break
    return found_NT[:n_found], length_N[:n_found], log_prob_N[:n_found], score_N[:n_found]


@compiled
def _select(
    logits_V: np.ndarray,
    offset: float,
    parent: int,
    value_X: np.ndarray,
    parent_X: np.ndarray,
    token_X: np.ndarray,
) -> None:
    """Insert the best continuations of a hypothesis into the best of all hypotheses."""
    V = len(logits_V)
    for first in range(0, V, _BLOCK):
        last = min(first + _BLOCK, V)
        largest = logits_V[first]
        for v in range(first, last):
            largest = max(largest, logits_V[v])
        if largest + offset > value_X[-1]:
            for v in range(first, last):
                if logits_V[v] + offset > value_X[-1]:
                    _insert(logits_V[v] + offset, parent, v, value_X, parent_X, token_X)


@compiled
def _insert(
    value: float,
    parent: int,
    token: int,
    value_X: np.ndarray,
    parent_X: np.ndarray,
    token_X: np.ndarray,
) -> None:
    """Insert a continuation into the best ones, which are in descending order."""
    x = len(value_X) - 1
    if not value > value_X[x]:
        return
    while x > 0 and value_X[x - 1] < value:
        value_X[x], parent_X[x], token_X[x] = value_X[x - 1], parent_X[x - 1], token_X[x - 1]
        x -= 1
    value_X[x], parent_X[x], token_X[x] = value, parent, token
