"""Position encodings: sinusoidal, learned and rotary.

Each module takes the positions of its Q queries as a tensor of shape (Q,), or of shape (1,) if all
queries share one position. By default they are 0, 1, 2, ...
"""

import torch
from torch import Tensor, nn

from mtkit.config.model import ModelConfig

_WAVELENGTH_BASE = 10000.0


class SinusoidalPositions(nn.Module):
    """Adds sines and cosines of the position; has no parameters and accepts any length."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, x_BQD: Tensor, positions: Tensor | None = None) -> Tensor:
        """Add each position's vector. Shape (B, Q, D) in and out."""
        if positions is None:
            positions = torch.arange(x_BQD.size(1), device=x_BQD.device)
        return x_BQD + sinusoidal_positions(positions, self.config).to(x_BQD.dtype)


class LearnedPositions(nn.Module):
    """Adds one trained vector per position (Gehring et al. 2017, arXiv:1705.03122)."""

    def __init__(self, max_positions: int, d_model: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(max_positions, d_model))
        nn.init.normal_(self.weight, std=d_model**-0.5)

    def forward(self, x_BQD: Tensor, positions: Tensor | None = None) -> Tensor:
        """Add each position's vector. Shape (B, Q, D) in and out.

        Raises:
            ValueError: The sequence is longer than the table.
        """
        if positions is not None:
            return x_BQD + self.weight.index_select(0, positions).to(x_BQD.dtype)
        length, n_learned = x_BQD.size(1), self.weight.size(0)
        if length > n_learned:
            raise ValueError(f"a sequence of {length} tokens exceeds {n_learned} learned positions")
        return x_BQD + self.weight[:length].to(x_BQD.dtype)


class RotaryPositions(nn.Module):
    """Rotates each pair of a head's coordinates by an angle proportional to the position.

    Su et al. 2021 (arXiv:2104.09864): the product of a query and a key then depends on their
    distance alone. Sines and cosines of consecutive positions are kept in a table; many GPUs
    compute in float64, which distant positions need, at a small part of their speed.
    """

    def __init__(self, d_head: int) -> None:
        super().__init__()
        self.d_head = d_head
        # Not a buffer, which would be converted with the weights.
        self.table_2PK2 = torch.empty(2, 0, d_head // 2, dtype=torch.float64)

    def forward(self, x_BHQK: Tensor, positions: Tensor | None = None) -> Tensor:
        """Rotate queries or keys. Shape (B, H, Q, K) in and out."""
        if positions is None:
            length = x_BHQK.size(2)
            return _rotate(x_BHQK, self.reaching(length, x_BHQK.device)[:, :length])
        return _rotate(x_BHQK, self._sines_and_cosines(positions))

    def rotate_at(self, position: int, x_BHQK: Tensor) -> Tensor:
        """Rotate queries or keys that share one position. Shape (B, H, Q, K) in and out."""
        table_2PK2 = self.reaching(position + 1, x_BHQK.device)
        return _rotate(x_BHQK, table_2PK2[:, position : position + 1])

    def reaching(self, n_positions: int, device: torch.device) -> Tensor:
        """Return sines and cosines of at least this many positions.

        Returns:
            Shape (2, at least n_positions, d_head / 2), float64.
        """
        # Read once: another thread may replace the table with a shorter one at any time.
        table_2PK2 = self.table_2PK2
        if n_positions > table_2PK2.size(1) or table_2PK2.device != device:
            size = max(n_positions, 2 * table_2PK2.size(1), 64)
            # Made in validation, it serves training too.
            with torch.inference_mode(False):
                table_2PK2 = self._sines_and_cosines(torch.arange(size, device=device))
            self.table_2PK2 = table_2PK2
        return table_2PK2

    def _sines_and_cosines(self, positions: Tensor) -> Tensor:
        angle_QK2 = _angles(positions, self.d_head // 2, self.d_head // 2)
        return torch.stack((angle_QK2.sin(), angle_QK2.cos()))


def _rotate(x_BHQK: Tensor, table_2QK2: Tensor) -> Tensor:
    sin, cos = table_2QK2.to(x_BHQK.dtype)
    even, odd = x_BHQK[..., 0::2], x_BHQK[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)


def sinusoidal_positions(positions: Tensor, config: ModelConfig) -> Tensor:
    """Encode positions as sines and cosines of geometrically growing wavelengths.

    Vaswani et al. 2017 (arXiv:1706.03762), section 3.5:
    PE(pos, 2i) = sin(pos / 10000^(2i/d)), PE(pos, 2i+1) = cos(pos / 10000^(2i/d)).
    With the wavelengths of tensor2tensor, the exponents are i / (d/2 - 1), so that the last one is
    exactly 1; programs that put all sines before all cosines differ in the order of coordinates
    only.

    Args:
        positions: Indices from 0, to which `position_offset` is added. Shape (Q,).
        config: Width (even), wavelengths and offset.
    Returns:
        Shape (Q, d_model), float32. The angles are float64, so distant positions are exact too.
    """
    angle_QD2 = _angles(
        positions + config.position_offset, config.d_model // 2, wavelength_steps(config)
    )
    return torch.stack((angle_QD2.sin(), angle_QD2.cos()), dim=-1).flatten(1).float()


def wavelength_steps(config: ModelConfig) -> int:
    """Return in how many steps the wavelengths of sinusoids grow by a factor of 10000."""
    n_wavelengths = config.d_model // 2
    return max(n_wavelengths - 1, 1) if config.positions == "sinusoidal_t2t" else n_wavelengths


def _angles(positions: Tensor, n_wavelengths: int, n_steps: int) -> Tensor:
    steps = torch.arange(n_wavelengths, dtype=torch.float64, device=positions.device)
    return positions.to(torch.float64)[:, None] / _WAVELENGTH_BASE ** (steps / n_steps)
