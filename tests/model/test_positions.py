"""Positions: the paper's formula, the trained table, and rotations that know distances alone."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.model.positions import (
    LearnedPositions,
    RotaryPositions,
    SinusoidalPositions,
    sinusoidal_positions,
)


def paper_formula(position, d_model):
    """Vaswani et al. 2017, section 3.5, with Python's own floats."""
    vector = []
    for i in range(d_model // 2):
        angle = position / 10000 ** (2 * i / d_model)
        vector += [math.sin(angle), math.cos(angle)]
    return vector


@given(position=st.integers(0, 100_000), half_width=st.integers(1, 64))
@settings(max_examples=60)
def test_sinusoidal_positions_are_the_paper_s(position, half_width):
    (vector,) = sinusoidal_positions(torch.tensor([position]), 2 * half_width)
    assert vector.tolist() == pytest.approx(paper_formula(position, 2 * half_width), abs=1e-6)
    assert vector.dtype == torch.float32


def test_they_are_added_at_every_place():
    x = torch.randn(2, 5, 8)
    added = SinusoidalPositions(8)(x, 0, 1) - x
    for position in range(5):
        expected = torch.tensor(paper_formula(position, 8)).expand(2, 8)
        torch.testing.assert_close(added[:, position], expected, rtol=1e-5, atol=1e-5)


def test_any_length_at_any_time():
    """The table grows when asked for more, and shorter texts come out the same before and after."""
    positions = SinusoidalPositions(8)
    short = positions(torch.zeros(1, 3, 8), 0, 1)
    far = positions(torch.zeros(1, 2, 8), 5000, 1)
    assert far[0, 1].tolist() == pytest.approx(paper_formula(5001, 8), abs=1e-6)
    torch.testing.assert_close(positions(torch.zeros(1, 3, 8), 0, 1), short, rtol=0, atol=0)


class Interrupted(SinusoidalPositions):
    """As if a thread with shorter texts came between whenever a table has been made."""

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == "table" and isinstance(value, torch.Tensor):
            super().__setattr__(name, value[:3])


def test_threads_share_a_table():
    positions = Interrupted(8)
    for n in (40, 3, 200):
        torch.testing.assert_close(
            positions(torch.zeros(1, n, 8), 0, 1)[0], sinusoidal_positions(torch.arange(n), 8)
        )


def test_stride_0_puts_all_on_one_position():
    for positions in (SinusoidalPositions(8), LearnedPositions(20, 8)):
        one = positions(torch.zeros(1, 1, 8), 7, 0)
        torch.testing.assert_close(positions(torch.zeros(3, 4, 8), 7, 0), one.expand(3, 4, 8))
        torch.testing.assert_close(positions(torch.zeros(1, 10, 8), 0, 1)[:, 7:8], one)
    rotary, x = RotaryPositions(8), torch.randn(2, 3, 4, 8)
    torch.testing.assert_close(rotary(x, 7, 0)[:, :, 2:3], rotary(x[:, :, 2:3], 7, 1))


def test_sinusoidal_positions_are_not_saved():
    positions = SinusoidalPositions(8)
    positions(torch.zeros(1, 3, 8), 0, 1)
    assert list(positions.state_dict()) == []
    assert list(positions.parameters()) == []


def test_learned_positions_are_rows_of_a_trained_table():
    positions = LearnedPositions(10, 8)
    x = torch.randn(2, 4, 8)
    torch.testing.assert_close(
        positions(x, 3, 1) - x, positions.weight[3:7].expand(2, 4, 8), rtol=1e-4, atol=1e-5
    )
    positions(x, 3, 1).sum().backward()
    gradient = positions.weight.grad
    assert gradient is not None
    assert gradient.ne(0).any(1).tolist() == [3 <= i < 7 for i in range(10)]
    with pytest.raises(ValueError, match="position 10 is past the 10"):
        positions(torch.zeros(1, 2, 8), 9, 1)


def test_rotary_positions_turn_pairs_as_complex_numbers():
    """Su et al. 2021: coordinate pair i at position p is multiplied by exp(i p / 10000^(2i/K))."""
    x = torch.randn(2, 3, 6, 8, dtype=torch.float64)
    turned = RotaryPositions(8)(x, 4, 1)
    for q in range(6):
        for i in range(4):
            turn = torch.polar(
                torch.ones((), dtype=torch.float64),
                torch.tensor((4 + q) / 10000 ** (2 * i / 8), dtype=torch.float64),
            )
            expected = torch.complex(x[:, :, q, 2 * i], x[:, :, q, 2 * i + 1]) * turn
            torch.testing.assert_close(turned[:, :, q, 2 * i], expected.real)
            torch.testing.assert_close(turned[:, :, q, 2 * i + 1], expected.imag)


@given(query_at=st.integers(0, 200), key_at=st.integers(0, 200), moved_by=st.integers(0, 1000))
@settings(max_examples=40)
def test_with_rotary_positions_a_product_depends_on_the_distance_alone(query_at, key_at, moved_by):
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 1, 1, 1, 16, generator=generator, dtype=torch.float64)
    rotary = RotaryPositions(16)
    here = (rotary(query, query_at, 1) * rotary(key, key_at, 1)).sum()
    there = (rotary(query, query_at + moved_by, 1) * rotary(key, key_at + moved_by, 1)).sum()
    torch.testing.assert_close(here, there)


def test_rotary_positions_keep_lengths_and_leave_position_0_alone():
    x = torch.randn(2, 3, 6, 8)
    turned = RotaryPositions(8)(x, 0, 1)
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(turned[:, :, 0], x[:, :, 0])


def test_a_table_made_in_inference_mode_serves_training():
    positions = SinusoidalPositions(8)
    with torch.inference_mode():
        positions(torch.zeros(1, 3, 8), 0, 1)
    x = torch.zeros(1, 3, 8, requires_grad=True)
    positions(x, 0, 1).square().sum().backward()
    assert x.grad is not None
