"""Linear layers of the model."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_TYPICAL_ROWS = 320
"""Rows of a step of beam search, for which the layout is chosen."""


class PackedWeight:
    """A weight in the layout that oneDNN multiplies fastest, for inference in float32 on a CPU.

    Args:
        weight: Shape (out, in).
    """

    def __init__(self, weight: Tensor) -> None:
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), _TYPICAL_ROWS)

    def apply(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """x times the weight transposed, plus the bias. Shape (..., in) to (..., out)."""
        return torch.ops.mkldnn._linear_pointwise(x, self._packed, bias, "none", [], "")


def can_pack(weight: Tensor) -> bool:
    """Whether a weight can be packed here: float32, on a CPU, with oneDNN in this build of torch."""
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class Linear(nn.Linear):
    """nn.Linear that can be packed for inference."""

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__(d_in, d_out)
        self.packed: PackedWeight | None = None

    def forward(self, input: Tensor) -> Tensor:
        """Shape (..., d_in) to (..., d_out)."""
        if self.packed is not None and torch.is_inference_mode_enabled():
            return self.packed.apply(input, self.bias)
        return F.linear(input, self.weight, self.bias)


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
