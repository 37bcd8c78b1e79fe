"""A disk that is full or read-only, as the system itself makes it: a tmpfs in a mount namespace of
its own.
"""

import re

import pytest

from tests.programs import ProgramOnDisk


@pytest.fixture(scope="module")
def _namespaces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("namespaces")
    if ProgramOnDisk([], folder, folder, "64k").wait().status:
        pytest.skip("this system lets nobody mount a file system of their own")


def train_command(recipe_path, run, *changes):
    """The arguments of a training without validation."""
    settings = [
        word
        for change in ("data.validation=null", "training.log_every_steps=100", *changes)
        for word in ("--set", change)
    ]
    return ["train", recipe_path, "--device", "cpu", "--output", run, *settings]


def preprocess_command(recipe_path, work_dir):
    return ["preprocess", recipe_path, "--set", f"data.work_dir={work_dir}"]


@pytest.mark.usefixtures("_namespaces")
def test_full_disk_is_one_line_and_leaves_no_partial_file(tiny_recipe_path, tmp_path):
    work_dir = tmp_path / "disk"
    work_dir.mkdir()
    commands = [
        preprocess_command(tiny_recipe_path, work_dir / "work"),
        f"find '{work_dir}' -type f -printf '%P\\n'",
    ]
    statuses = []
    # What is written first is the tokenizer of some 250 KB, then a part, then the store.
    for size in ("64k", "256k", "288k", "2m"):
        outcome = ProgramOnDisk(commands, tmp_path, work_dir, size).wait()
        lines = outcome.out.splitlines()
        [status] = [line for line in lines if line.startswith("status ")]
        statuses.append(status)
        files = {name for name in lines if name.startswith("work/")}
        if status == "status 0":
            assert "work/store/manifest.json" in files
        else:
            (error, hint) = outcome.err.splitlines()[-2:]
            assert error.startswith("error: ") and error.endswith(
                "cannot be written: no space left on device"
            )
            assert hint == "hint: free some disk space, or choose another disk"
            assert not {name for name in files if name.startswith("work/store/") or ".tmp" in name}
    assert statuses[0] == "status 1"
    assert statuses[-1] == "status 0"


@pytest.mark.usefixtures("_namespaces")
def test_read_only_directory_is_one_line(tiny_recipe_path, tmp_path):
    work_dir = tmp_path / "disk"
    work_dir.mkdir()
    command = preprocess_command(tiny_recipe_path, work_dir / "work")
    outcome = ProgramOnDisk([command], tmp_path, work_dir, "2m", ",ro").wait()
    assert outcome.out == "status 1\n"
    assert [line.split(" ", 1)[0] for line in outcome.err.splitlines()[-2:]] == [
        "error:",
        "hint:",
    ]
    assert "read-only file system" in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.usefixtures("_namespaces")
def test_training_on_a_full_disk_keeps_checkpoints_and_resumes_later(
    mtkit, tiny_recipe_path, tmp_path
):
    """First there is room for nothing, then for some checkpoints; then the run moves to a larger
    disk.
    """
    disk = tmp_path / "disk"
    disk.mkdir()
    run = disk / "run"
    greedy = train_command(
        tiny_recipe_path,
        run,
        "training.max_steps=30",
        "training.save_every_steps=1",
        "training.keep_last=50",
    )
    modest = train_command(
        tiny_recipe_path,
        run,
        "training.max_steps=30",
        "training.save_every_steps=10",
        "training.keep_last=1",
    )
    commands = [
        f"fallocate -l 9m '{disk}/others'",
        greedy,
        f"ls -A '{disk}'; rm '{disk}/others'; echo ---; echo --- >&2",
        greedy,
        f"ls -A '{run}' '{run}/checkpoints'; find '{run}' -name '.*'; cp -a '{run}' '{tmp_path}/moved'",
    ]
    outcome = ProgramOnDisk(commands, tmp_path, disk, "10m").wait()
    outs, errors = (text.split("---\n") for text in (outcome.out, outcome.err))

    assert outs[0].split() == ["status", "1", "others"]
    error, hint = errors[0].splitlines()[-2:]
    assert error.startswith(f"error: `{run}`: not enough disk space: ") and error.endswith(" free")
    assert re.fullmatch(r"hint: free \S+ [kM]B there, or choose another disk for the output", hint)

    assert outs[1].startswith("status 1\n")
    error, hint = errors[1].splitlines()[-2:]
    checkpoints = sorted(line for line in outs[1].splitlines() if line.startswith("step-"))
    kept = int(checkpoints[-1].removeprefix("step-"))
    assert error.startswith(
        f"error: step {kept + 1} could not be saved: `{run}`: not enough disk space: "
    ) and error.endswith(" free")
    saved = f"`{run}/checkpoints/{checkpoints[-1]}`"
    assert re.fullmatch(
        rf"hint: free \S+ [kM]B there; {re.escape(saved)} is kept, and the same command resumes from it",
        hint,
    )
    assert [int(name.removeprefix("step-")) for name in checkpoints] == list(range(1, kept + 1))
    assert "/." not in outs[1]

    # The disk went with its name space.
    (tmp_path / "moved").rename(run)
    outcome = mtkit(*modest)
    assert outcome.status == 0
    assert f"resuming after step {kept}" in outcome.err
    assert outcome.out.splitlines()[0] == "trained 30 steps"
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-00000030"]


