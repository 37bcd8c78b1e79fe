"""Dropout with masks that are cheap to draw on a CPU."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_LEVELS = 256
"""Number of values of a random byte."""


class Dropout(nn.Module):
    """Sets a share p of the values to zero in training and scales up the others.

    Srivastava et al. 2014. On a CPU a mask takes 8 random bits per value, several times faster than
    torch's own dropout. There p is rounded to a multiple of 1/256, from 1/256 to 255/256. The bits
    come from torch's default generator, so a seed fixes them.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Apply dropout. Any shape in, the same out."""
        if not self.training or self.p == 0.0:
            return x
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            return F.dropout(x, self.p)
        return _ByteDropout.apply(x, random_bytes(x.numel()).view(x.shape), _n_dropped(self.p))

    def extra_repr(self) -> str:
        return f"p={self.p}"


def rate_on_cpu(p: float) -> float:
    """Return the share of values that `Dropout` sets to zero on a CPU."""
    return _n_dropped(p) / _LEVELS if p else 0.0


def _n_dropped(p: float) -> int:
    return min(max(round(p * _LEVELS), 1), _LEVELS - 1)


class _ByteDropout(torch.autograd.Function):
    """Sets values to zero where a random byte is below n_dropped, and scales up the others.

    The selection is torch's gradient of a threshold, which is vectorized on a CPU; `masked_fill`
    and comparisons of bytes are not.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, bytes_: Tensor, n_dropped: int) -> Tensor:
        ctx.save_for_backward(bytes_)
        ctx.n_dropped = n_dropped
        return _drop_below(x, bytes_, n_dropped)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (bytes_,) = ctx.saved_tensors
        return _drop_below(grads[0], bytes_, ctx.n_dropped), None, None


def _drop_below(x: Tensor, bytes_: Tensor, n_dropped: int) -> Tensor:
    # Exact in half precision too, which represents all integers from 0 to 255.
    kept = torch.ops.aten.threshold_backward(x, bytes_.to(x.dtype), n_dropped - 1)
    return kept.mul_(_LEVELS / (_LEVELS - n_dropped))


def random_bytes(n: int) -> Tensor:
    """Draw uniform uint8 values from torch's default CPU generator. Shape (n,)."""
    words = torch.empty((n + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    return words.view(torch.uint8)[:n]
