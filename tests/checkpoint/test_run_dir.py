"""A run's folder is in order when training begins, whatever became of the process before."""

import json

import pytest

from mtkit.checkpoint.run_dir import RunDir
from mtkit.errors import MtkitError


@pytest.fixture
def run(tmp_path):
    """A run as far as this matters."""
    run = RunDir(tmp_path / "run")
    for folder in (run.model_dir, run.checkpoints_dir):
        folder.mkdir(parents=True)
    run.identity_path.write_text("{}")
    (run.model_dir / "config.json").write_text("old")
    return run


def test_model_moved_aside_is_restored(run):
    run.model_dir.rename(run.path / ".model.0123abcd.old")
    (run.path / ".model.89abcdef.tmp").mkdir()
    with run.locked():
        assert (run.model_dir / "config.json").read_text() == "old"
        assert {path.name for path in run.path.iterdir()} == {
            "identity.json",
            "checkpoints",
            "model",
            ".lock",
        }
    assert {path.name for path in run.path.iterdir()} == {"identity.json", "checkpoints", "model"}


def test_a_model_that_was_replaced_is_kept(run):
    (run.path / ".model.0123abcd.old").mkdir()
    (run.path / ".model.0123abcd.old" / "config.json").write_text("older")
    with run.locked():
        assert (run.model_dir / "config.json").read_text() == "old"
    assert not list(run.path.glob(".*"))


def test_incomplete_files_are_removed_and_other_files_kept(run):
    (run.path / ".metrics.jsonl.0123abcd.tmp").touch()
    (run.checkpoints_dir / ".step-00000010.0123abcd.tmp").mkdir()
    others = [run.path / ".averaged.0123abcd.tmp", run.path / "notes.txt", run.path / ".model.tmp"]
    for path in others:
        path.touch()
    with run.locked():
        pass
    assert {path.name for path in run.path.iterdir()} == {
        "identity.json",
        "checkpoints",
        "model",
        *(path.name for path in others),
    }
    assert list(run.checkpoints_dir.iterdir()) == []


def test_a_run_that_was_killed_before_it_wrote_anything_is_a_run(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").touch()
    (tmp_path / "run" / ".identity.json.0123abcd.tmp").touch()
    with RunDir(tmp_path / "run").locked():
        pass
    assert not (tmp_path / "run").exists()  # nothing came of it this time either


def test_directory_other_than_a_run_is_left_alone(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").touch()
    with (
        pytest.raises(MtkitError, match="contains files that are not"),
        RunDir(tmp_path / "run").locked(),
    ):
        pass
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.txt"]


def test_metrics_are_truncated_at_the_resumed_step(run):
    for step in (10, 20, 30):
        run.append_metrics(step=step, kind="train", loss=1 / step)
    with run.metrics_path.open("a") as file:
        file.write('{"step": 20, "half')
    run.sync_metrics()
    run.truncate_metrics(20)
    assert [json.loads(line)["step"] for line in run.metrics_path.read_text().splitlines()] == [
        10,
        20,
    ]


def test_unwritable_metrics_are_reported(run):
    run.metrics_path.mkdir()
    with pytest.raises(MtkitError, match=r"metrics.jsonl`: cannot be written"):
        run.append_metrics(step=1)
