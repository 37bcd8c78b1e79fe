"""Loss of each target token, computed together with the output layer."""

from collections.abc import Mapping, Sequence
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
    """The loss that is minimized, with its gradient. Scalar."""
    nll: Tensor
    """Negative log-likelihood without label smoothing, detached. Scalar; in nats."""
    parts: Mapping[str, Tensor] = MappingProxyType({})
    """Auxiliary losses by name, unweighted and detached, for logging. Scalars."""


class TeacherTerm(NamedTuple):
    """Distillation: the teacher's distributions over the same tokens, and their weight."""

    states_NE: Tensor
    """The teacher's last hidden states at the N target tokens; its width E may differ."""
    weight_VE: Tensor
    """The teacher's output layer, over the same vocabulary."""
    share: float
    """Weight of the divergence from the teacher; cross-entropy has 1 - share."""
    temperature: float
    """Divides the logits of both models before they are compared."""
    bias_V: Tensor | None = None
    """The bias of the teacher's output layer, if it has one."""

    @property
    def weight(self) -> float:
        """Weight of the divergence in the loss; the gradients of softened logits are small."""
        return self.share * self.temperature**2


class LossTerms(NamedTuple):
    """Terms of the loss."""

    smoothing: float = 0.0
    """Label smoothing: probability mass that is spread over the vocabulary."""
    r_drop: float = 0.0
    """Weight of the divergence between the two passes of R-Drop."""
    teacher: TeacherTerm | None = None
    simcut: float = 0.0
    """Weight of the divergence of SimCut's second pass from the first, which alone has a
    cross-entropy; excludes R-Drop."""


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

    The logits of all tokens would be the largest tensor of a training step. They are computed,
    used for the gradient and freed in chunks of rows; on a CPU, chunks that fit into its cache.

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
    teacher = terms.teacher
    if torch.is_autocast_enabled(states_PND.device.type):
        dtype = torch.get_autocast_dtype(states_PND.device.type)
        states_PND, weight_VD = states_PND.to(dtype), weight_VD.to(dtype)
        bias_V = None if bias_V is None else bias_V.to(dtype)
        teacher = teacher and teacher._replace(
            states_NE=teacher.states_NE.to(dtype),
            weight_VE=teacher.weight_VE.to(dtype),
            bias_V=None if teacher.bias_V is None else teacher.bias_V.to(dtype),
        )
    terms = terms._replace(teacher=teacher)
    sums = _LinearLoss.apply(states_PND, weight_VD, bias_V, targets_N, terms)
    total, nll, teacher_loss, pass_loss = sums  # pyright: ignore[reportGeneralTypeIssues]
    parts = {}
    if teacher:
        parts["teacher"] = teacher_loss
    if terms.r_drop or terms.simcut:
        parts["r_drop" if terms.r_drop else "simcut"] = pass_loss
    return Loss(total, nll, MappingProxyType(parts))


class _LinearLoss(torch.autograd.Function):
    """Output layer and loss.

    The gradient is computed in the forward pass, while the logits of a chunk are in memory; the
    backward pass only scales it.
    """

    @staticmethod
    def forward(
        ctx: Any,
        states_PND: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        targets_N: Tensor,
        terms: LossTerms,
    ) -> tuple[Tensor, ...]:
        device, (n_passes, n_tokens, _) = states_PND.device, states_PND.shape
        total, nll, teacher_loss, pass_loss = (torch.zeros((), device=device) for _ in range(4))
        grad_states_PND = torch.empty_like(states_PND) if ctx.needs_input_grad[0] else None
        grad_weight_VD = (
            torch.zeros_like(weight_VD, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        )
        grad_bias_V = (
            torch.zeros_like(bias_V, dtype=torch.float32)
            if bias_V is not None and ctx.needs_input_grad[2]
            else None
        )
        n_rows = _ROWS_PER_CHUNK.get(device.type, _ROWS_PER_CHUNK_ELSEWHERE)
        if terms.r_drop or terms.simcut or terms.teacher:
            # Several distributions are in memory at a time.
            n_rows //= 4
        # Weight of each pass in the cross-entropy and in the divergence from the teacher.
        pass_weights = [1.0, 0.0] if terms.simcut else [1.0 / n_passes] * n_passes
        own_share = 1.0 - terms.teacher.share if terms.teacher else 1.0
        for start in range(0, n_tokens, n_rows):
            rows = slice(start, start + n_rows)
            log_probs_PRV = [
                _logits(states_ND[rows], weight_VD, bias_V).log_softmax(-1)
                for states_ND in states_PND
            ]
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
                if grad_bias_V is not None:
                    grad_bias_V += grad_RV.sum(0)
                grad_RV = grad_RV.to(weight_VD.dtype)
                if grad_states_PND is not None:
                    torch.mm(grad_RV, weight_VD, out=grad_states_PND[i, rows])
                if grad_weight_VD is not None:
                    grad_weight_VD += grad_RV.T @ states_PND[i, rows]
        ctx.save_for_backward(grad_states_PND, grad_weight_VD, grad_bias_V)
        ctx.weight_dtype = weight_VD.dtype
        ctx.mark_non_differentiable(nll, teacher_loss, pass_loss)
        return total, nll, teacher_loss, pass_loss

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad_states_PND, grad_weight_VD, grad_bias_V = ctx.saved_tensors
        grad_states = grad_weight = grad_bias = None
        if grad_states_PND is not None:
            # Not rounded before the product: 8 bits of bf16 would change all of it by up to 0.4 %.
            grad_states = (grad_states_PND.float() * grads[0]).to(grad_states_PND.dtype)
        if grad_weight_VD is not None:
            grad_weight = (grad_weight_VD * grads[0]).to(ctx.weight_dtype)
        if grad_bias_V is not None:
            grad_bias = (grad_bias_V * grads[0]).to(ctx.weight_dtype)
        return grad_states, grad_weight, grad_bias, None, None


def _logits(states_RD: Tensor, weight_VD: Tensor, bias_V: Tensor | None) -> Tensor:
    """Return the logits of a chunk of R tokens in float32. Shape (R, V)."""
    if states_RD.is_cuda and states_RD.dtype != torch.float32:
        # The products are summed in float32, and need not be rounded to 16 bits.
        logits_RV = torch.mm(states_RD, weight_VD.mT, out_dtype=torch.float32)
        return logits_RV if bias_V is None else logits_RV.add_(bias_V)
    return F.linear(states_RD, weight_VD, bias_V).float()


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
    teacher_RV = (
        _logits(teacher.states_NE[rows], teacher.weight_VE, teacher.bias_V) / teacher.temperature
    ).log_softmax(-1)
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
