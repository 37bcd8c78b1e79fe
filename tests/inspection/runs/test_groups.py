"""Means and deviations are computed by hand."""

from dataclasses import astuple

import pytest

from mtkit.inspection.runs.groups import Aggregate, group_runs, incomparable_labels, score_labels
from mtkit.inspection.runs.run_record import read_run
from tests.inspection.runs.made_runs import SIGNATURE, save_scores, write_run


def read_all(folder):
    return [read_run(path) for path in sorted(folder.iterdir())]


def test_mean_and_deviation_over_seeds(tmp_path):
    # Of 10, 12 and 17: mean 13, squared distances 9 + 1 + 16 = 26, variance 26 / 2 = 13.
    for seed, (bleu, test) in enumerate([(10.0, 31.0), (12.0, 33.0), (17.0, 32.0)], 1):
        run = write_run(tmp_path / f"run-{seed}", seed, bleu=(5.0, bleu), loss=(3.0, 2.0))
        save_scores(run / "scores.json", test)
    [group] = group_runs(read_all(tmp_path))
    aggregates = group.aggregates()
    assert astuple(aggregates["BLEU"]) == (3, 13.0, pytest.approx(13**0.5))
    assert astuple(aggregates["chrF"]) == (3, 26.0, pytest.approx(2 * 13**0.5))
    assert aggregates["loss"] == Aggregate(3, 2.0, 0.0)
    assert aggregates["test BLEU"] == Aggregate(3, 32.0, 1.0)
    assert list(aggregates) == ["loss", "BLEU", "chrF", "test BLEU"]


def test_other_settings_are_other_groups(tmp_path):
    write_run(tmp_path / "a", 1)
    write_run(tmp_path / "b", 1, dropout=0.2)
    write_run(tmp_path / "c", 2, log_every_steps=10, work_dir="/elsewhere")
    groups = group_runs(read_all(tmp_path))
    names = [[run.path.name for run in group.runs] for group in groups]
    assert names == [["a", "c"], ["b"]]
    assert groups[1].aggregates()["BLEU"] == Aggregate(1, 20.0, None)


def test_other_data_under_the_same_name_is_another_group(tmp_path):
    write_run(tmp_path / "a", 1)
    run = write_run(tmp_path / "b", 2)
    identity = (run / "identity.json").read_text().replace("b" * 64, "c" * 64)
    (run / "identity.json").write_text(identity)
    assert len(group_runs(read_all(tmp_path))) == 2


def test_incomplete_and_repeated_runs_do_not_count(tmp_path):
    write_run(tmp_path / "a", 1, bleu=(5.0, 10.0))
    write_run(tmp_path / "b", 2, bleu=(5.0, 20.0))
    write_run(tmp_path / "c", 2, bleu=(5.0, 30.0))
    write_run(tmp_path / "d", 3, bleu=(5.0,), loss=(1.0,), max_steps=200)
    [group] = group_runs(read_all(tmp_path))
    assert len(group.runs) == 4 and [run.path.name for run in group.counted] == ["a", "b"]
    # (15 - 10)² + (20 - 15)² = 50, over one.
    assert astuple(group.aggregates()["BLEU"]) == (2, 15.0, pytest.approx(50**0.5))


def test_runs_without_a_recipe_are_alone(tmp_path):
    for name in "ab":
        (write_run(tmp_path / name) / "recipe.yaml").unlink()
    assert [len(group.runs) for group in group_runs(read_all(tmp_path))] == [1, 1]


def test_scores_of_other_signatures_are_not_averaged(tmp_path):
    for seed, signature in enumerate((SIGNATURE, SIGNATURE.replace("13a", "intl")), 1):
        run = write_run(tmp_path / f"run-{seed}", seed)
        save_scores(run / "scores.json", 30.0, signature=signature)
    records = read_all(tmp_path)
    assert list(incomparable_labels(records)) == ["test BLEU"]
    [group] = group_runs(records)
    assert "test BLEU" not in group.aggregates() and "BLEU" in group.aggregates()
    assert score_labels(records) == ["loss", "BLEU", "chrF", "test BLEU"]
