"""What is minimised for each target token, computed together with the output layer."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_ROWS_PER_CHUNK = {"cpu": 512}
_ROWS_PER_CHUNK_ELSEWHERE = 4096


class Loss(NamedTuple):
    """Sums over target tokens; divide by their number for the mean."""

    total: Tensor
    """What is minimised; carries the gradient. Scalar."""
    nll: Tensor
    """Negative log-likelihood without smoothing, detached. Scalar; in nats."""
    parts: Mapping[str, Tensor] = MappingProxyType({})
    """Further parts of the total by name, unweighted and detached, for the log. Scalars."""


class TeacherTerm(NamedTuple):
    """What a teacher says of the same tokens, and how much of the loss that is."""

    states_NE: Tensor
    """The teacher's last hidden states at the N target tokens; its width E is its own."""
    weight_VE: Tensor
    """The teacher's output layer, over the same vocabulary."""
    share: float
    """Of the loss; cross-entropy has the rest."""
    temperature: float
    """Divides the logits of both before they are compared."""


class LossTerms(NamedTuple):
    """Which loss it is."""

    smoothing: float = 0.0
    """Share of the probability that is spread over the vocabulary."""
    r_drop: float = 0.0
    """Weight of the distance between the two passes of R-Drop."""
    teacher: TeacherTerm | None = None
    """A teacher to be near to."""


def label_smoothed_loss(
    states_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, smoothing: float
) -> Loss:
    """Cross-entropy against (1 - smoothing) * one-hot + smoothing / V (Szegedy et al. 2016, arXiv:1512.00567, section 7), summed."""
    return token_loss(states_ND[None], weight_VD, targets_N, LossTerms(smoothing))


def token_loss(states_PND: Tensor, weight_VD: Tensor, targets_N: Tensor, terms: LossTerms) -> Loss:
    """Label-smoothed cross-entropy, the mean over P passes, and what else is asked for; each target token counts once.

    With a teacher (Hinton et al. 2015, arXiv:1503.02531; word-level in Kim and Rush 2016, arXiv:1606.07947):
    (1 - share) * cross-entropy + share * temperature^2 * KL(teacher || model), both softened by the temperature.
    With R-Drop (Liang et al. 2021, arXiv:2106.14448): + r_drop * (KL(first || second) + KL(second || first)) / 2. The paper adds up the
    cross-entropies of the passes, so its alpha is twice this weight.

    The logits of all tokens would be the largest tensor of a training step. They are made, used for the gradient and dropped
    some rows at a time: on a CPU a few hundred, so that they stay in its cache.

    Args:
        states_PND: The decoder's last hidden states at the N target tokens, padding left out, of P passes; two for R-Drop, else one.
        weight_VD: The output layer.
        targets_N: The tokens to predict.
        terms: What the loss is made of.
    Returns:
        Sums; the parts `teacher` and `r_drop` are the plain divergences in nats, the former also a mean over the passes.
    """
    teacher = terms.teacher
    if torch.is_autocast_enabled(states_PND.device.type):
        dtype = torch.get_autocast_dtype(states_PND.device.type)
        states_PND, weight_VD = states_PND.to(dtype), weight_VD.to(dtype)
        teacher = teacher and teacher._replace(
            states_NE=teacher.states_NE.to(dtype), weight_VE=teacher.weight_VE.to(dtype)
        )
    sums = _LinearLoss.apply(states_PND, weight_VD, targets_N, terms._replace(teacher=teacher))
    total, nll, from_teacher, between_passes = sums  # pyright: ignore[reportGeneralTypeIssues]
    parts = ({"teacher": from_teacher} if teacher else {}) | (
        {"r_drop": between_passes} if terms.r_drop else {}
    )
    return Loss(total, nll, MappingProxyType(parts))


