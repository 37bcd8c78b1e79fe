"""How the model is told the order of tokens."""

import torch
from torch import Tensor, nn

_WAVELENGTH_BASE = 10000.0


def sinusoidal_positions(positions: Tensor, d_model: int) -> Tensor:
    """Vectors that encode positions as sines and cosines of geometrically growing wavelengths.

    Vaswani et al. 2017 (arXiv:1706.03762), section 3.5:
    PE(pos, 2i) = sin(pos / 10000^(2i/d)), PE(pos, 2i+1) = cos(pos / 10000^(2i/d)).

    Args:
        positions: Any non-negative integers. Shape (Q,).
        d_model: Width of the vectors; even.
    Returns:
        Shape (Q, d_model), float32; computed in float64, so that far positions are exact too.
    """
    angle_QD2 = _angles(positions, d_model)
    return torch.stack((angle_QD2.sin(), angle_QD2.cos()), dim=-1).flatten(1).float()


def _angles(positions: Tensor, width: int) -> Tensor:
    even = torch.arange(0, width, 2, dtype=torch.float64, device=positions.device)
    return positions.to(torch.float64)[:, None] / _WAVELENGTH_BASE ** (even / width)


class SinusoidalPositions(nn.Module):
    """Adds the paper's position vectors; has no parameters and takes any length."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.d_model = d_model
        self.register_buffer("table", torch.empty(0, d_model), persistent=False)

    def forward(self, x_BQD: Tensor, start: int | Tensor, stride: int) -> Tensor:
        """Add position `start + stride * q` to query q. Shape (B, Q, D) in and out; stride 0 puts all on one position.

        A tensor of shape (1,) as start goes with stride 0, and the table must reach its position.
        """
        if isinstance(start, Tensor):
            return x_BQD + self.table.index_select(0, start).to(x_BQD.dtype)
        end = start + stride * (x_BQD.size(1) - 1) + 1
        table = self.reaching(end, x_BQD.device)
        rows = table[start : start + 1] if stride == 0 else table[start:end]
        return x_BQD + rows.to(x_BQD.dtype)

    def reaching(self, size: int, device: torch.device) -> Tensor:
        """The vectors of at least so many positions, which are made where there are not as many yet. Shape (at least size, D)."""
        # Read once: a batch of another thread may put a shorter table in its place at any time.
        table = self.table
        if size > table.size(0) or table.device != device:
            table = sinusoidal_positions(
                torch.arange(max(size, 2 * table.size(0), 64)), self.d_model
            ).to(device)
            self.table = table
        return table


class LearnedPositions(nn.Module):
    """Adds one trained vector for each position (Gehring et al. 2017)."""

    def __init__(self, max_positions: int, d_model: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(max_positions, d_model))
        nn.init.normal_(self.weight, std=d_model**-0.5)

    def forward(self, x_BQD: Tensor, start: int | Tensor, stride: int) -> Tensor:
        """Add position `start + stride * q` to query q. Shape (B, Q, D) in and out. A tensor of shape (1,) as start goes with stride 0.

        Raises:
            ValueError: A position is past the table.
        """
        if isinstance(start, Tensor):
            return x_BQD + self.weight.index_select(0, start).to(x_BQD.dtype)
        end = start + stride * (x_BQD.size(1) - 1) + 1
        if end > self.weight.size(0):
            raise ValueError(
                f"position {end - 1} is past the {self.weight.size(0)} learned positions"
            )
        rows = self.weight[start : start + 1] if stride == 0 else self.weight[start:end]
        return x_BQD + rows.to(x_BQD.dtype)


class RotaryPositions(nn.Module):
    """Turns each pair of a head's coordinates by an angle that grows with the position.

    Su et al. 2021 (arXiv:2104.09864): the product of a query and a key then depends on their distance alone.
    """

    def __init__(self, d_head: int) -> None:
        super().__init__()
        self.d_head = d_head

    def forward(self, x_BHQK: Tensor, start: int | Tensor, stride: int) -> Tensor:
        """Turn query or key q to position `start + stride * q`. Shape (B, H, Q, K) in and out."""
        positions = start + stride * torch.arange(x_BHQK.size(2), device=x_BHQK.device)
        angle_QK2 = _angles(positions, self.d_head)
        sin, cos = angle_QK2.sin().to(x_BHQK.dtype), angle_QK2.cos().to(x_BHQK.dtype)
        even, odd = x_BHQK[..., 0::2], x_BHQK[..., 1::2]
        return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)
