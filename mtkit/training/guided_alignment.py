"""Guided alignment: an attention head of the decoder learns given word alignments."""

from types import MappingProxyType

import torch
from torch import Tensor

from mtkit.training.loss.terms import Loss


def alignment_loss(log_weights_BTS: Tensor, alignment: Tensor) -> Tensor:
    """Return the cross-entropy of attention weights and word alignments, summed over target tokens.

    The cross-entropy of Chen et al. 2016 (arXiv:1607.01628), and Marian's guided alignment cost
    `ce`: a token aligned to n source tokens should attend to each with weight 1/n, and costs the
    negative mean of their n log-weights. A token without alignment costs nothing.

    Args:
        log_weights_BTS: Logarithms of the attention weights.
        alignment: Row, target position and source position of each link, without duplicates.
            Shape (3, links).
    Returns:
        Scalar, in nats.
    """
    B, T, S = log_weights_BTS.shape
    row, target, source = alignment
    token = row * T + target
    ones = torch.ones_like(token, dtype=log_weights_BTS.dtype)
    n_links_BT = log_weights_BTS.new_zeros(B * T).index_add_(0, token, ones)
    # Selected by index only, so the device is not synchronized.
    log_weights = log_weights_BTS.flatten().index_select(0, token * S + source)
    return -(log_weights / n_links_BT.index_select(0, token)).sum()


def add_alignment_loss(
    loss: Loss, log_weights_BTS: Tensor, alignment: Tensor, weight: float, n_passes: int
) -> Loss:
    """Add the weighted alignment loss, averaged over passes of the same sentences, to a loss.

    Args:
        loss: Loss of the target tokens.
        log_weights_BTS: Logarithms of the attention weights of all passes, concatenated.
        alignment: Alignment of one pass, see `alignment_loss`.
        weight: training.alignment_weight.
        n_passes: Number of passes.
    """
    passes = log_weights_BTS.chunk(n_passes)
    aligned = torch.stack([alignment_loss(pass_BTS, alignment) for pass_BTS in passes]).mean()
    return loss._replace(
        total=loss.total + weight * aligned,
        parts=MappingProxyType({**loss.parts, "alignment": aligned.detach()}),
    )