class _LinearLoss(torch.autograd.Function):
    """The gradient is made in the forward pass, while a chunk's logits are at hand; the backward pass only scales it."""

    @staticmethod
    def forward(
        ctx: Any, states_PND: Tensor, weight_VD: Tensor, targets_N: Tensor, terms: LossTerms
    ) -> tuple[Tensor, ...]:
        device, (n_passes, n_tokens, _) = states_PND.device, states_PND.shape
        total, nll, from_teacher, between_passes = (
            torch.zeros((), device=device) for _ in range(4)
        )
        grad_states_PND = torch.empty_like(states_PND) if ctx.needs_input_grad[0] else None
        grad_weight_VD = (
            torch.zeros_like(weight_VD, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        )
        n_rows = _ROWS_PER_CHUNK.get(device.type, _ROWS_PER_CHUNK_ELSEWHERE)
        if terms.r_drop or terms.teacher:
            # Several distributions are in memory at a time.
            n_rows //= 4
        share = (1.0 - terms.teacher.share if terms.teacher else 1.0) / n_passes
        for start in range(0, n_tokens, n_rows):
            rows = slice(start, start + n_rows)
            targets_R1 = targets_N[rows, None]
            log_probs_PRV = [
                F.linear(states_ND[rows], weight_VD).float().log_softmax(-1)
                for states_ND in states_PND
            ]
            further_grads_PRV: list[Tensor | None] = [None] * n_passes
            if terms.r_drop:
                distance, further_grads_PRV = _distance_of_passes(
                    *log_probs_PRV, weight=terms.r_drop
                )
                between_passes += distance
                total += terms.r_drop * distance
            if terms.teacher:
                weight = terms.teacher.share * terms.teacher.temperature**2 / n_passes
                distance, further_grads_PRV = _distance_to_teacher(
                    log_probs_PRV, terms.teacher, rows, weight, further_grads_PRV
                )
                from_teacher += distance / n_passes
                total += weight * distance
            for i, (log_probs_RV, further_grad_RV) in enumerate(
                zip(log_probs_PRV, further_grads_PRV, strict=True)
            ):
                chunk_nll = -log_probs_RV.gather(1, targets_R1).sum()
                nll += chunk_nll / n_passes
                total += share * (1 - terms.smoothing) * chunk_nll
                if terms.smoothing:
                    total -= share * terms.smoothing * log_probs_RV.mean(-1).sum()
                if grad_states_PND is None and grad_weight_VD is None:
                    continue
                grad_RV = log_probs_RV.exp_()
                if terms.smoothing:
                    grad_RV -= terms.smoothing / weight_VD.size(0)
                grad_RV.scatter_add_(
                    1,
                    targets_R1,
                    torch.full_like(targets_R1, terms.smoothing - 1, dtype=torch.float32),
                )
                if further_grad_RV is not None:
                    grad_RV = further_grad_RV.add_(grad_RV, alpha=share)
                grad_RV = grad_RV.to(weight_VD.dtype)
                if grad_states_PND is not None:
                    torch.mm(grad_RV, weight_VD, out=grad_states_PND[i, rows])
                if grad_weight_VD is not None:
                    grad_weight_VD += grad_RV.T @ states_PND[i, rows]
        ctx.save_for_backward(grad_states_PND, grad_weight_VD)
        ctx.weight_dtype = weight_VD.dtype
        ctx.mark_non_differentiable(nll, from_teacher, between_passes)
        return total, nll, from_teacher, between_passes

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        grad_states_PND, grad_weight_VD = ctx.saved_tensors
        grad_states = (
            None
            if grad_states_PND is None
            else grad_states_PND * grads[0].to(grad_states_PND.dtype)
        )
        grad_weight = (
            None if grad_weight_VD is None else (grad_weight_VD * grads[0]).to(ctx.weight_dtype)
        )
        return grad_states, grad_weight, None, None


def _distance_of_passes(
    first_RV: Tensor, second_RV: Tensor, *, weight: float
) -> tuple[Tensor, list[Tensor | None]]:
    """Mean of the divergences of two distributions from each other, summed over the rows, and the weighted gradients by their logits.

    Args:
        first_RV: Log-probabilities.
        second_RV: Log-probabilities.
        weight: Factor of the gradients.
    """
    p_RV, q_RV, difference_RV = first_RV.exp(), second_RV.exp(), first_RV - second_RV
    from_first_R1 = (p_RV * difference_RV).sum(-1, keepdim=True)
    from_second_R1 = -(q_RV * difference_RV).sum(-1, keepdim=True)
    apart_RV = p_RV - q_RV
    grad_first_RV = (difference_RV - from_first_R1).mul_(p_RV).add_(apart_RV).mul_(weight / 2)
    grad_second_RV = (
        difference_RV.add_(from_second_R1).neg_().mul_(q_RV).sub_(apart_RV).mul_(weight / 2)
    )
    return (from_first_R1.sum() + from_second_R1.sum()) / 2, [grad_first_RV, grad_second_RV]


def _distance_to_teacher(
    log_probs_PRV: list[Tensor],
    teacher: TeacherTerm,
    rows: slice,
    weight: float,
    grads_PRV: list[Tensor | None],
) -> tuple[Tensor, list[Tensor | None]]:
    """Divergence of the passes from the teacher at its temperature, summed over passes and rows, and the weighted gradients by their logits.

    Args:
        log_probs_PRV: Of each pass.
        teacher: Of all tokens.
        rows: Which of them these are.
        weight: Factor of the gradients.
        grads_PRV: Gradients of other terms, which are added.
    """
    teacher_RV = (
        F.linear(teacher.states_NE[rows], teacher.weight_VE).float() / teacher.temperature
    ).log_softmax(-1)
    probs_RV = teacher_RV.exp()
    distance = torch.zeros((), device=teacher_RV.device)
    grads: list[Tensor | None] = []
    for log_probs_RV, other_grad_RV in zip(log_probs_PRV, grads_PRV, strict=True):
        softened_RV = (
            log_probs_RV
            if teacher.temperature == 1.0
            else (log_probs_RV / teacher.temperature).log_softmax(-1)
        )
        distance += (probs_RV * (teacher_RV - softened_RV)).sum()
        grad_RV = (softened_RV.exp() - probs_RV).mul_(weight / teacher.temperature)
        grads.append(grad_RV if other_grad_RV is None else grad_RV.add_(other_grad_RV))
    return distance, grads
