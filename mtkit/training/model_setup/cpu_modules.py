"""Modules that train faster on a CPU, put in place of the model's own when training is set up."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtkit.engines.cpu.float32_attention import in_float32
from mtkit.engines.cpu.packed_linear import can_pack
from mtkit.engines.shared_copy import replace_modules
from mtkit.model.transformer import Transformer

_MIN_VALUES = 1 << 19
"""Smaller inputs, below 2,048 rows of width 256, train faster without oneDNN
(docs/experiments.md)."""


def use_cpu_modules(model: Transformer, dtype: torch.dtype, *, compiles: bool = False) -> None:
    """Replace modules of a model on a CPU, in place; the parameters stay the same objects.

    Args:
        model: Model whose optimizer does not exist yet.
        dtype: Precision of the matrix products.
        compiles: Whether the model will be compiled; the compiler chooses its own products.
    """
    if dtype == torch.bfloat16:
        replace_modules(model, in_float32)
    elif dtype == torch.float32 and not compiles and can_pack(model.output_weight):
        for layers in (model.encoder_layers, model.decoder_layers):
            replace_modules(layers, _trained_by_onednn)


def _trained_by_onednn(module: nn.Module) -> nn.Module | None:
    return OneDnnTrainedLinear(module) if isinstance(module, nn.Linear) else None


class OneDnnTrainedLinear(nn.Linear):
    """A linear layer whose large products are oneDNN's in training.

    On the processors measured, oneDNN computes the output and the input's gradient faster than
    torch's default library (docs/experiments.md). In validation, the layer is an nn.Linear.

    Args:
        original: The layer that it replaces and whose parameters it takes.
    """

    def __init__(self, original: nn.Linear) -> None:
        # Not nn.Linear's, which would draw initial weights.
        nn.Module.__init__(self)
        self.in_features, self.out_features = original.in_features, original.out_features
        self.weight, self.bias = original.weight, original.bias

    def forward(self, input: Tensor) -> Tensor:
        """Shape (..., in) to (..., out)."""
        if not torch.is_grad_enabled() or input.numel() < _MIN_VALUES:
            return F.linear(input, self.weight, self.bias)
        product: Any = _OneDnnProduct.apply
        return product(input, self.weight, self.bias)


class _OneDnnProduct(torch.autograd.Function):
    """A linear layer by oneDNN, except for the weight's gradient: there torch is faster."""

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
