"""Dual conditional cross-entropy and its threshold."""

import json
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.synthesis.agreement import dual_cross_entropy, parse_scores, threshold_of
from mtkit.synthesis.agreement_filter import AgreementFilter, AgreementScorer, ScoringModel
from mtkit.translation.jobs.device_layout import choose_layout
from mtkit.translation.lines.records import InputLine, LineChunk
from mtkit.translation.translator import Translator

SCORES = st.lists(st.integers(0, 50).map(lambda n: n / 50), min_size=1, max_size=40)


def test_the_score_is_one_for_certainty_and_falls_with_disagreement():
    assert dual_cross_entropy(0, 0) == 1
    assert dual_cross_entropy(1.0, 3.0) == pytest.approx(math.exp(-2 - 2))
    assert dual_cross_entropy(2.0, 2.0) > dual_cross_entropy(1.0, 3.0)


@given(SCORES, st.floats(0.01, 1))
def test_a_share_keeps_the_best_and_their_equals(scores, share):
    threshold = threshold_of(np.array(scores), share)
    n_kept = sum(score >= threshold for score in scores)
    n_better = sum(score > threshold for score in scores)
    assert n_better < max(1, math.ceil(share * len(scores))) <= n_kept


@given(SCORES)
@example([0.42, 0.64, 0.86])  # a straight line but for rounding
def test_the_knee_is_the_point_farthest_above_the_chord(scores):
    falling = sorted(scores, reverse=True)
    threshold = threshold_of(np.array(scores), "knee")
    assert threshold in scores
    n = len(falling)
    if n < 3 or falling[0] == falling[-1]:
        assert threshold == falling[-1]
        return
    chord = [falling[0] + (falling[-1] - falling[0]) * i / (n - 1) for i in range(n)]
    heights = [score - line for score, line in zip(falling, chord, strict=True)]
    best = max(heights)
    if best <= 1e-9:
        assert threshold == falling[-1]
    else:
        assert any(
            score == threshold and height > best - 1e-9
            for score, height in zip(falling, heights, strict=True)
        )


def test_the_knee_of_a_plateau_is_its_end():
    scores = np.array([0.9, 0.89, 0.88, 0.87, 0.86, 0.5, 0.2, 0.0])
    assert threshold_of(scores, "knee") == 0.86


def test_scores_are_those_of_mtkit_score_in_both_directions(make_trained, tmp_path):
    for seed in (1, 2):
        save_model_dir(tmp_path / str(seed), make_trained(seed))
    models = [ScoringModel((tmp_path / str(seed),), {}) for seed in (1, 2)]
    scorer = AgreementScorer(
        AgreementFilter(models[0], models[1]), choose_layout("cpu", 1, 1, None)
    )
    pairs = [("나는 학교에 간다.", "I go to school."), ("물", "water"), ("물", "  ")]
    lines = [
        InputLine(json.dumps({"text": text, "translation": {"text": translation}}))
        for text, translation in pairs
    ]
    found = parse_scores(line.text for line in scorer(LineChunk(1, lines)).lines)
    one, other = (
        Translator.load(tmp_path / str(seed), device="cpu", n_workers=1) for seed in (1, 2)
    )
    for (text, translation), score in zip(pairs[:2], found, strict=False):
        [backward] = one.pair_scorer.score([text], [translation], one.search_config())
        [forward] = other.pair_scorer.score([translation], [text], other.search_config())
        a, b = (-s.log_prob / len(s.tokens) for s in (backward, forward))
        assert score == pytest.approx(math.exp(-abs(a - b) - (a + b) / 2), abs=2e-6)
    assert math.isnan(found[2])
