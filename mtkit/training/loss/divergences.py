"""Divergences between distributions: R-Drop, SimCut and a teacher, with the cross-entropy."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mtkit.training.loss.output_layer import (
    OutputGradients,
    OutputLayer,
    logit_gradient,
    scaled_gradients,
)
from mtkit.training.loss.terms import LossTerms, TeacherTerm

_N_DISTRIBUTIONS = 4
"""Distributions of each token that are in memory at a time."""


class CrossEntropyAndDivergences(torch.autograd.Function):
    """Output layer and all terms of the loss; see `token_loss`."""

    @staticmethod
    def forward(
        ctx: Any,
        states_PND: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        targets_N: Tensor,
        terms: LossTerms,
    ) -> tuple[Tensor, ...]:
        """Return total, negative log-likelihood, and divergences from teacher and between passes.

        Each is summed over the tokens; the last three are not differentiable.
        """
        n_passes, n_tokens, _ = states_PND.shape
        layers = [OutputLayer(states_ND, weight_VD, bias_V) for states_ND in states_PND]
        gradients = OutputGradients(
            OutputLayer(states_PND.flatten(0, 1), weight_VD, bias_V), ctx.needs_input_grad[:3]
        )
        total, nll, teacher_loss, pass_loss = (
            torch.zeros((), device=states_PND.device) for _ in range(4)
        )
        # Weight of each pass in the cross-entropy and in the divergence from the teacher.
        pass_weights = [1.0, 0.0] if terms.simcut else [1.0 / n_passes] * n_passes
        own_share = 1.0 - terms.teacher.share if terms.teacher else 1.0
        for rows in layers[0].chunks(_N_DISTRIBUTIONS):
            log_probs_PRV = [layer.logits(rows).log_softmax(-1) for layer in layers]
            # Divergences between distributions, with their gradients with respect to the logits.
            other_grads_PRV: list[Tensor | None] = [None] * n_passes
            if terms.r_drop:
                divergence, other_grads_PRV = _r_drop_divergence(
                    *log_probs_PRV, weight=terms.r_drop
                )
                pass_loss += divergence
                total += terms.r_drop * divergence
            if terms.simcut:
                divergence, other_grads_PRV = _simcut_divergence(
                    *log_probs_PRV, weight=terms.simcut
                )
                pass_loss += divergence
                total += terms.simcut * divergence
            if terms.teacher:
                divergence = _add_teacher_divergence(
                    log_probs_PRV, terms.teacher, rows, pass_weights, other_grads_PRV
                )
                teacher_loss += divergence
                total += terms.teacher.weight * divergence
            # Cross-entropy of each pass. Its gradient overwrites the log-probabilities.
            targets_R1 = targets_N[rows, None]
            for i, log_probs_RV in enumerate(log_probs_PRV):
                share = own_share * pass_weights[i]
                chunk_nll = -log_probs_RV.gather(1, targets_R1).sum()
                nll += pass_weights[i] * chunk_nll
                total += share * (1 - terms.smoothing) * chunk_nll
                if terms.smoothing:
                    total -= share * terms.smoothing * log_probs_RV.mean(-1).sum()
                if not any(ctx.needs_input_grad):
                    continue
                grad_RV = _cross_entropy_grad(log_probs_RV, targets_R1, terms.smoothing)
                if (other_grad_RV := other_grads_PRV[i]) is not None:
                    grad_RV = other_grad_RV.add_(grad_RV, alpha=share)
                start = i * n_tokens
                gradients.add(
                    slice(start + rows.start, start + rows.stop),
                    logit_gradient(grad_RV, weight_VD.dtype),
                )
        gradients.save(ctx)
        ctx.n_passes = n_passes
        ctx.mark_non_differentiable(nll, teacher_loss, pass_loss)
        return total, nll, teacher_loss, pass_loss

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        states_ND, *others = scaled_gradients(ctx, grads[0])
        if states_ND is not None:
            states_ND = states_ND.unflatten(0, (ctx.n_passes, -1))
        return states_ND, *others, None, None


def _cross_entropy_grad(log_probs_RV: Tensor, targets_R1: Tensor, smoothing: float) -> Tensor:
    """Return probabilities minus smoothed targets, in the memory of the log-probabilities."""
    grad_RV = log_probs_RV.exp_()
    if smoothing:
        grad_RV -= smoothing / log_probs_RV.size(1)
    minus_target = torch.full_like(targets_R1, smoothing - 1, dtype=torch.float32)
    return grad_RV.scatter_add_(1, targets_R1, minus_target)


def _r_drop_divergence(
    first_RV: Tensor, second_RV: Tensor, *, weight: float
) -> tuple[Tensor, list[Tensor | None]]:
    """Return the mean of both KL divergences, summed over the rows, and its weighted gradients.

    Args:
        first_RV: Log-probabilities of the first pass.
        second_RV: Log-probabilities of the second pass.
        weight: Factor of the gradients, which are with respect to the logits.
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


def _simcut_divergence(
    first_RV: Tensor, second_RV: Tensor, *, weight: float
) -> tuple[Tensor, list[Tensor | None]]:
    """Return KL(first || second), summed over the rows; otherwise as `_r_drop_divergence`."""
    p_RV, difference_RV = first_RV.exp(), first_RV - second_RV
    divergence_R1 = (p_RV * difference_RV).sum(-1, keepdim=True)
    grad_first_RV = (difference_RV - divergence_R1).mul_(p_RV).mul_(weight)
    grad_second_RV = second_RV.exp().sub_(p_RV).mul_(weight)
    return divergence_R1.sum(), [grad_first_RV, grad_second_RV]


def _add_teacher_divergence(
    log_probs_PRV: list[Tensor],
    teacher: TeacherTerm,
    rows: slice,
    pass_weights: Sequence[float],
    grads_PRV: list[Tensor | None],
) -> Tensor:
    """Return KL(teacher || model), summed over the rows and averaged over the passes.

    Args:
        log_probs_PRV: Log-probabilities of each pass.
        teacher: The teacher's states at all tokens.
        rows: The tokens of this chunk.
        pass_weights: Weight of each pass in the average.
        grads_PRV: Gradients with respect to the logits, to which those of the weighted divergence
            are added.
    """
    layer = OutputLayer(teacher.states_NE, teacher.weight_VE, teacher.bias_V)
    teacher_RV = (layer.logits(rows) / teacher.temperature).log_softmax(-1)
    probs_RV = teacher_RV.exp()
    total = torch.zeros((), device=teacher_RV.device)
    for i, (log_probs_RV, pass_weight) in enumerate(zip(log_probs_PRV, pass_weights, strict=True)):
        if not pass_weight:
            continue
        softened_RV = log_probs_RV
        if teacher.temperature != 1.0:
            softened_RV = (log_probs_RV / teacher.temperature).log_softmax(-1)
        total += pass_weight * (probs_RV * (teacher_RV - softened_RV)).sum()
        factor = pass_weight * teacher.weight / teacher.temperature
        grad_RV = (softened_RV.exp() - probs_RV).mul_(factor)
        other_grad_RV = grads_PRV[i]
        grads_PRV[i] = grad_RV if other_grad_RV is None else grad_RV.add_(other_grad_RV)
    return total
