"""Tuning of the search, with a function in place of a model, whose best settings are known."""

import json

import pytest
import sacrebleu

from mtkit.evaluation.corpus_metric import SacreBleuMetric
from mtkit.evaluation.resampling import Resampling
from mtkit.evaluation.tuning import SearchSettings, tune_search

REFERENCES = [
    " ".join(f"word{(7 * line + i) % 50}" for i in range(6 + line % 5)) for line in range(30)
]
FEW = Resampling(n_bootstrap=50, n_trials=50)


class Model:
    """Translates like the references, but some lines too short or too long unless alpha fits.

    Args:
        best: The fitting value; every 0.2 from it makes one line more too long or too short.
        wide_is_better: Whether smaller beams make an error more.
    """

    def __init__(self, best, wide_is_better=False):
        self.best, self.wide_is_better, self.asked = best, wide_is_better, []

    def __call__(self, settings):
        self.asked.append(settings)
        n = round(5 * (settings.alpha - self.best))
        lines = [self._change(line.split(), n, i) for i, line in enumerate(REFERENCES)]
        if self.wide_is_better and settings.beam_size < 8:
            lines[0] = "nothing"
        return lines

    def _change(self, words, n, line):
        if line >= abs(n):
            return " ".join(words)
        return " ".join(words[:-2] if n < 0 else [*words, "and", "more"])


def tune(model, current=(5, 1.0), metric="bleu", **values):
    scorer = SacreBleuMetric(metric, [REFERENCES])
    return tune_search(
        model, [REFERENCES], SearchSettings(*current), scorer, resampling=FEW, **values
    )


def alphas(tuning):
    return [trial.settings.alpha for trial in tuning.trials]


@pytest.mark.parametrize(
    ("best", "tried"),
    [
        (1.4, [0.6, 1.0, 1.4, 1.8]),
        (2.6, [0.6, 1.0, 1.4, 1.8, 2.2, 2.6, 3.0]),
        (0.2, [0.0, 0.2, 0.6, 1.0, 1.4, 1.8]),
        (-1.0, [0.0, 0.2, 0.6, 1.0, 1.4, 1.8]),
    ],
)
@pytest.mark.parametrize("metric", ["bleu", "chrf", "ter"])
def test_it_goes_on_while_the_end_is_best(best, tried, metric):
    tuning = tune(Model(best), metric=metric)
    assert alphas(tuning) == tried
    assert tuning.best.settings == (5, max(best, 0.0))


def test_it_ends_somewhere():
    assert alphas(tune(Model(6.4)))[-1] == 5.0


def test_a_distant_value_of_the_model_is_not_a_neighbor():
    tuning = tune(Model(2.6), current=(5, 4.5))
    assert alphas(tuning) == [0.6, 1.0, 1.4, 1.8, 2.2, 2.6, 3.0, 4.5]
    assert tuning.best.settings.alpha == 2.6


def test_given_values_alone_are_tried_beside_the_models():
    model = Model(3.0)
    tuning = tune(model, alphas=[1.5, 2.0], beam_sizes=[1, 4, 8])
    assert sorted(model.asked) == [
        *((1, 1.0), (4, 1.5), (4, 2.0)),
        *((5, 1.0), (8, 1.5), (8, 2.0)),
    ]
    assert tuning.best.settings == (4, 2.0), "of equal scores, that of the smaller beam"
    assert tune(Model(3.0, True), alphas=[2.0], beam_sizes=[4, 8]).best.settings == (8, 2.0)


def test_scores_are_those_of_sacrebleu_and_the_difference_is_shown():
    model = Model(1.4)
    tuning = tune(model)
    for trial in tuning.trials:
        expected = sacrebleu.corpus_bleu(Model(1.4)(trial.settings), [REFERENCES])
        assert trial.score.value == pytest.approx(expected.score, abs=1e-9)
        n_chars = sum(map(len, trial.translations))
        assert trial.length_ratio == n_chars / sum(map(len, REFERENCES))
    difference = tuning.best.score.value - tuning.current.score.value
    assert difference > 1 and tuning.best.score.value == pytest.approx(100)
    text = "\n".join(tuning.lines())
    assert f"best: alpha 1.4, beam size 5: {difference:+.2f} [" in text
    assert "over alpha 1, beam size 5" in text and "tok:13a" in text
    [row] = [line for line in text.splitlines() if "the model's" in line]
    assert row.split()[:2] == ["5", "1"] and "best" not in row
    tree = json.loads(tuning.to_json())
    assert tree["best"] == {"beam_size": 5, "alpha": 1.4} and tree["n_segments"] == 30
    assert tree["difference"]["value"] == pytest.approx(difference)
    assert [trial["alpha"] for trial in tree["trials"]] == alphas(tuning)


def test_the_models_settings_may_be_best():
    tuning = tune(Model(1.0))
    assert tuning.best is tuning.current and tuning.difference is None
    text = "\n".join(tuning.lines())
    assert "best: alpha 1, beam size 5, the model's own settings" in text
    assert "the model's, best" in text
    assert json.loads(tuning.to_json())["difference"] is None
