import json
import os

import mtkit
from mtkit.evaluation.report import to_json
from mtkit.inspection.runs.saved_scores import read_saved_scores
from tests.inspection.runs.made_runs import SIGNATURE, save_scores


def test_what_evaluate_writes_is_read(tmp_path):
    scores = mtkit.evaluate(["a b c d"], ["a b c e"], metrics=["bleu", "chrf", "ter"])
    (tmp_path / "scores-test_2016.json").write_text(to_json(scores, {"hypotheses": "test.out"}))
    found, problems = read_saved_scores(tmp_path, tmp_path / "model")
    assert problems == []
    assert [(one.metric, one.name, one.value, one.signature) for one in found] == [
        (metric, one.name, one.value, one.signature) for metric, one in scores.by_metric.items()
    ]
    assert {(one.test_set, one.n_segments, one.interval) for one in found} == {("test_2016", 1, "")}


def test_intervals_and_files_of_the_model(tmp_path):
    (tmp_path / "model").mkdir()
    signature = SIGNATURE.replace("|case", "|bs:1000|seed:12345|case")
    save_scores(tmp_path / "scores.json", 30.5, signature=signature, low=29.25, high=31.75)
    save_scores(tmp_path / "model" / "scores-b.json", 20.0)
    (first, second), _ = read_saved_scores(tmp_path, tmp_path / "model")
    assert (first.label, first.interval) == ("test BLEU", "[29.25, 31.75]")
    assert (second.label, second.file) == ("b BLEU", "model/scores-b.json")
    # Resampling does not change the score.
    assert first.comparable_with == second.comparable_with == SIGNATURE


def test_robustness_has_a_test_set_for_each_alteration(tmp_path):
    entry = {"name": "BLEU", "value": 1.0, "signature": "s"}
    tree = {"clean": {"n_segments": 5, "bleu": entry}, "typos": {"n_altered": 3, "bleu": entry}}
    (tmp_path / "scores-x.json").write_text(json.dumps(tree))
    found, _ = read_saved_scores(tmp_path, tmp_path)
    assert [one.label for one in found][:2] == ["x clean BLEU", "x typos BLEU"]


def test_what_is_not_scores_is_named(tmp_path):
    for name, text in {
        "a": "{",
        "b": "[]",
        "c": '{"bleu": 3}',
        "d": '{"bleu": {"value": "x"}}',
    }.items():
        (tmp_path / f"scores-{name}.json").write_text(text)
    (tmp_path / "scores-e.json").mkdir()
    found, problems = read_saved_scores(tmp_path, tmp_path / "model")
    assert found == [] and len(problems) == 5
    assert all(
        problem == f"scores-{name}.json has no scores as `mtkit evaluate --json` writes them"
        for name, problem in zip("abcde", problems, strict=True)
    )


def test_scores_of_an_older_model_are_named(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_text("x")
    save_scores(tmp_path / "scores.json", 30.0)
    assert read_saved_scores(tmp_path, tmp_path / "model")[1] == []
    os.utime(tmp_path / "scores.json", (1e9, 1e9))
    found, problems = read_saved_scores(tmp_path, tmp_path / "model")
    assert len(found) == 1 and problems == ["scores.json is older than the model"]
