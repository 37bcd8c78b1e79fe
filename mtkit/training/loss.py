"""Label-smoothed cross-entropy, computed together with the output layer."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_ROWS_PER_CHUNK = {"cpu": 512}
_ROWS_PER_CHUNK_ELSEWHERE = 8192


class Loss(NamedTuple):
    """Sums over target tokens; divide by their number for the mean."""

    total: Tensor
    """What is minimised; carries the gradient. Scalar."""
    nll: Tensor
    """Negative log-likelihood without smoothing, detached. Scalar; in nats."""
    parts: Mapping[str, Tensor] = MappingProxyType({})
    """Further parts of the total by name, unweighted and detached, for the log. Scalars."""


def label_smoothed_loss(states_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, smoothing: float) -> Loss:
    """Cross-entropy against (1 - smoothing) * one-hot + smoothing / V (Szegedy et al. 2016, arXiv:1512.00567, section 7), summed.

    The logits of all tokens would be the largest tensor of a training step. They are made, used for the gradient and dropped
    some rows at a time: on a CPU a few hundred, so that they stay in its cache.

    Args:
        states_ND: The decoder's last hidden states at the N target tokens, padding left out.
        weight_VD: The output layer.
        targets_N: The tokens to predict.
        smoothing: Share of the probability that is spread over the vocabulary.
    """
    if torch.is_autocast_enabled(states_ND.device.type):
        dtype = torch.get_autocast_dtype(states_ND.device.type)
        states_ND, weight_VD = states_ND.to(dtype), weight_VD.to(dtype)
    total, nll = _LinearCrossEntropy.apply(states_ND, weight_VD, targets_N, smoothing)  # pyright: ignore[reportGeneralTypeIssues]
    return Loss(total, nll)


class _LinearCrossEntropy(torch.autograd.Function):
    """The gradient is made in the forward pass, while a chunk's logits are at hand; the backward pass only scales it."""

    @staticmethod
    def forward(ctx: Any, states_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
        needs_grad = any(ctx.needs_input_grad[:2])
        device = states_ND.device
        total = torch.zeros((), device=device)
        nll = torch.zeros((), device=device)
        grad_states_ND = torch.empty_like(states_ND) if needs_grad else None
        grad_weight_VD = torch.zeros_like(weight_VD, dtype=torch.float32) if needs_grad else None
        n_rows = _ROWS_PER_CHUNK.get(device.type, _ROWS_PER_CHUNK_ELSEWHERE)
        for start in range(0, states_ND.size(0), n_rows):
            rows = slice(start, start + n_rows)
            states_RD, targets_R1 = states_ND[rows], targets_N[rows, None]
            log_probs_RV = F.linear(states_RD, weight_VD).float().log_softmax(-1)
            chunk_nll = -log_probs_RV.gather(1, targets_R1).sum()
            nll += chunk_nll
            total += (1 - smoothing) * chunk_nll
            if smoothing:
                total -= smoothing * log_probs_RV.mean(-1).sum()
            if grad_states_ND is not None and grad_weight_VD is not None:
                grad_RV = log_probs_RV.exp_()
                if smoothing:
                    grad_RV -= smoothing / weight_VD.size(0)
                grad_RV.scatter_add_(1, targets_R1, torch.full_like(targets_R1, smoothing - 1, dtype=torch.float32))
                grad_RV = grad_RV.to(weight_VD.dtype)
                torch.mm(grad_RV, weight_VD, out=grad_states_ND[rows])
                grad_weight_VD += grad_RV.T @ states_RD
        ctx.save_for_backward(grad_states_ND, grad_weight_VD)
        ctx.weight_dtype = weight_VD.dtype
        ctx.mark_non_differentiable(nll)
        return total, nll

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        grad_states_ND, grad_weight_VD = ctx.saved_tensors
        return grad_states_ND * grads[0].to(grad_states_ND.dtype), (grad_weight_VD * grads[0]).to(ctx.weight_dtype), None, None
