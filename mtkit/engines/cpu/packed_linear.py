"""Linear layers with packed weights for search on a CPU: float32 and bf16 by oneDNN, or int8."""

import warnings
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mtkit.workers.cpu_info import cpu_has_int8


def _direct(op: Any) -> Callable[..., Tensor]:
    """Skip torch's Python code of each call, which takes a third as long as a small product."""
    return getattr(op, "_op", op)


_has_onednn = hasattr(torch.ops.mkldnn, "_linear_pointwise")
_multiply = _direct(
    torch.ops.mkldnn._linear_pointwise.default if _has_onednn else torch.ops.aten.linear.default
)
_TYPICAL_ROWS = 320
"""Rows of a step of beam search; oneDNN chooses the layout for them."""
_multiply_int8 = _direct(torch.ops.quantized.linear_dynamic.default)
_multiply_int8_relu = _direct(torch.ops.quantized.linear_relu_dynamic.default)
_MANY_WEIGHTS, _MANY_ROWS = 1 << 18, 48
"""Thresholds from which oneDNN's int8 products are faster than FBGEMM's: a 256 x 1024 matrix, and
rows of the input."""


class PackedLinear(Protocol):
    """A linear layer with packed weights."""

    min_rows: int
    """Fewer rows are padded to this number."""

    def __call__(self, x: Tensor, relu: bool = False) -> Tensor:
        """Multiply x by the transposed weight, add the bias and apply ReLU if requested.

        Shape (..., in) to (..., out).
        """
        ...


def with_rows(x_RK: Tensor, n_rows: int) -> Tensor:
    """Pad with rows of zeros, if there are fewer rows than that."""
    n_more = n_rows - x_RK.size(0)
    return F.pad(x_RK, (0, 0, 0, n_more)) if n_more > 0 else x_RK


def like(other: Tensor, x_RK: Tensor) -> Tensor:
    """Convert to the type of another tensor and pad to as many rows."""
    return with_rows(x_RK if other.dtype == x_RK.dtype else x_RK.to(other.dtype), other.size(0))


def as_array(x: Tensor) -> np.ndarray:
    """Convert to float32, without a copy if it is that already."""
    return (x if x.dtype == torch.float32 else x.float()).numpy()


class OneDnnLinear:
    """A linear layer in float32 or bf16, in the layout that oneDNN multiplies fastest.

    Each row of the result depends on that row of the input alone, to the bit.

    Args:
        weight: Shape (out, in).
        bias: Shape (out,), or None.
    """

    # For fewer rows oneDNN has another routine, which reads the weights more slowly and may sum in
    # another order.
    min_rows = 4

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), _TYPICAL_ROWS)
        self._bias = None if bias is None else bias.detach()

    def __call__(self, x: Tensor, relu: bool = False) -> Tensor:
        """See `PackedLinear`."""
        n_rows = x.numel() // x.size(-1)
        if not 0 < n_rows < self.min_rows:
            return _multiply(x, self._weight, self._bias, "relu" if relu else "none", [], "")
        return self(with_rows(x.flatten(0, -2), self.min_rows), relu)[:n_rows].view(
            *x.shape[:-1], -1
        )


class Int8Linear:
    """A linear layer in int8: weights have a scale per output, inputs are quantized at each call.

    A layer must be called always with ReLU or always without: oneDNN remembers the first call.

    Args:
        weight: In float32. Shape (out, in).
        bias: Shape (out,), or None.
        by_row: Give each row of the input a scale of its own, so that its result does not depend on
            other rows. Otherwise all rows share one scale, which is a quarter faster.
    """

    min_rows = 1

    def __init__(self, weight: Tensor, bias: Tensor | None, by_row: bool = False) -> None:
        weight = weight.detach()
        self._bias = None if bias is None else bias.detach()
        self._by_row = by_row
        scales = (weight.abs().amax(1) / 127.0).clamp_min(1e-12).double()
        with warnings.catch_warnings():
            # Torch announces another package that will replace this function.
            warnings.simplefilter("ignore")
            quantized = torch.quantize_per_channel(
                weight, scales, torch.zeros(len(scales), dtype=torch.long), 0, torch.qint8
            )
            inner_bias = None if by_row else self._bias
            is_large = weight.numel() >= _MANY_WEIGHTS
            self._for_many = _prepack("onednn" if is_large else "fbgemm", quantized, inner_bias)
            self._for_few = (
                _prepack("fbgemm", quantized, inner_bias)
                if is_large and not by_row
                else self._for_many
            )
        # Without VNNI, pairs of products are added in 16 bits, where 8-bit inputs overflow.
        self._has_7_bits = not cpu_has_int8()

    def __call__(self, x: Tensor, relu: bool = False) -> Tensor:
        """See `PackedLinear`."""
        if self._by_row:
            return self._row_by_row(x, relu)
        packed = self._for_few if x.numel() < _MANY_ROWS * x.size(-1) else self._for_many
        return (_multiply_int8_relu if relu else _multiply_int8)(x, packed, self._has_7_bits)

    def _row_by_row(self, x: Tensor, relu: bool) -> Tensor:
        x_RK = x.flatten(0, -2)
        R, K = x_RK.shape
        largest_R1 = x_RK.abs().amax(1, keepdim=True).clamp_min_(1e-12)
        # One more row has 1 and -1, so that the scale shared by all rows is always the same.
        scaled = x_RK.new_zeros(R + 1, K)
        torch.div(x_RK, largest_R1, out=scaled[:R])
        scaled[R, 0], scaled[R, -1] = 1.0, -1.0
        # The two libraries round differently, so the choice must not depend on the number of rows.
        out_RN = _multiply_int8(scaled, self._for_many, self._has_7_bits)[:R] * largest_R1
        if self._bias is not None:
            out_RN += self._bias
        return (out_RN.relu_() if relu else out_RN).unflatten(0, x.shape[:-1])


def _prepack(engine: str, quantized: Tensor, bias: Tensor | None) -> torch.ScriptObject:
    before = torch.backends.quantized.engine
    try:
        torch.backends.quantized.engine = engine
        return torch.ops.quantized.linear_prepack(
            quantized, None if bias is None else bias.detach()
        )
    finally:
        torch.backends.quantized.engine = before


def can_pack(weight: Tensor) -> bool:
    """Return whether a weight can be packed: on a CPU, with oneDNN, in float32 or bf16.

    For bf16, oneDNN needs a processor with AVX-512 or AVX-NE-CONVERT.
    """
    if not _has_onednn or weight.device.type != "cpu":
        return False
    if weight.dtype == torch.bfloat16:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return weight.dtype == torch.float32


def can_quantize() -> bool:
    """Return whether this build of torch multiplies 8-bit integers on a CPU."""
    return {"onednn", "fbgemm"} <= set(torch.backends.quantized.supported_engines)
