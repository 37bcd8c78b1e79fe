"""Comparisons: sacreBLEU's own numbers for scores, means, intervals and p-values."""

import statistics

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import estimate_ci

from mtkit.errors import MtkitError
from mtkit.evaluation.comparison import System, compare_systems, score_systems
from mtkit.evaluation.corpus_metric import sacrebleu_metrics
from mtkit.evaluation.metrics import compare, evaluate
from mtkit.evaluation.resampling import Resampling
from tests.evaluation import sacrebleu_numbers
from tests.evaluation.perturbed import perturb

KEYS = list(sacrebleu_numbers.NAMES)


@pytest.fixture(scope="module")
def english(ko_en_pairs):
    """97 lines: no multiple of anything that the random numbers are drawn in."""
    return [pair.tgt for pair in ko_en_pairs][:97]


def references_of(english, which):
    """References for mtkit (blank lines are missing), and for sacreBLEU (None is missing)."""
    second = perturb(english, 0.3, 7)
    third = perturb(english, 0.3, 8)
    given = {
        "one": [english],
        "two": [english, second],
        "incomplete": [english, [line if i % 3 else "" for i, line in enumerate(second)]],
        "three": [english, second, third],
    }[which]
    return given, [
        [line or None for line in stream] if i else stream for i, stream in enumerate(given)
    ]


@pytest.mark.parametrize("references", ["one", "two", "incomplete"])
@pytest.mark.parametrize(("test", "seed"), [("ar", 12345), ("bs", 12345), ("ar", 7), ("bs", 7)])
def test_all_numbers_are_those_of_sacrebleu_s_paired_tests(
    english, monkeypatch, references, test, seed
):
    monkeypatch.setenv("SACREBLEU_SEED", str(seed))
    ours, theirs = references_of(english, references)
    outputs = {
        "base": perturb(english, 0.2, 1),
        "close": perturb(english, 0.2, 2),
        "worse": perturb(english, 0.3, 3),
    }
    n = {"ar": 100, "bs": 60}[test]
    signatures, expected = sacrebleu_numbers.paired_test(
        outputs,
        KEYS,
        theirs,
        test_type=test,
        n_samples=n,
        n_ar_confidence=60 if test == "ar" else -1,
    )
    result = compare_systems(
        [System(name, [lines]) for name, lines in outputs.items()],
        sacrebleu_metrics(KEYS, ours),
        Resampling(n_bootstrap=60, test=test, n_trials=n, seed=seed),
    )
    for key in KEYS:
        for i, (system, theirs_of_system) in enumerate(
            zip(result.systems, expected[key], strict=True)
        ):
            score = system.scores[key].score
            assert score.value == theirs_of_system.score
            # With ar, sacreBLEU draws other resamples for each system after the first.
            if test == "bs" or i == 0:
                assert score.interval is not None
                assert score.interval.mean == theirs_of_system.mean
                assert (score.interval.high - score.interval.low) / 2 == pytest.approx(
                    theirs_of_system.ci, rel=1e-6
                )
        pairs = [pair for pair in result.differences if pair.metric == key and pair.first == "base"]
        assert [pair.p for pair in pairs] == [one.p_value for one in expected[key][1:]]
        assert {pair.signature for pair in pairs} == {str(signatures[key])} or test == "bs"
        assert f"{test}:{n}" in pairs[0].signature and f"seed:{seed}" in pairs[0].signature


def test_ter_with_three_references_differs_by_sacrebleu_s_rounding_errors_only(english):
    # Thirds of words, which sacreBLEU sums up in single precision.
    ours, theirs = references_of(english, "three")
    outputs = [perturb(english, 0.2, 1), perturb(english, 0.2, 2)]
    _, expected = sacrebleu_numbers.paired_test(
        {"a": outputs[0], "b": outputs[1]}, ["ter"], theirs, test_type="bs", n_samples=200
    )
    result = compare_systems(
        [System("a", [outputs[0]]), System("b", [outputs[1]])],
        sacrebleu_metrics(["ter"], ours),
        Resampling(n_bootstrap=200, test="bs"),
    )
    for system, theirs_of_system in zip(result.systems, expected["ter"], strict=True):
        score = system.scores["ter"].score
        assert score.interval is not None
        assert score.value == pytest.approx(theirs_of_system.score, rel=1e-12)
        assert score.interval.mean == pytest.approx(theirs_of_system.mean, rel=1e-5)
    assert result.differences[0].p == expected["ter"][1].p_value


