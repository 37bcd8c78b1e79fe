"""N-best lists: how they are read, their features, and the candidates that weights choose."""

import json
import shlex
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.chrf import CHRF

from mtkit.errors import MtkitError
from mtkit.evaluation.corpus_metric import sacrebleu_metrics
from mtkit.evaluation.scorer_command import ScorerSpec
from mtkit.quality.features import FeatureTable, list_scores, of_pairs, similarities
from mtkit.quality.nbest_lists import Candidate, NbestList, read_nbest_lists
from mtkit.quality.pair_scores import model_scores, program_scores
from mtkit.quality.rerank import rerank
from mtkit.quality.weights import load_weights, save_weights, tune_weights

TEXT = "1\t-0.5\tone\ttab\n1\t-0.7\ttwo\n2\t0.0000\t\n3\t-1\tthree\n"
LISTS = [
    NbestList("a", [Candidate("one\ttab", -0.5), Candidate("two", -0.7)]),
    NbestList("", [Candidate("", 0)]),
    NbestList("c", [Candidate("three", -1)]),
]


def as_json(lists):
    return "".join(
        json.dumps(
            {"text": one.candidates[0].text, "n_best": [c._asdict() for c in one.candidates]}
        )
        + "\n"
        for one in lists
    )


@pytest.mark.parametrize("content", [TEXT, as_json(LISTS)])
def test_both_formats_are_read(tmp_path, content):
    (tmp_path / "nbest").write_text(content)
    assert read_nbest_lists(tmp_path / "nbest", ["a", "", "c"]) == LISTS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1\t-0.5\tone\n3\t-0.5\tthree\n", "line 2: is for line 3 of the source text, but line 1"),
        ("2\t-0.5\ttwo\n", "line 1: is for line 2 of the source text, but line 1 is next"),
        ("1\t0\ta\n2\t0\tb\n1\t0\ta\n", "line 3: is for line 1"),
        ("1\t0\ta\n", "has translations of 1 line, but the source text has 2"),
        ("", "has translations of 0 lines"),
        ("a man\n", "line 1: not of the form number TAB score TAB text"),
        ("1\tnan\ta\n", "line 1: not of the form"),
        ('{"text": "a"}\n', "line 1: has no list n_best"),
        ('{"n_best": []}\n', "line 1: has no list n_best"),
        ('{"n_best": [{"text": "a", "score": true}]}\n', "line 1: has no list n_best"),
        ('{"n_best": \n', "line 1: broken JSON"),
        (f'{{"n_best": [{{"text": "a", "score": 1{"0" * 400}}}]}}\n', "line 1: has no list n_best"),
        ('{"n_best": [{"text": "a\\nb", "score": 0}]}\n', "line 1: a translation contains a line"),
        ('{"n_best": [{"text": "\\ud800", "score": 0}]}\n', "line 1: a translation contains half"),
        ("1\t0\ta\r\r\n", "line 1: a translation contains a line break"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    (tmp_path / "nbest").write_text(content)
    with pytest.raises(MtkitError, match=message.replace("(", r"\(")):
        read_nbest_lists(tmp_path / "nbest", ["a", "b"])


def test_similarity_is_chrf_with_the_others_of_the_line():
    texts = ["a big dog sleeps", "the big dog sleeps", "a cat"]
    lists = [NbestList("x", [Candidate(text, 0) for text in texts]), LISTS[2]]
    expected = [
        sum(CHRF().sentence_score(one, [other]).score for other in texts if other != one) / 200
        for one in texts
    ]
    assert list(similarities(lists)) == pytest.approx([*expected, 0])


def test_a_model_scores_in_the_direction_that_is_asked_for():
    seen: list[Any] = []

    class PairScorer:
        def stream(self, pairs, search, on_lines):
            for pair in pairs:
                seen.append(pair)
                yield SimpleNamespace(log_prob=-6.0, n_tokens=len(pair[0]))

    translator: Any = SimpleNamespace(pair_scorer=PairScorer(), search_config=lambda: None)
    assert list(model_scores(translator)([("ab", "xyz")])) == [-3]
    assert list(model_scores(translator, is_reverse=True)([("ab", "xyz")])) == [-2]
    assert seen == [("ab", "xyz"), ("xyz", "ab")]


def test_a_program_scores_different_pairs_once_without_references(tmp_path):
    program = tmp_path / "lm.py"
    program.write_text(f"""
import json, sys
lines = sys.stdin.read().splitlines()
open({str(tmp_path / "log")!r}, "w").write("\\n".join(lines))
for line in lines:
    fields = json.loads(line)
    print(json.dumps({{"id": fields["id"], "prediction": len(fields["hypothesis"])}}))
""")
    command = shlex.join([sys.executable, str(program)])
    scores = program_scores(ScorerSpec("LM", False, command))
    assert scores([("a", "one"), ("b", "three"), ("a", "one")]) == [-3, -5, -3]
    assert [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()] == [
        {"id": "1", "source": "a", "hypothesis": "one", "reference": ""},
        {"id": "2", "source": "b", "hypothesis": "three", "reference": ""},
    ]


@given(
    st.lists(st.lists(st.tuples(*[st.integers(-3, 3)] * 2), min_size=1, max_size=4), min_size=1),
    st.tuples(st.integers(-2, 2), st.integers(1, 2)),
)
def test_the_best_sum_is_chosen_and_of_equals_the_first(values, weights):
    lists = [
        NbestList("s", [Candidate(str(k), x) for k, (x, _) in enumerate(line)]) for line in values
    ]
    flat = [y for line in values for _, y in line]
    features = {"score": list_scores, "other": of_pairs(lambda pairs: flat)}
    choices = rerank(lists, features, dict(zip(features, weights, strict=True)))
    for choice, line in zip(choices, values, strict=True):
        sums = [weights[0] * x + weights[1] * y for x, y in line]
        best = sums.index(max(sums))
        assert (choice.text, choice.rank, choice.score) == (str(best), best + 1, sums[best])


def test_features_without_a_weight_are_not_computed():
    def fail(lists):
        raise AssertionError

    [choice, *_] = rerank(LISTS, {"score": list_scores, "x": fail}, {"score": 1, "x": 0})
    assert choice.features == {"score": -0.5}


@pytest.mark.parametrize(
    ("weights", "message"),
    [({"score": 1, "y": 2}, "a weight for y, but no such feature"), ({"score": 0}, "are 0")],
)
def test_weights_that_do_not_fit_are_refused(weights, message):
    with pytest.raises(MtkitError, match=message):
        rerank(LISTS, {"score": list_scores}, weights)


def tunable(n=12, seed=0):
    """Lists whose reference has the highest value of `good`, and a feature that is noise."""
    rng = np.random.default_rng(seed)
    lists, good, references = [], [], []
    for i in range(n):
        words = [f"word{i}{k} dog tree house river" for k in range(4)]
        at = int(rng.integers(4))
        lists.append(NbestList("s", [Candidate(text, -k) for k, text in enumerate(words)]))
        good += [float(k == at) for k in range(4)]
        references.append(words[at])
    noise = rng.normal(size=len(good)).tolist()
    features = {
        "score": list_scores,
        "good": of_pairs(lambda pairs: good),
        "noise": of_pairs(lambda pairs: noise),
        "constant": of_pairs(lambda pairs: [7.0] * len(pairs)),
    }
    return lists, features, references


@pytest.mark.parametrize("key", ["bleu", "chrf", "ter"])
def test_tuned_weights_choose_what_the_metric_likes(key):
    lists, features, references = tunable()
    [metric] = sacrebleu_metrics([key], [references]).values()
    table = FeatureTable.compute(lists, features)
    tuning = tune_weights(lists, table, metric, n_trials=50)
    assert tuning == tune_weights(lists, table, metric, n_trials=50)
    assert tuning.tuned == pytest.approx(100 if metric.higher_is_better else 0)
    assert tuning.weights["good"] == 1
    assert tuning.weights["constant"] == 0
    assert all(weight >= 0 for weight in tuning.weights.values())
    firsts = [one.candidates[0].text for one in lists]
    assert tuning.first == metric.score(metric.statistics(firsts).sum(axis=0).tolist())
    chosen = [choice.text for choice in rerank(lists, features, tuning.weights)]
    assert metric.score(metric.statistics(chosen).sum(axis=0).tolist()) == tuning.tuned


def test_tuning_keeps_the_order_of_the_list_if_nothing_is_better():
    lists, features, _ = tunable()
    firsts = [one.candidates[0].text for one in lists]
    [metric] = sacrebleu_metrics(["chrf"], [firsts]).values()
    tuning = tune_weights(lists, FeatureTable.compute(lists, features), metric, n_trials=20)
    assert tuning.weights == {"score": 1, "good": 0, "noise": 0, "constant": 0}


def test_weights_are_saved_and_loaded(tmp_path):
    save_weights(tmp_path / "w.json", {"score": 1.0, "LM": 0.25}, {"metric": "chrF"})
    assert load_weights(tmp_path / "w.json") == {"score": 1, "LM": 0.25}


@pytest.mark.parametrize(
    "content",
    [
        *("", "[1]", "{}", '{"weights": {}}', '{"weights": {"score": 1}}'),
        '{"format_version": 1, "weights": {"score": "1"}}',
        '{"format_version": 1, "weights": {"score": NaN}}',
        f'{{"format_version": 1, "weights": {{"score": 1{"0" * 400}}}}}',
    ],
)
def test_other_files_are_not_weights(tmp_path, content):
    (tmp_path / "w.json").write_text(content)
    with pytest.raises(MtkitError, match=r"is not a file of weights|format version"):
        load_weights(tmp_path / "w.json")
