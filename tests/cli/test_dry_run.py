"""`mtkit train --dry-run`."""

from mtkit.config.recipe import Recipe


def test_dry_run_estimates_and_writes_nothing(mtkit, tiny_recipe_path):
    outcome = mtkit("train", tiny_recipe_path, "--dry-run", "--device", "cpu", "--threads", 1)
    assert outcome.status == 0
    *facts, verdict = outcome.out.splitlines()
    assert verdict == "ready to train (dry run: nothing written)"
    abouts = [line.split()[0] for line in facts]
    assert abouts == [
        "device",
        "data",
        "model",
        "disk",
        "run",
        "batches",
        "epoch",
        "validation",
        "memory",
        "speed",
        "time",
    ]
    # Aligned: what is said begins in one column.
    assert {line[:12].rstrip() for line in facts} == set(abouts)
    assert not (tiny_recipe_path.parent / "work").exists()


def test_each_problem_is_an_error_and_a_hint(mtkit, tiny_recipe_path, tmp_path):
    (tmp_path / "validation.ko").unlink()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("all I have")
    outcome = mtkit(
        "train", tiny_recipe_path, "--dry-run", "--device", "cpu", "--output", tmp_path / "notes"
    )
    assert outcome.status == 1
    assert "ready to train" not in outcome.out
    said = [line for line in outcome.err.splitlines() if line.startswith(("error: ", "hint: "))]
    assert [line.split(": ")[0] for line in said] == ["error", "hint"] * 2
    assert (
        said[0] == f"error: `{tmp_path / 'notes'}`: contains files that are not of a training run"
    )
    assert "validation.ko`: no such file" in said[2]


def test_several_processes_are_planned_and_not_started(mtkit, tiny_recipe_path):
    outcome = mtkit("train", tiny_recipe_path, "--dry-run", "--device", "cpu", "--nproc", 2)
    assert outcome.status == 0
    assert "2 batches (1 on each of 2 processes) per update" in outcome.out


def test_invalid_recipe_is_reported_as_in_training(mtkit, tiny_recipe_path):
    outcome = mtkit("train", tiny_recipe_path, "--dry-run", "--set", "training.max_step=3")
    assert outcome.status == 1
    assert outcome.out == ""
    assert "did you mean training.max_steps?" in outcome.err


def test_warns_about_settings_beyond_the_end(mtkit, tiny_recipe_path):
    changed = ["--set", "training.warmup_steps=4000", "--device", "cpu"]
    outcome = mtkit("train", tiny_recipe_path, "--dry-run", *changed)
    assert outcome.status == 0
    [warning] = [line for line in outcome.out.splitlines() if line.startswith("warning ")]
    assert (
        "training.warmup_steps (4,000) is not before the end of the run (training.max_steps 20)"
        in warning
    )
    outcome = mtkit("train", tiny_recipe_path, *changed, "--set", "training.max_steps=2")
    assert outcome.status == 0
    assert outcome.err.count("warning: training.warmup_steps (4,000)") == 1


def test_warns_about_a_stage_that_never_begins(mtkit, tiny_recipe_path):
    stages = "data.stages=[{until_epoch: 50}, {temperature: 2}]"
    outcome = mtkit("train", tiny_recipe_path, "--dry-run", "--device", "cpu", "--set", stages)
    assert outcome.status == 0
    assert "data.stages: the stage after epoch 50 does not begin" in outcome.out


def test_the_resolved_recipe_can_be_printed(mtkit, tiny_recipe_path, tmp_path):
    outcome = mtkit("train", tiny_recipe_path, "--set", "training.max_steps=7", "--show-recipe")
    assert outcome.status == 0
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown/resolved.yaml").write_text(outcome.out, encoding="utf-8")
    assert Recipe.load(tmp_path / "shown/resolved.yaml") == Recipe.load(
        tiny_recipe_path, ["training.max_steps=7"]
    )
    assert "adam_eps: " in outcome.out
    assert not (tmp_path / "work").exists()
    both = mtkit("train", tiny_recipe_path, "--show-recipe", "--dry-run", "--device", "cpu")
    assert both.status == 0
    assert both.out.startswith("data:\n") and "ready to train" in both.out
