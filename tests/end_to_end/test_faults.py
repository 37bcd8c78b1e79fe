"""A disk that is full or read-only, as the system itself makes it: a tmpfs in a mount namespace of
its own.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def _namespaces():
    if (
        shutil.which("unshare") is None
        or run_on_tmpfs("64k", "true", mount_point="/tmp").returncode
    ):
        pytest.skip("this system lets nobody mount a file system of their own")


def run_on_tmpfs(size, command, mount_point, options=""):
    script = f"mount -t tmpfs -o size={size} tmpfs '{mount_point}' && {command}"
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )


def train_command(recipe_path, run, *changes):
    """The arguments of a training without validation."""
    settings = [
        word
        for change in ("data.validation=null", "training.log_every_steps=100", *changes)
        for word in ("--set", change)
    ]
    return ["train", str(recipe_path), "--device", "cpu", "--out", str(run), *settings]


def in_shell(arguments):
    return shlex.join([sys.executable, "-m", "mtkit", *arguments])


def preprocess_command(recipe_path, work_dir):
    return (
        f"'{sys.executable}' -m mtkit preprocess '{recipe_path}' --set 'data.work_dir={work_dir}'"
    )


@pytest.mark.usefixtures("_namespaces")
def test_full_disk_is_one_line_and_leaves_no_partial_file(tiny_recipe_path, tmp_path):
    work_dir = tmp_path / "disk"
    work_dir.mkdir()
    listing = f"; status=$?; find '{work_dir}' -type f -printf '%P\\n'; exit $status"
    statuses = []
    # What is written first is the tokenizer of some 250 KB, then a part, then the store.
    for size in ("64k", "256k", "288k", "2m"):
        outcome = run_on_tmpfs(
            size, preprocess_command(tiny_recipe_path, work_dir / "work") + listing, work_dir
        )
        statuses.append(outcome.returncode)
        files = {name for name in outcome.stdout.splitlines() if name.startswith("work/")}
        if outcome.returncode == 0:
            assert "work/store/manifest.json" in files
        else:
            (error, hint) = outcome.stderr.splitlines()[-2:]
            assert error.startswith("error: ") and error.endswith(
                "cannot be written: no space left on device"
            )
            assert hint == "hint: free some disk space, or choose another disk"
            assert not {name for name in files if name.startswith("work/store/") or ".tmp" in name}
    assert statuses[0] == 1
    assert statuses[-1] == 0


@pytest.mark.usefixtures("_namespaces")
def test_read_only_directory_is_one_line(tiny_recipe_path, tmp_path):
    work_dir = tmp_path / "disk"
    work_dir.mkdir()
    outcome = run_on_tmpfs(
        "2m,ro", preprocess_command(tiny_recipe_path, work_dir / "work"), work_dir
    )
    assert outcome.returncode == 1
    assert [line.split(" ", 1)[0] for line in outcome.stderr.splitlines()[-2:]] == [
        "error:",
        "hint:",
    ]
    assert "read-only file system" in outcome.stderr
    assert "Traceback" not in outcome.stderr


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
    greedy = in_shell(
        train_command(
            tiny_recipe_path,
            run,
            "training.max_steps=30",
            "training.save_every_steps=1",
            "training.keep_last=50",
        )
    )
    modest = train_command(
        tiny_recipe_path,
        run,
        "training.max_steps=30",
        "training.save_every_steps=10",
        "training.keep_last=1",
    )
    script = f"""
        fallocate -l 9m '{disk}/others'; {greedy}; echo "status $?"; ls -A '{disk}'; rm '{disk}/others'
        echo ---; echo --- >&2; {greedy}; echo "status $?"
        ls -A '{run}' '{run}/checkpoints'; find '{run}' -name '.*'
        cp -a '{run}' '{tmp_path}/moved'
    """
    outcome = run_on_tmpfs("10m", f"{{ {script} }}", disk)
    outs, errors = (text.split("---\n") for text in (outcome.stdout, outcome.stderr))

    assert outs[0].split() == ["status", "1", "others"]
    error, hint = errors[0].splitlines()[-2:]
    assert error.startswith(f"error: `{run}`: not enough disk space: ") and error.endswith(" free")
    assert re.fullmatch(r"hint: free \S+ [kM]B there, or choose another disk with --out", hint)

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
    script = f"""
        mv '{moved}' '{run}' && mount -o remount,ro '{disk}' && {in_shell(longer)}
        status=$?; cp -a '{run}' '{moved}'; exit $status
    """
    outcome = run_on_tmpfs("10m", f"{{ {script} }}", disk)
    # The disk went with its name space.
    moved.rename(run)
    assert outcome.returncode == 1
    problem, hint = outcome.stderr[outcome.stderr.index("error: ") :].splitlines()
    assert problem == f"error: `{run}`: cannot be written: read-only file system"
    assert hint.startswith("hint: ")
    assert "Traceback" not in outcome.stderr
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
            "--out",
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
        assert "--out" in hint
    assert content() == before
    assert train().status == 0
    assert (tmp_path / "run/checkpoints/step-00000006").is_dir()
