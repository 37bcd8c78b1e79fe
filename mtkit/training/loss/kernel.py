"""Triton kernel for `mtkit.training.loss.cross_entropy.softmax_cross_entropy`."""

# pyright: reportMissingImports=false, reportIndexIssue=false

import torch
import triton
import triton.language as tl
from torch import Tensor

from mtkit.training.loss.output_layer import logit_gradient_scale

_MAX_WIDTH = 4096
"""Maximum number of logits that a program reads at a time."""


@triton.jit
def _softmax_cross_entropy(
    logits,
    targets,
    nll,
    target_logits,
    grads,
    V,
    confidence,
    scale,
    WIDTH: tl.constexpr,
):
    """Do the work for one row, which is read twice; the second time mostly from the cache."""
    row = tl.program_id(0).to(tl.int64)
    logits += row * V
    grads += row * V
    column = tl.arange(0, WIDTH)
    # The sum of exponentials, relative to the highest logit so far.
    highest, total = -float("inf"), 0.0
    for start in range(0, V, WIDTH):
        x = tl.load(logits + start + column, mask=start + column < V, other=-float("inf"))
        higher = tl.maximum(highest, tl.max(x, 0))
        total = total * tl.exp(highest - higher) + tl.sum(tl.exp(x - higher), 0)
        highest = higher
    target = tl.load(targets + row)
    target_logit = tl.load(logits + target)
    tl.store(nll + row, highest - target_logit + tl.log(total))
    tl.store(target_logits + row, target_logit)
    for start in range(0, V, WIDTH):
        index = start + column
        x = tl.load(logits + index, mask=index < V, other=-float("inf"))
        grad = tl.exp(x - highest) / total - tl.where(index == target, confidence, 0.0)
        tl.store(grads + index, (grad * scale).to(grads.dtype.element_ty), mask=index < V)


def softmax_cross_entropy(
    logits_RV: Tensor, targets_R: Tensor, confidence: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """See `mtkit.training.loss.cross_entropy.softmax_cross_entropy`."""
    R, V = logits_RV.shape
    nll_R, target_logits_R = torch.empty(2, R, device=logits_RV.device)
    grad_RV = torch.empty_like(logits_RV, dtype=dtype)
    width = min(triton.next_power_of_2(V), _MAX_WIDTH)
    _softmax_cross_entropy[(R,)](
        logits_RV.contiguous(),
        targets_R.contiguous(),
        nll_R,
        target_logits_R,
        grad_RV,
        V,
        confidence,
        logit_gradient_scale(dtype),
        WIDTH=width,
        num_warps=max(width // 512, 1),
    )
    return nll_R, target_logits_R, grad_RV
