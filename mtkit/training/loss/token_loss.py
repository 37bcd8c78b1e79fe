"""Loss of each target token, computed together with the output layer."""

from types import MappingProxyType

import torch
from torch import Tensor

from mtkit.training.loss.cross_entropy import CrossEntropy
from mtkit.training.loss.divergences import CrossEntropyAndDivergences
from mtkit.training.loss.terms import Loss, LossTerms


def label_smoothed_loss(
    states_ND: Tensor,
    weight_VD: Tensor,
    targets_N: Tensor,
    smoothing: float,
    bias_V: Tensor | None = None,
) -> Loss:
    """Return the cross-entropy against (1 - smoothing) * one-hot + smoothing / V, summed.

    Szegedy et al. 2016 (arXiv:1512.00567), section 7.
    """
    return token_loss(states_ND[None], weight_VD, targets_N, LossTerms(smoothing), bias_V)


def token_loss(
    states_PND: Tensor,
    weight_VD: Tensor,
    targets_N: Tensor,
    terms: LossTerms,
    bias_V: Tensor | None = None,
) -> Loss:
    """Return the label-smoothed cross-entropy, averaged over P passes, plus the other terms.

    With a teacher (Hinton et al. 2015, arXiv:1503.02531; word-level in Kim and Rush 2016,
    arXiv:1606.07947): (1 - share) * cross-entropy + share * temperature^2 * KL(teacher || model),
    both softened by the temperature.
    With R-Drop (Liang et al. 2021, arXiv:2106.14448):
    + r_drop * (KL(first || second) + KL(second || first)) / 2. The paper sums the cross-entropies
    of the passes, so its alpha is twice this weight.
    With SimCut (Gao et al. 2022, arXiv:2206.02368): + simcut * KL(first || second), and the
    cross-entropy is that of the first pass.

    Args:
        states_PND: The decoder's last hidden states at the N target tokens, without padding, for
            P passes: two for R-Drop and SimCut, otherwise one.
        weight_VD: Output layer.
        targets_N: Target tokens.
        terms: Terms of the loss.
        bias_V: Bias of the output layer, if it has one.
    Returns:
        Sums. The parts `teacher`, `r_drop` and `simcut` are the unweighted divergences in nats,
        that of the teacher averaged over the passes that have a cross-entropy.
    """
    if torch.is_autocast_enabled(states_PND.device.type):
        dtype = torch.get_autocast_dtype(states_PND.device.type)
        states_PND, weight_VD = states_PND.to(dtype), weight_VD.to(dtype)
        bias_V = None if bias_V is None else bias_V.to(dtype)
        terms = terms._replace(teacher=terms.teacher and terms.teacher.to(dtype))
    if not terms.has_divergence:
        [states_ND] = states_PND
        return Loss(*CrossEntropy.apply(states_ND, weight_VD, bias_V, targets_N, terms.smoothing))
    total, nll, teacher_loss, pass_loss = CrossEntropyAndDivergences.apply(
        states_PND, weight_VD, bias_V, targets_N, terms
    )
    parts = {}
    if terms.teacher:
        parts["teacher"] = teacher_loss
    if terms.r_drop or terms.simcut:
        parts["r_drop" if terms.r_drop else "simcut"] = pass_loss
    return Loss(total, nll, MappingProxyType(parts))
