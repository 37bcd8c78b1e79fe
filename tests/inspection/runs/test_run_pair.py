import json

from mtkit.inspection.runs.run_pair import CurveDifference, compare_pair
from mtkit.inspection.runs.run_record import read_run
from tests.inspection.runs.made_runs import SIGNATURE, save_scores, write_run


def test_curves_are_compared_at_common_steps(tmp_path):
    first = write_run(tmp_path / "a", bleu=(10.0, 20.0, 30.0), loss=(4.0, 3.0, 2.0))
    second = write_run(tmp_path / "b", bleu=(12.0, 17.0), loss=(4.0, 3.0), max_steps=300)
    pair = compare_pair(read_run(first), read_run(second))
    curves = {curve.name: curve for curve in pair.curves}
    # Differences at 100 and 200: +2 and -3.
    assert curves["validation BLEU"] == CurveDifference(
        "validation BLEU", 2, 15.0, 14.5, -0.5, -3.0, 200, -3.0
    )
    assert curves["validation BLEU"].relative == 0.5 / 14.75
    # Equal curves are left out.
    assert list(curves) == ["validation BLEU", "validation chrF"]


def test_the_curve_that_differs_most_comes_first(tmp_path):
    first = write_run(tmp_path / "a", bleu=(10.0, 20.0), loss=(4.0, 3.0))
    second = write_run(tmp_path / "b", bleu=(11.0, 21.0), loss=(2.0, 1.0))
    curves = compare_pair(read_run(first), read_run(second)).curves
    assert curves[0].name == "validation loss" and curves[0].mean == -2.0
    relative = [curve.relative for curve in curves]
    assert relative == sorted(relative, reverse=True)


def test_settings_scores_and_programs_side_by_side(tmp_path):
    first = write_run(tmp_path / "a", 1)
    second = write_run(tmp_path / "b", 2, dropout=0.3)
    for run, torch in ((first, "2.11"), (second, "2.13")):
        session = {"step": 0, "torch": torch, "device": "cpu"}
        (run / "sessions.jsonl").write_text(json.dumps(session))
    save_scores(first / "scores-x.json", 30.0)
    save_scores(second / "scores-x.json", 31.5)
    save_scores(first / "scores-y.json", 30.0)
    save_scores(second / "scores-y.json", 40.0, signature=SIGNATURE.replace("mixed", "lc"))
    pair = compare_pair(read_run(first), read_run(second))
    assert pair.settings == {
        "model.dropout": (0.1, 0.3),
        "training.seed": (1, 2),
        "torch": ("2.11", "2.13"),
    }
    assert pair.scores["x BLEU"] == (30.0, 31.5) and pair.score_differences()["x BLEU"] == 1.5
    # Scores of other signatures have no difference.
    assert pair.scores["y BLEU"] == (30.0, 40.0) and "y BLEU" not in pair.score_differences()


def test_runs_without_a_recipe_and_a_log(tmp_path):
    for name in "ab":
        (tmp_path / name / "checkpoints").mkdir(parents=True)
    pair = compare_pair(read_run(tmp_path / "a"), read_run(tmp_path / "b"))
    assert pair.settings == pair.scores == {} and pair.curves == []