@pytest.mark.parametrize("key", KEYS)
def test_evaluate_has_the_interval_and_the_signature_of_sacrebleu(english, key):
    hypotheses = perturb(english, 0.2, 1)
    metric = sacrebleu_numbers.metric(key)
    expected = metric.corpus_score(hypotheses, [english], n_bootstrap=300)
    score = evaluate(hypotheses, english, [key], n_bootstrap=300).by_metric[key]
    assert score.interval is not None
    assert score.value == expected.score
    assert score.interval.mean == pytest.approx(expected._mean, rel=1e-6)
    assert (score.interval.high - score.interval.low) / 2 == pytest.approx(expected._ci, rel=1e-6)
    assert score.interval.low < score.value < score.interval.high
    assert score.signature == str(metric.get_signature())


def test_the_interval_of_a_difference_is_that_of_paired_resamples(english):
    english = english[:37]
    first, second = perturb(english, 0.2, 1), perturb(english, 0.25, 2)
    (pair,) = compare_systems(
        [System("a", [first]), System("b", [second])],
        sacrebleu_metrics(["ter"], [english]),
        Resampling(n_bootstrap=120, n_trials=10),
    ).differences
    ter = sacrebleu_numbers.metric("ter")
    drawn = np.random.default_rng(12345).choice(len(english), size=(120, len(english)))
    differences = np.array(
        [
            ter.corpus_score([second[i] for i in indices], [[english[i] for i in indices]]).score
            - ter.corpus_score([first[i] for i in indices], [[english[i] for i in indices]]).score
            for indices in drawn
        ]
    )
    assert (pair.high - pair.low) / 2 == pytest.approx(estimate_ci(differences)[1], abs=1e-4)
    assert pair.low == pytest.approx(sorted(differences)[3], abs=1e-4)
    # Fewer edits are better.
    assert pair.better_share == (differences < 0).mean()


def test_equal_outputs_are_reported_as_equal_not_as_significant(english):
    lines = perturb(english, 0.2, 1)
    result = compare_systems(
        [System("a", [lines]), System("b", [list(lines)]), System("c", [perturb(english, 0.4, 3)])],
        sacrebleu_metrics(["bleu"], [english]),
        Resampling(100, n_trials=200),
    )
    equal, first, second = result.differences
    assert (equal.n_different, equal.p, equal.p_holm, equal.value) == (0, None, None, 0)
    # Holm's correction is for the two pairs that were tested.
    assert first.p == second.p == 1 / 201
    assert first.p_holm == second.p_holm == 2 / 201


def test_one_different_line_is_counted(english):
    # In half of the trials the line is exchanged, which changes the sign of the difference only, so
    # that none is larger: the p-value has no meaning. Any rounding error would make some of them
    # larger.
    other = [*english[:-1], "something else"]
    for key in KEYS:
        (pair,) = compare_systems(
            [System("a", [english]), System("b", [other])],
            sacrebleu_metrics([key], references_of(english, "three")[0]),
            Resampling(100, n_trials=300),
        ).differences
        assert pair.value != 0 and (pair.p, pair.n_different) == (1 / 301, 1)


