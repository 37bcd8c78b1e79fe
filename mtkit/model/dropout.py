"""Dropout with masks that are cheap to draw on a CPU."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_LEVELS = 256


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
        n_dropped = min(max(round(self.p * _LEVELS), 1), _LEVELS - 1)
        is_dropped = random_bytes(x.numel()).view(x.shape) < n_dropped
        return x.masked_fill(is_dropped, 0.0).mul_(_LEVELS / (_LEVELS - n_dropped))

    def extra_repr(self) -> str:
        return f"p={self.p}"


def random_bytes(n: int) -> Tensor:
    """Draw uniform uint8 values from torch's default CPU generator. Shape (n,)."""
    words = torch.empty((n + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    return words.view(torch.uint8)[:n]
