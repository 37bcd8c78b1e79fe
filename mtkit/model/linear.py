"""Linear layers of the model."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtkit.engines.cpu.packed_linear import PackedLinear, can_pack

_FEW_VALUES = 1 << 19
"""Inputs below this size, 2,048 rows of width 256, are trained faster without oneDNN (docs/experiments.md)."""


class _TrainedByOneDnn(torch.autograd.Function):
    """A linear layer whose output and whose input's gradient oneDNN computes; for the weight's gradient torch's own product is faster."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        grad = grads[0].contiguous()
        rows = grad.flatten(0, -2)
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        grad_x = (
            torch.ops.mkldnn._linear_pointwise(grad, weight.t().contiguous(), None, "none", [], "")
            if needs_x
            else None
        )
        return (
            grad_x,
            rows.t() @ x.flatten(0, -2) if needs_weight else None,
            rows.sum(0) if needs_bias else None,
        )


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x times the weight transposed, plus the bias, by the fastest way to train with. Shape (..., in) to (..., out)."""
    is_autocast = torch.is_autocast_enabled(x.device.type)
    if (
        weight.dtype == torch.float32
        and can_pack(weight)
        and torch.is_grad_enabled()
        and not is_autocast
        and not torch.compiler.is_compiling()
        and x.numel() >= _FEW_VALUES
    ):
        return _TrainedByOneDnn.apply(x, weight, bias)  # pyright: ignore[reportReturnType]
    return F.linear(x, weight, bias)


class Linear(nn.Linear):
    """nn.Linear that is fast to train on a CPU, and can be packed for inference."""

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__(d_in, d_out)
        self.packed: PackedLinear | None = None

    def forward(self, input: Tensor, relu: bool = False) -> Tensor:
        """Shape (..., d_in) to (..., d_out); with ReLU at the end if wanted."""
        if self.packed is not None and torch.is_inference_mode_enabled():
            return self.packed(input, relu)
        out = linear(input, self.weight, self.bias)
        return F.relu(out) if relu else out


class FusedLinear(Linear):
    """Several linear layers of one input as one matrix, which is faster; their outputs lie side by side.

    Args:
        d_in: Width of the input.
        d_out: Width of the output of each part.
        n_parts: How many layers are joined.
    """

    def __init__(self, d_in: int, d_out: int, n_parts: int) -> None:
        super().__init__(d_in, n_parts * d_out)
        self.n_parts = n_parts
