"""Tests of significance: published and hand-computed values; random numbers as numpy draws them."""

import numpy as np
import pytest

from mtkit.evaluation import resampling
from mtkit.evaluation.resampling import (
    bootstrap_p,
    draw_bootstrap,
    draw_halves,
    holm,
    percentile_interval,
    randomization_p,
    resample,
    sign_test,
)


def test_holm_by_hand():
    # Holm 1979: 0.01 * 4, then max(0.04, 0.02 * 3), max(0.06, 0.03 * 2), max(0.06, 0.04 * 1).
    assert holm([0.02, 0.01, 0.04, 0.03]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.7, 0.6]) == [1, 1]
    assert holm([]) == []


@pytest.mark.parametrize(
    ("n_more", "n_fewer", "p"),
    [
        (0, 0, 1),
        (1, 0, 1),
        (5, 0, 2 / 32),
        (2, 8, 2 * (1 + 10 + 45) / 1024),
        (8, 2, 2 * (1 + 10 + 45) / 1024),
        (5, 5, 1),
    ],
)
def test_sign_test_by_hand(n_more, n_fewer, p):
    assert sign_test(n_more, n_fewer) == pytest.approx(p)


def test_the_sign_test_takes_any_count():
    assert 0 < sign_test(700, 900) < 1e-5
    assert sign_test(100_000, 0) == 0


def test_an_interval_leaves_out_a_fortieth_on_each_side():
    assert percentile_interval(np.arange(120.0)[::-1]) == (3, 116)
    assert percentile_interval(np.array([2.0, 1.0])) == (1, 2)


def test_p_values_by_hand():
    differences = np.array([-3.0, -1.0, 1.0, 2.0])
    # Larger than 1: two of four, and one is added to both.
    assert randomization_p(differences, -1) == 3 / 5
    # Mean size 7/4; 3 - 7/4 is the only one above 1.
    assert bootstrap_p(differences, 1) == 2 / 5


@pytest.mark.parametrize(("n_segments", "n"), [(1, 5), (13, 100), (1000, 70)])
def test_the_numbers_drawn_do_not_depend_on_the_size_of_chunks(monkeypatch, n_segments, n):
    rows = np.random.default_rng(1).integers(9, size=(n_segments, 3)).astype(float)
    monkeypatch.setattr(resampling, "_CHUNK_ELEMENTS", 1)
    rng = np.random.default_rng(5)
    drawn = rng.choice(n_segments, size=(n, n_segments))
    [sums] = resample(draw_bootstrap, [rows], n, 5)
    assert np.array_equal(sums, rows[drawn].sum(axis=1))
    rng = np.random.default_rng(5)
    kept = rng.integers(2, size=(n, n_segments), dtype=bool)
    sums = np.hstack(resample(draw_halves, [rows[:, :1], rows[:, 1:]], n, 5))
    assert np.array_equal(sums, kept @ rows)
