"""Log-softmax and selection of the most probable tokens in one pass, compiled."""

import numpy as np

from mtkit.engines.cpu.compiled.kernels import compiled, fast_max, log_sum_exp

_BLOCK = 64
"""Logits that are looked at one by one only if the largest of them is good enough."""


@compiled
def top_tokens(
    logits_RV: np.ndarray,
    never: np.ndarray,
    eos: int,
    log_prob_RC: np.ndarray,
    token_RC: np.ndarray,
    eos_log_prob_R: np.ndarray,
) -> None:
    """Find the C most probable tokens of each row; the logits are changed.

    Args:
        logits_RV: Logits of all tokens.
        never: Tokens that are impossible, although they have a probability.
        eos: EOS.
        log_prob_RC: Receives log-probabilities in descending order.
        token_RC: Receives the tokens.
        eos_log_prob_R: Receives the log-probabilities of EOS.
    """
    V = logits_RV.shape[1]
    for r in range(len(logits_RV)):
        logits_V, log_prob_C, token_C = logits_RV[r], log_prob_RC[r], token_RC[r]
        normalizer = log_sum_exp(logits_V)
        eos_log_prob_R[r] = logits_V[eos] - normalizer
        for token in never:
            logits_V[token] = -np.inf
        for c in range(len(log_prob_C)):
            log_prob_C[c], token_C[c] = -np.inf, 0
        for first in range(0, V, _BLOCK):
            block_X = logits_V[first : min(first + _BLOCK, V)]
            largest = block_X[0]
            for x in range(len(block_X)):
                largest = fast_max(largest, block_X[x])  # pyright: ignore[reportCallIssue]
            if largest > log_prob_C[-1]:
                for x in range(len(block_X)):
                    _insert(block_X[x], first + x, log_prob_C, token_C)
        for c in range(len(log_prob_C)):
            log_prob_C[c] -= normalizer


@compiled
def _insert(logit: float, token: int, logit_C: np.ndarray, token_C: np.ndarray) -> None:
    """Insert a token, if it is better than the last one."""
    c = len(logit_C) - 1
    if not logit > logit_C[c]:
        return
    while c > 0 and logit_C[c - 1] < logit:
        logit_C[c], token_C[c] = logit_C[c - 1], token_C[c - 1]
        c -= 1
    logit_C[c], token_C[c] = logit, token
