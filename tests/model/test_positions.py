"""Positions: the paper's formula, the trained table, and rotations that know distances alone."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.config.model import ModelConfig
from mtkit.model.positions import (
    LearnedPositions,
    RotaryPositions,
    SinusoidalPositions,
    sinusoidal_positions,
)
from tests.devices import on_each_device


def config(d_model=8, **settings):
    return ModelConfig(d_model=d_model, n_heads=1, **settings)


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
    (vector,) = sinusoidal_positions(torch.tensor([position]), config(2 * half_width))
    assert vector.tolist() == pytest.approx(paper_formula(position, 2 * half_width), abs=1e-6)
    assert vector.dtype == torch.float32


def fairseq_formula(position, d_model):
    """`SinusoidalPositionalEmbedding` of fairseq and M2M100: all sines, then all cosines."""
    half = d_model // 2
    rates = [math.exp(-math.log(10000) / (half - 1) * i) for i in range(half)]
    return [math.sin(position * rate) for rate in rates] + [
        math.cos(position * rate) for rate in rates
    ]


@pytest.mark.parametrize("d_model", [4, 6, 10, 64])
@pytest.mark.parametrize("offset", [0, 2])
def test_wavelengths_of_tensor2tensor(d_model, offset):
    variant = config(d_model, positions="sinusoidal_t2t", position_offset=offset)
    for position in (0, 1, 7, 1023, 5000):
        (vector,) = sinusoidal_positions(torch.tensor([position]), variant)
        expected = fairseq_formula(position + offset, d_model)
        sines_first = vector.view(-1, 2).T.flatten()
        assert sines_first.tolist() == pytest.approx(expected, abs=1e-6)


def test_an_offset_moves_the_paper_s_positions():
    moved = sinusoidal_positions(torch.arange(5), config(position_offset=3))
    assert torch.equal(moved, sinusoidal_positions(torch.arange(3, 8), config()))
    for positions in ("learned", "rotary"):
        with pytest.raises(ValueError, match=f"no effect on {positions} positions"):
            config(positions=positions, position_offset=2)


def test_positions_are_added_at_every_index():
    x = torch.randn(2, 5, 8)
    added = SinusoidalPositions(config())(x) - x
    for position in range(5):
        expected = torch.tensor(paper_formula(position, 8)).expand(2, 8)
        torch.testing.assert_close(added[:, position], expected, rtol=1e-5, atol=1e-5)


def test_distant_positions():
    far = SinusoidalPositions(config())(torch.zeros(1, 2, 8), torch.tensor([5000, 5001]))
    assert far[0, 1].tolist() == pytest.approx(paper_formula(5001, 8), abs=1e-6)


def test_all_queries_may_share_one_position():
    position = torch.tensor([7])
    for positions in (SinusoidalPositions(config()), LearnedPositions(20, 8)):
        one = positions(torch.zeros(1, 1, 8), position)
        torch.testing.assert_close(positions(torch.zeros(3, 4, 8), position), one.expand(3, 4, 8))
        torch.testing.assert_close(positions(torch.zeros(1, 10, 8))[:, 7:8], one)
    rotary, x = RotaryPositions(8), torch.randn(2, 3, 4, 8)
    torch.testing.assert_close(rotary(x, position)[:, :, 2:3], rotary(x[:, :, 2:3], position))


def test_sinusoidal_positions_are_not_saved():
    positions = SinusoidalPositions(config())
    positions(torch.zeros(1, 3, 8))
    assert list(positions.state_dict()) == []
    assert list(positions.parameters()) == []


def test_learned_positions_are_rows_of_a_trained_table():
    positions = LearnedPositions(10, 8)
    x = torch.randn(2, 4, 8)
    torch.testing.assert_close(
        positions(x, torch.arange(3, 7)) - x,
        positions.weight[3:7].expand(2, 4, 8),
        rtol=1e-4,
        atol=1e-5,
    )
    positions(x, torch.arange(3, 7)).sum().backward()
    gradient = positions.weight.grad
    assert gradient is not None
    assert gradient.ne(0).any(1).tolist() == [3 <= i < 7 for i in range(10)]
    with pytest.raises(ValueError, match="11 tokens exceeds 10 learned positions"):
        positions(torch.zeros(1, 11, 8))


def test_rotary_positions_turn_pairs_as_complex_numbers():
    """Su et al. 2021: coordinate pair i at position p is multiplied by exp(i p / 10000^(2i/K))."""
    x = torch.randn(2, 3, 6, 8, dtype=torch.float64)
    turned = RotaryPositions(8)(x, torch.arange(4, 10))
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

    def product(query_at, key_at):
        at = torch.tensor([query_at]), torch.tensor([key_at])
        return (rotary(query, at[0]) * rotary(key, at[1])).sum()

    here, there = product(query_at, key_at), product(query_at + moved_by, key_at + moved_by)
    torch.testing.assert_close(here, there)


def test_rotary_positions_keep_lengths_and_leave_position_0_alone():
    x = torch.randn(2, 3, 6, 8)
    turned = RotaryPositions(8)(x)
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(turned[:, :, 0], x[:, :, 0])


def rotated(x, positions):
    """As each attention computed it before there was a table."""
    steps = torch.arange(4, dtype=torch.float64)
    angles = positions.double()[:, None] / 10000.0 ** (steps / 4)
    sin, cos = angles.sin().to(x.dtype), angles.cos().to(x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


@on_each_device
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_rotary_positions_from_a_table_are_equal_to_the_bit(dtype, device):
    rotary, made = RotaryPositions(8), []
    for n in (3, 70, 1, 1100):
        x = torch.randn(2, 2, n, 8).to(device, dtype)
        assert torch.equal(rotary(x), rotated(x, torch.arange(n, device=device)))
        at = torch.tensor([n + 5], device=device)
        assert torch.equal(rotary.rotate_at(n + 5, x), rotated(x, at))
        made.append(rotary.table_2PK2.size(1))
    # It grows to twice its size at least.
    assert made == [64, 128, 128, 2200]
    assert rotary.state_dict() == {}
    rotary.half()
    assert rotary.table_2PK2.dtype == torch.float64


def test_a_rotary_table_made_in_validation_serves_training():
    rotary, x = RotaryPositions(8), torch.randn(1, 1, 5, 8)
    with torch.inference_mode():
        expected = rotary(x)
    x.requires_grad_()
    (out := rotary(x)).sum().backward()
    assert torch.equal(out, expected) and x.grad is not None


class Interrupted(RotaryPositions):
    """As if a thread with shorter texts came between whenever a table has been made."""

    def __setattr__(self, name, value: Any):
        super().__setattr__(name, value[:, :3] if name == "table_2PK2" else value)


def test_threads_share_a_rotary_table():
    rotary = Interrupted(8)
    for n in (40, 3, 200):
        x = torch.randn(1, 1, n, 8)
        assert torch.equal(rotary(x), rotated(x, torch.arange(n)))
