"""Guided alignment: a head of the decoder's attention learns word alignments from outside."""

from types import MappingProxyType

import torch
from torch import Tensor

from mtkit.training.loss import Loss


def alignment_loss(log_weights_BTS: Tensor, alignment: Tensor) -> Tensor:
    """Cross-entropy between where a head looks and where it should, summed over the target tokens that are aligned.

    The cross-entropy of Chen et al. 2016 (arXiv:1607.01628), and Marian's guided alignment cost `ce`: of a token that is aligned to n source
    pieces each should have the share 1/n of the attention, so that it costs minus the mean of their n logarithms. A token that is not aligned
    costs nothing.

    Args:
        log_weights_BTS: Logarithms of the attention weights.
        alignment: Row, target place and source place of each link, no link twice. Shape (3, links).
    Returns:
        Scalar, in nats.
    """
    B, T, S = log_weights_BTS.shape
    row, target, source = alignment
    token = row * T + target
    n_links_BT = log_weights_BTS.new_zeros(B * T).index_add_(
        0, token, torch.ones_like(token, dtype=log_weights_BTS.dtype)
    )
    # Picked by places alone: a link's weight is known without asking the device for anything.
    log_weights = log_weights_BTS.flatten().index_select(0, token * S + source)
    return -(log_weights / n_links_BT.index_select(0, token)).sum()


def add_alignment_loss(
    loss: Loss, log_weights_BTS: Tensor, alignment: Tensor, weight: float, n_passes: int
) -> Loss:
    """A loss and, with its weight, that of the alignment, the mean over the passes of the same sentences.

    Args:
        loss: Of the target tokens.
        log_weights_BTS: Logarithms of the attention weights, the passes one after the other.
        alignment: As `alignment_loss` has it, of one pass.
        weight: training.alignment_weight.
        n_passes: How often the sentences went through the model.
    """
    passes = log_weights_BTS.chunk(n_passes)
    aligned = torch.stack([alignment_loss(one_BTS, alignment) for one_BTS in passes]).mean()
    return loss._replace(
        total=loss.total + weight * aligned,
        parts=MappingProxyType({**loss.parts, "alignment": aligned.detach()}),
    )
