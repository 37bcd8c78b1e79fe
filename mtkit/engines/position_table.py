"""Sinusoidal positions read from a table."""

import torch
from torch import Tensor, nn

from mtkit.config.model import ModelConfig
from mtkit.model.positions import SinusoidalPositions, sinusoidal_positions


class PositionTable(nn.Module):
    """Takes the place of `SinusoidalPositions` in search, where a step has one position only.

    Computing one vector takes a dozen operations on a few numbers; reading it takes one.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.table_PD = torch.empty(0, config.d_model)

    def forward(self, x_BQD: Tensor, positions: Tensor | None = None) -> Tensor:
        """See `SinusoidalPositions`; the table has to reach the positions that are given."""
        if positions is None:
            return x_BQD + self.reaching(x_BQD.size(1), x_BQD.device)[: x_BQD.size(1)].to(
                x_BQD.dtype
            )
        return x_BQD + self.table_PD.index_select(0, positions).to(x_BQD.dtype)

    def reaching(self, n_positions: int, device: torch.device) -> Tensor:
        """Return the vectors of at least this many positions. Shape (at least n_positions, D)."""
        # Read once: another thread may replace the table with a shorter one at any time.
        table_PD = self.table_PD
        if n_positions > table_PD.size(0) or table_PD.device != device:
            size = max(n_positions, 2 * table_PD.size(0), 64)
            table_PD = sinusoidal_positions(torch.arange(size), self.config).to(device)
            self.table_PD = table_PD
        return table_PD


def tabulated(module: nn.Module) -> nn.Module | None:
    """Return a table in place of sinusoidal positions; None for other modules."""
    return PositionTable(module.config) if type(module) is SinusoidalPositions else None
