"""Weights laid out for search on a CPU, where they no longer change: float32 and bf16 by oneDNN, or int8."""

import warnings
from collections.abc import Callable
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from mtkit.workers.cpu_info import cpu_has_int8


def _direct(op: Any) -> Callable[..., Tensor]:
    """An operator without what torch does in Python at each call, which takes a third as long as a small product."""
    return getattr(op, "_op", op)


_has_onednn = hasattr(torch.ops.mkldnn, "_linear_pointwise")
_multiply = _direct(
    torch.ops.mkldnn._linear_pointwise.default if _has_onednn else torch.ops.aten.linear.default
)
_TYPICAL_ROWS = 320
"""Rows of a step of beam search, for which the layout is chosen."""
_multiply_int8 = _direct(torch.ops.quantized.linear_dynamic.default)
_multiply_int8_relu = _direct(torch.ops.quantized.linear_relu_dynamic.default)
_MANY_WEIGHTS, _MANY_ROWS = 1 << 18, 48
"""From both on oneDNN's int8 products are the faster ones, else FBGEMM's; the weights are those of 256 times 1024."""


class PackedLinear(Protocol):
    """A linear layer ready for use."""

    min_rows: int
    """Fewer are multiplied as so many."""

    def __call__(self, x: Tensor, relu: bool = False) -> Tensor:
        """x times the weight transposed, plus the bias, then ReLU if wanted. Shape (..., in) to (..., out)."""
        ...


def with_rows(x_RK: Tensor, n_rows: int) -> Tensor:
    """With zeros below, if there are fewer rows than that."""
    n_more = n_rows - x_RK.size(0)
    return F.pad(x_RK, (0, 0, 0, n_more)) if n_more > 0 else x_RK


class OneDnnLinear:
    """A linear layer of float32 or bf16 numbers in the layout that oneDNN multiplies fastest.

    Each row of the result depends on that row of the input alone, to the bit, whatever rows stand beside it.

    Args:
        weight: Shape (out, in).
        bias: Shape (out,), or None.
    """

    # For fewer oneDNN has another routine, which reads the weights more slowly, and may add up in another order.
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
    """A linear layer of 8-bit integers: weights with a scale for each output, inputs with a scale that is found anew each time.

    Args:
        weight: In float32. Shape (out, in).
        bias: Shape (out,), or None.
        by_row: Give each row of the input a scale of its own, so that it is multiplied alike whatever rows stand beside it. Otherwise all share
            one, which is a quarter faster.

    A layer is called always with ReLU or always without: oneDNN remembers what the first call wanted.
    """

    min_rows = 1

    def __init__(self, weight: Tensor, bias: Tensor | None, by_row: bool = False) -> None:
        weight = weight.detach()
        self._bias = None if bias is None else bias.detach()
        self._by_row = by_row
        scales = (weight.abs().amax(1) / 127.0).clamp_min(1e-12).double()
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # torch speaks of another package that is to replace this one day
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
        # Without VNNI two products are added in 16 bits, where 8-bit inputs overflow.
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
        # One more row holds 1 and -1, so that the scale which all rows share is always the same.
        scaled = x_RK.new_zeros(R + 1, K)
        torch.div(x_RK, largest_R1, out=scaled[:R])
        scaled[R, 0], scaled[R, -1] = 1.0, -1.0
        # The two libraries round differently, so that the number of rows must not choose between them.
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
    """Whether a weight can be laid out for oneDNN here: on a CPU, with oneDNN in this build of torch."""
    return (
        _has_onednn
        and weight.device.type == "cpu"
        and weight.dtype in (torch.float32, torch.bfloat16)
    )


def can_quantize() -> bool:
    """Whether this build of torch multiplies 8-bit integers on a CPU."""
    return {"onednn", "fbgemm"} <= set(torch.backends.quantized.supported_engines)
