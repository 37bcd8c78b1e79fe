"""A disk that is full or read-only, as the system itself makes it: a tmpfs in a mount namespace of its own."""

import os
import shutil
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def _namespaces():
    if shutil.which("unshare") is None or run_on_tmpfs("64k", "true", mount_point="/tmp").returncode:
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


def preprocess_command(recipe_path, work_dir):
    return f"'{sys.executable}' -m mtkit preprocess '{recipe_path}' --set 'data.work_dir={work_dir}'"


@pytest.mark.usefixtures("_namespaces")
def test_a_full_disk_is_one_line_and_nothing_half_written(tiny_recipe_path, tmp_path):
    work_dir = tmp_path / "disk"
    work_dir.mkdir()
    listing = f"; status=$?; find '{work_dir}' -type f -printf '%P\\n'; exit $status"
    statuses = []
    # What is written first is the tokenizer of some 250 KB, then a part, then the store.
    for size in ("64k", "256k", "288k", "2m"):
        outcome = run_on_tmpfs(size, preprocess_command(tiny_recipe_path, work_dir / "work") + listing, work_dir)
        statuses.append(outcome.returncode)
        files = {name for name in outcome.stdout.splitlines() if name.startswith("work/")}
        if outcome.returncode == 0:
            assert "work/store/manifest.json" in files
        else:
            (error, hint) = outcome.stderr.splitlines()[-2:]
            assert error.startswith("error: ") and error.endswith("cannot be written: no space left on device")
            assert hint == "hint: make room, or choose another disk"
            assert not {name for name in files if name.startswith("work/store/") or ".tmp" in name}
    assert statuses[0] == 1
    assert statuses[-1] == 0


@pytest.mark.usefixtures("_namespaces")
def test_a_read_only_folder_is_one_line(tiny_recipe_path, tmp_path):
    work_dir = tmp_path / "disk"
    work_dir.mkdir()
    outcome = run_on_tmpfs("2m,ro", preprocess_command(tiny_recipe_path, work_dir / "work"), work_dir)
    assert outcome.returncode == 1
    assert [line.split(" ", 1)[0] for line in outcome.stderr.splitlines()[-2:]] == ["error:", "hint:"]
    assert "read-only file system" in outcome.stderr
    assert "Traceback" not in outcome.stderr
