"""Facts about positions, against the formulas of the papers."""

import numpy as np
import pytest

from mtkit.config.model import ModelConfig
from mtkit.inspection.recipe.positions import position_facts, rotation

WIDTH = 24


CONFIG = ModelConfig(d_model=WIDTH, n_heads=2)


def encode(position, exponents=np.arange(0, WIDTH, 2) / WIDTH):
    angles = position / 10000**exponents
    return np.stack([np.sin(angles), np.cos(angles)], axis=1).reshape(-1)


@pytest.fixture(scope="module")
def sinusoidal():
    return position_facts(CONFIG, n_trained=30)


def test_the_heat_map_shows_the_paper_s_vectors(sinusoidal):
    expected = np.stack([encode(position) for position in range(64)])
    np.testing.assert_allclose(sinusoidal.vectors, expected, atol=1e-6)


def test_products_and_distances_depend_on_the_offset_alone(sinusoidal):
    frequencies = 1 / 10000 ** (np.arange(0, WIDTH, 2) / WIDTH)
    k = np.arange(65)
    # sin a sin b + cos a cos b = cos(a - b): the position cancels out.
    products = np.cos(k[:, None] * frequencies).sum(1)
    assert sinusoidal.starts == (0, 10, 100, 1000)
    np.testing.assert_allclose(sinusoidal.products, np.tile(products, (4, 1)), atol=1e-5)
    distances = np.sqrt(2 * (WIDTH / 2 - products).clip(0))
    np.testing.assert_allclose(sinusoidal.distances, np.tile(distances, (4, 1)), atol=1e-3)
    assert sinusoidal.product_spread < 1e-5


@pytest.mark.parametrize(("position", "offset"), [(0, 1), (7, 5), (123, 64), (4000, 17)])
def test_a_later_vector_is_a_fixed_rotation(position, offset):
    matrix = rotation(offset, CONFIG)
    np.testing.assert_allclose(matrix @ encode(position), encode(position + offset), atol=1e-9)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(WIDTH), atol=1e-12)


def test_rotation_norm_and_positions_past_the_training_lengths(sinusoidal):
    assert sinusoidal.rotation_error < 1e-6
    assert sinusoidal.norm == pytest.approx(np.sqrt(WIDTH / 2))
    assert sinusoidal.beyond == 300 and sinusoidal.limit is None
    assert sinusoidal.norm_beyond == pytest.approx(np.linalg.norm(encode(300)), abs=1e-6)
    shortest, longest = sinusoidal.wavelengths
    assert shortest == pytest.approx(2 * np.pi)
    assert longest == pytest.approx(2 * np.pi * 10000 ** ((WIDTH - 2) / WIDTH))


def test_wavelengths_of_tensor2tensor():
    settings = {"positions": "sinusoidal_t2t", "position_offset": 2}
    facts = position_facts(CONFIG.model_copy(update=settings), n_trained=30)
    exponents = np.arange(WIDTH // 2) / (WIDTH // 2 - 1)
    expected = np.stack([encode(position, exponents) for position in range(2, 66)])
    assert facts.vectors is not None and facts.wavelengths is not None
    np.testing.assert_allclose(facts.vectors, expected, atol=1e-6)
    assert facts.wavelengths[1] == pytest.approx(2 * np.pi * 10000)
    assert facts.rotation_error is not None and facts.rotation_error < 1e-6


def test_rotary_scores_depend_on_the_offset_alone():
    facts = position_facts(
        ModelConfig(d_model=2 * WIDTH, n_heads=2, positions="rotary"), n_trained=30
    )
    assert facts.products is not None and facts.vectors is not None
    assert facts.product_spread is not None and facts.product_spread < 1e-9
    assert np.ptp(facts.products[0]) > 0.1, "but not on nothing"
    angles = np.arange(64)[:, None] / 10000 ** (np.arange(0, WIDTH, 2) / WIDTH)
    np.testing.assert_allclose(facts.vectors[:, 0::2], np.cos(angles), atol=1e-9)
    np.testing.assert_allclose(facts.vectors[:, 1::2], np.sin(angles), atol=1e-9)
    assert facts.norm == facts.norm_beyond == pytest.approx(np.sqrt(WIDTH / 2))


def test_learned_positions_end():
    facts = position_facts(ModelConfig(positions="learned", max_positions=77), n_trained=30)
    assert (facts.limit, facts.vectors, facts.products) == (77, None, None)
