"""Against loops: no run of pieces twice, and a penalty for pieces that are there already."""

import math

import torch
from torch import Tensor


def block_repeated_ngrams(log_probs_BWV: Tensor, tokens_BWT: Tensor, n: int) -> None:
    """Make every piece impossible that would write a run of n pieces for the second time (Paulus et al. 2018, arXiv:1705.04304, section 2.5).

    Args:
        log_probs_BWV: Of the next pieces; changed in place.
        tokens_BWT: The pieces so far.
        n: Length of a run, at least 1.
    """
    T = tokens_BWT.size(2)
    if n > T:
        return
    ends_BWX = tokens_BWT[:, :, n - 1 :]
    if n > 1:
        runs_BWXn = tokens_BWT.unfold(2, n, 1)[:, :, :, : n - 1]
        is_begun_BWX = (runs_BWXn == tokens_BWT[:, :, None, T - n + 1 :]).all(3)
    else:
        is_begun_BWX = torch.ones_like(ends_BWX, dtype=torch.bool)
    penalty_BWX = torch.zeros_like(ends_BWX, dtype=log_probs_BWV.dtype).masked_fill(
        is_begun_BWX, -math.inf
    )
    log_probs_BWV.scatter_add_(2, ends_BWX, penalty_BWX)


def penalise_repeated(log_probs_BWV: Tensor, tokens_BWT: Tensor, penalty: float) -> Tensor:
    """Make pieces that are there already less probable (Keskar et al. 2019, arXiv:1909.05858, section 4.1).

    Their log-probabilities are multiplied by the penalty; then all are made to sum to 1 again.

    Args:
        log_probs_BWV: Of the next pieces.
        tokens_BWT: The pieces so far.
        penalty: 1 changes nothing.
    Returns:
        Shape (B, W, V).
    """
    seen_BWT = log_probs_BWV.gather(2, tokens_BWT)
    return log_probs_BWV.scatter(2, tokens_BWT, seen_BWT * penalty).log_softmax(2)