@pytest.mark.usefixtures("_namespaces")
def test_training_in_a_read_only_directory_is_one_line_and_loses_nothing(
    mtkit, tiny_recipe_path, tmp_path
):
    disk, moved = tmp_path / "disk", tmp_path / "moved"
    disk.mkdir()
    run = disk / "run"
    shorter, longer = (
        train_command(tiny_recipe_path, run, f"training.max_steps={n}") for n in (5, 8)
    )
    assert mtkit(*shorter).status == 0
    run.rename(moved)
    commands = [
        f"mv '{moved}' '{run}' && mount -o remount,ro '{disk}'",
        longer,
        f"cp -a '{run}' '{moved}'",
    ]
    outcome = ProgramOnDisk(commands, tmp_path, disk, "10m").wait()
    # The disk went with its name space.
    moved.rename(run)
    assert outcome.out == "status 1\n"
    problem, hint = outcome.err[outcome.err.index("error: ") :].splitlines()
    assert problem == f"error: `{run}`: cannot be written: read-only file system"
    assert hint.startswith("hint: ")
    assert "Traceback" not in outcome.err
    outcome = mtkit(*longer)
    assert "resuming after step 5\n" in outcome.err
    assert outcome.status == 0
    assert outcome.out.startswith("trained 8 steps")


def test_changed_corpus_or_recipe_is_one_line_and_loses_nothing(mtkit, tiny_recipe_path, tmp_path):
    def train(*changes):
        settings = [
            "data.validation=null",
            "training.max_steps=6",
            "training.save_every_steps=2",
            *changes,
        ]
        return mtkit(
            "train",
            tiny_recipe_path,
            "--device",
            "cpu",
            "--output",
            tmp_path / "run",
            *(word for change in settings for word in ("--set", change)),
        )

    def content():
        return {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}

    assert train("training.max_steps=4").status == 0
    before, corpus = content(), tiny_recipe_path.parent / "train.en"
    text = corpus.read_text(encoding="utf-8")
    corpus.write_text(text.replace("school", "church"), encoding="utf-8", newline="\n")
    changed_corpus, changed_recipe = train(), None
    corpus.write_text(text, encoding="utf-8", newline="\n")
    changed_recipe = train("model.d_ff=32", "training.seed=5")
    for outcome, named in (
        (changed_corpus, ["training data"]),
        (changed_recipe, ["model.d_ff (64 then, 32 now)", "training.seed (1 then, 5 now)"]),
    ):
        assert outcome.status == 1
        error, hint = outcome.err.splitlines()[-2:]
        assert error.startswith(
            f"error: `{tmp_path / 'run'}`: contains a run with different settings: "
        )
        assert all(name in error for name in named)
        assert "--output" in hint
    assert content() == before
    assert train().status == 0
    assert (tmp_path / "run/checkpoints/step-00000006").is_dir()
