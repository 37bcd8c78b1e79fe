"""Cross-entropy with label smoothing and its gradient, in few passes over the logits."""

from typing import Any, Protocol

import torch
from torch import Tensor

from mtkit.engines.cuda.kernel_choice import can_use_triton
from mtkit.training.loss.output_layer import (
    OutputGradients,
    OutputLayer,
    logit_gradient,
    scaled_gradients,
)


class CrossEntropy(torch.autograd.Function):
    """Output layer and cross-entropy against (1 - smoothing) * one-hot + smoothing / V.

    With logits x and target t, that is logsumexp(x) - (1 - smoothing) * x[t] - smoothing * mean(x).
    The last term is linear in the states: value and gradient need no pass over the logits.
    """

    @staticmethod
    def forward(
        ctx: Any,
        states_ND: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        targets_N: Tensor,
        smoothing: float,
    ) -> tuple[Tensor, Tensor]:
        """Return loss and negative log-likelihood, summed over the tokens."""
        layer = OutputLayer(states_ND, weight_VD, bias_V)
        gradients = OutputGradients(layer, ctx.needs_input_grad[:3], uniform=smoothing)
        cross_entropy = _implementation(states_ND.device)
        nll, target_logits = (torch.zeros((), device=states_ND.device) for _ in range(2))
        for rows in layer.chunks():
            nll_R, target_logits_R, grad_RV = cross_entropy(
                layer.logits(rows), targets_N[rows], 1 - smoothing, weight_VD.dtype
            )
            nll += nll_R.sum()
            target_logits += target_logits_R.sum()
            gradients.add(rows, grad_RV)
        gradients.save(ctx)
        ctx.mark_non_differentiable(nll)
        return nll + smoothing * (target_logits - layer.sum_of_mean_logits()), nll

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return *scaled_gradients(ctx, grads[0]), None, None


class _Implementation(Protocol):
    def __call__(
        self, logits_RV: Tensor, targets_R: Tensor, confidence: float, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor, Tensor]: ...


def _implementation(device: torch.device) -> _Implementation:
    if not can_use_triton(device):
        return softmax_cross_entropy
    from mtkit.training.loss import kernel

    return kernel.softmax_cross_entropy


def softmax_cross_entropy(
    logits_RV: Tensor, targets_R: Tensor, confidence: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Return cross-entropies and target logits of R tokens, and gradients by their logits.

    Args:
        logits_RV: Logits in float32, which may be overwritten.
        targets_R: Target tokens.
        confidence: Probability of the target, without the part that smoothing gives to all tokens.
        dtype: Precision of the products.
    Returns:
        Negative log-likelihoods, shape (R,); target logits, shape (R,); and softmax minus
        confidence * one-hot, as converted by `logit_gradient`, shape (R, V).
    """
    targets_R1 = targets_R[:, None]
    target_logits_R1 = logits_RV.gather(1, targets_R1)
    highest_R1 = logits_RV.amax(1, keepdim=True)
    probs_RV = torch.softmax(logits_RV, 1, out=logits_RV)
    # The highest probability is at least 1 / V, while that of the target may be 0 in float32.
    nll_R1 = highest_R1 - target_logits_R1 - probs_RV.amax(1, keepdim=True).log()
    minus_target_R1 = torch.full_like(targets_R1, -confidence, dtype=torch.float32)
    grad_RV = probs_RV.scatter_add_(1, targets_R1, minus_target_R1)
    return nll_R1[:, 0], target_logits_R1[:, 0], logit_gradient(grad_RV, dtype)
