import os

import pytest

from mtkit.errors import MtkitError
from mtkit.inspection.runs.find_runs import find_runs, require_run
from tests.inspection.runs.made_runs import write_run


def test_runs_are_found_at_any_depth_in_natural_order(tmp_path):
    for name in ("b/run-10", "b/run-2", "a", "b/deep/er/run"):
        write_run(tmp_path / name)
    (tmp_path / "b" / "store").mkdir()
    (tmp_path / ".hidden").mkdir()
    write_run(tmp_path / ".hidden" / "run")
    found = [str(path.relative_to(tmp_path)) for path in find_runs([tmp_path])]
    assert found == ["a", "b/deep/er/run", "b/run-2", "b/run-10"]


def test_a_run_is_listed_once(tmp_path):
    run = write_run(tmp_path / "run")
    (tmp_path / "link").symlink_to(run)
    (run / "circle").symlink_to(tmp_path)
    assert len(find_runs([tmp_path, run, tmp_path / "link"])) == 1


@pytest.mark.parametrize(
    "kept", [["identity.json"], ["metrics.jsonl"], ["recipe.yaml", "model"], ["checkpoints"]]
)
def test_what_is_left_of_a_run_is_still_one(tmp_path, kept):
    run = write_run(tmp_path / "run")
    (run / "checkpoints").mkdir()
    (tmp_path / "left").mkdir()
    for name in kept:
        os.rename(run / name, tmp_path / "left" / name)
    assert find_runs([tmp_path / "left"]) == [tmp_path / "left"]


def test_a_project_with_a_recipe_is_not_a_run(tmp_path):
    (tmp_path / "recipe.yaml").write_text("data: {}")
    with pytest.raises(MtkitError, match="no training run here"):
        find_runs([tmp_path])


def test_a_project_with_an_average_is_not_a_run_but_has_one(tmp_path):
    """As `mtkit average my-system/work/run -o my-system/model` leaves it."""
    (tmp_path / "model").mkdir()
    for name in "recipe.yaml", "model/config.json":
        (tmp_path / name).write_text("{}")
    run = write_run(tmp_path / "work" / "run")
    assert find_runs([tmp_path]) == [run]
    with pytest.raises(MtkitError, match="not a training run") as raised:
        require_run(tmp_path)
    assert f"`{run}`" in str(raised.value.hint)


def test_a_path_without_a_run_is_named(tmp_path, caplog):
    write_run(tmp_path / "run")
    (tmp_path / "notes.txt").write_text("x")
    assert find_runs([tmp_path / "notes.txt", tmp_path / "run"]) == [tmp_path / "run"]
    assert "notes.txt`: no training run here" in caplog.text
    with pytest.raises(MtkitError, match="no such directory"):
        find_runs([tmp_path / "run", tmp_path / "missing"])


def test_a_path_that_is_not_a_run_names_the_one_that_may_be_meant(tmp_path):
    run = write_run(tmp_path / "work" / "run")
    other = write_run(tmp_path / "runs" / "run-2")
    write_run(tmp_path / "runs" / "run-10")
    for path, meant in {
        tmp_path: run,
        tmp_path / "work": run,
        run / "model": run,
        tmp_path / "runs": other,
        tmp_path / "runs" / "notes.txt": None,
    }.items():
        with pytest.raises(MtkitError) as caught:
            require_run(path)
        hint = f"did you mean `{meant}`?" if meant else "give a directory that `mtkit train` wrote"
        assert caught.value.hint == hint
    with pytest.raises(MtkitError, match="no training run here") as caught:
        find_runs([run / "model"])
    assert caught.value.hint == f"did you mean `{run}`?"
    require_run(run)
    with pytest.raises(MtkitError, match="no such directory"):
        require_run(tmp_path / "missing")
