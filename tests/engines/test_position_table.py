"""Positions read from a table: those of the formula, also when threads share it."""

import pytest
import torch

from mtkit.config.model import ModelConfig
from mtkit.engines.position_table import PositionTable, tabulated
from mtkit.model.positions import LearnedPositions, SinusoidalPositions, sinusoidal_positions

CONFIG = ModelConfig(d_model=8, n_heads=1)
SHIFTED = ModelConfig(d_model=8, n_heads=1, positions="sinusoidal_t2t", position_offset=2)


@pytest.mark.parametrize("config", [CONFIG, SHIFTED])
def test_table_equals_the_models_positions(config):
    table, plain = PositionTable(config), SinusoidalPositions(config)
    for n in (3, 200, 3, 5000):
        x = torch.randn(2, n, 8)
        assert torch.equal(table(x), plain(x))
        position = torch.tensor([n - 1])
        assert torch.equal(table(x, position), plain(x, position))


class Interrupted(PositionTable):
    """As if a thread with shorter texts came between whenever a table has been made."""

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == "table_PD" and isinstance(value, torch.Tensor):
            super().__setattr__(name, value[:3])


def test_threads_share_a_table():
    positions = Interrupted(CONFIG)
    for n in (40, 3, 200):
        torch.testing.assert_close(
            positions(torch.zeros(1, n, 8))[0], sinusoidal_positions(torch.arange(n), CONFIG)
        )


def test_only_sinusoidal_positions_are_replaced():
    assert isinstance(tabulated(SinusoidalPositions(CONFIG)), PositionTable)
    assert tabulated(LearnedPositions(4, 8)) is None
    assert list(PositionTable(CONFIG).state_dict()) == []
