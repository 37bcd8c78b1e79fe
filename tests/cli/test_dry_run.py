"""`mtkit train --dry-run`."""


def test_it_says_what_training_takes_and_makes_nothing(mtkit, tiny_recipe_path):
    outcome = mtkit("train", tiny_recipe_path, "--dry-run", "--device", "cpu", "--threads", 1)
    assert outcome.status == 0
    *facts, verdict = outcome.out.splitlines()
    assert verdict == "nothing stands in the way; nothing was written"
    abouts = [line.split()[0] for line in facts]
    assert abouts == ["device", "data", "model", "disk", "run", "batches", "epoch", "validation", "memory", "speed", "time"]
    # Aligned: what is said begins in one column.
    assert {line[:12].rstrip() for line in facts} == set(abouts)
    assert not (tiny_recipe_path.parent / "work").exists()


def test_each_problem_is_an_error_and_a_hint(mtkit, tiny_recipe_path, tmp_path):
    (tmp_path / "validation.ko").unlink()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("all I have")
    outcome = mtkit("train", tiny_recipe_path, "--dry-run", "--device", "cpu", "--out", tmp_path / "notes")
    assert outcome.status == 1
    assert "nothing stands in the way" not in outcome.out
    said = [line for line in outcome.err.splitlines() if line.startswith(("error: ", "hint: "))]
    assert [line.split(": ")[0] for line in said] == ["error", "hint"] * 2
    assert said[0] == f"error: `{tmp_path / 'notes'}`: holds other things than a run of mtkit"
    assert "validation.ko`: no such file" in said[2]


def test_several_processes_are_planned_and_not_started(mtkit, tiny_recipe_path):
    outcome = mtkit("train", tiny_recipe_path, "--dry-run", "--device", "cpu", "--nproc", 2)
    assert outcome.status == 0
    assert "2 of them, 1 on each of 2 processes" in outcome.out


def test_a_bad_recipe_is_told_as_always(mtkit, tiny_recipe_path):
    outcome = mtkit("train", tiny_recipe_path, "--dry-run", "--set", "training.max_step=3")
    assert outcome.status == 1
    assert outcome.out == ""
    assert "did you mean training.max_steps?" in outcome.err