def test_runs_of_a_system_are_averaged(english):
    runs = [perturb(english, 0.2, seed) for seed in (1, 2, 3)]
    others = [perturb(english, 0.2, seed) for seed in (4, 5, 6)]
    metrics = sacrebleu_metrics(["bleu"], [english])
    result = compare_systems(
        [System("a", runs), System("b", others)], metrics, Resampling(100, n_trials=99)
    )
    values = [sacrebleu_numbers.metric("bleu").corpus_score(run, [english]).score for run in runs]
    scores = result.systems[0].scores["bleu"]
    assert scores.runs == values
    assert scores.score.value == pytest.approx(statistics.mean(values))
    assert scores.deviation == pytest.approx(statistics.stdev(values))
    (pair,) = result.differences
    deviations = [system.scores["bleu"].deviation for system in result.systems]
    assert pair.is_below_deviation == (abs(pair.value) < max(deviations))  # pyright: ignore[reportArgumentType]
    # Three copies of one run are that run.
    thrice = compare_systems(
        [System("a", runs[:1] * 3), System("b", others[:1] * 3)],
        metrics,
        Resampling(100, n_trials=99),
    )
    once = compare_systems(
        [System("a", runs[:1]), System("b", others[:1])], metrics, Resampling(100, n_trials=99)
    )
    assert thrice.differences[0].p == once.differences[0].p
    assert thrice.differences[0].low == pytest.approx(once.differences[0].low)


def test_different_numbers_of_runs_need_the_bootstrap(english):
    systems = [System("a", [english, english]), System("b", [perturb(english, 0.2, 1)])]
    metrics = sacrebleu_metrics(["chrf"], [english])
    with pytest.raises(MtkitError, match=r"same number of runs of each system \(a: 2, b: 1\)"):
        compare_systems(systems, metrics, Resampling(100))
    assert compare_systems(systems, metrics, Resampling(100, test="bs")).differences[0].p == 1 / 101
    with pytest.raises(MtkitError, match="needs resamples"):
        compare_systems(systems, metrics, Resampling(0, test="bs"))


def test_a_blank_reference_counts_only_where_there_is_no_other(english):
    # The second segment has no reference at all: sacreBLEU's empty string.
    references = [[english[0], "", english[2]], [english[0], "", ""]]
    hypotheses = perturb(english[:3], 0.2, 1)
    theirs = [[english[0], "", english[2]], [english[0], "", None]]
    for key in KEYS:
        metric = sacrebleu_numbers.metric(key)
        expected = metric.corpus_score(hypotheses, theirs).score
        score = evaluate(hypotheses, references, [key], warns=False).by_metric[key]
        assert score.value == expected
        assert "nrefs:var" in score.signature


def test_the_score_of_a_segment_is_sacrebleu_s_sentence_score(english):
    hypotheses = perturb(english[:20], 0.2, 1)
    metrics = sacrebleu_metrics(KEYS, [english[:20]])
    (result,) = score_systems([System("a", [hypotheses])], metrics, Resampling(0))
    for key, metric in metrics.items():
        theirs = BLEU(effective_order=True) if key == "bleu" else sacrebleu_numbers.metric(key)
        assert [metric.segment_score(row) for row in result.rows[key][0].tolist()] == [
            theirs.sentence_score(hypothesis, [reference]).score
            for hypothesis, reference in zip(hypotheses, english, strict=False)
        ]


def test_lists_of_strings_are_compared_as_systems_and_runs(english):
    first, second = perturb(english, 0.2, 1), perturb(english, 0.2, 2)
    resampling = Resampling(50, n_trials=50)
    metrics = sacrebleu_metrics(["bleu"], [english])
    once = compare({"a": iter(first), "b": second}, english, ["bleu"], resampling=resampling)  # pyright: ignore[reportArgumentType]
    assert (
        once.differences
        == compare_systems(
            [System("a", [first]), System("b", [second])], metrics, resampling
        ).differences
    )
    runs = compare(
        {"a": [first, second], "b": [second, first]}, [english], ["bleu"], resampling=resampling
    )
    assert [len(system.scores["bleu"].runs) for system in runs.systems] == [2, 2]
    assert list(compare({"a": first}, english).systems[0].scores) == ["bleu", "chrf"]


def test_wrong_arguments_are_refused(english):
    with pytest.raises(MtkitError, match="2 translations of a, but 97 references"):
        compare({"a": ["x", "y"]}, english)
    with pytest.raises(MtkitError, match="unknown metric: rouge"):
        compare({"a": english}, english, ["rouge"])
    for texts in ("text", ["x", ["y"]], [["x"], "y"], ["x", 3]):
        with pytest.raises(TypeError, match="translations of a"):
            compare({"a": texts}, english)  # pyright: ignore[reportArgumentType]
