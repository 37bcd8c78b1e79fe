"""`mtkit translate` of a file that is longer than a part: interrupted, killed, resumed, and shared
by ranks.
"""

import gzip
import os
import re
import signal
import subprocess
import sys
import time
from itertools import count

import pytest

from mtkit.translation.jobs import in_parts
from mtkit.translation.jobs.part_worker import PartWorker
from tests.end_to_end.waiting import wait_for
from tests.programs import Program

PART_LINES, N_LINES = 50, 610
PROGRAM = f"""
from mtkit.cli.main import main
from mtkit.translation.jobs import in_parts
in_parts.part_lines = lambda n: {PART_LINES}
main()
"""


def stay_in_the_third_part():
    """Wait there until a signal comes."""
    in_parts.part_lines = lambda n: PART_LINES
    write_part, calls = PartWorker._write_part, count()

    def write_or_stay(*args):
        if next(calls) == 2:
            time.sleep(60)
        return write_part(*args)

    PartWorker._write_part = write_or_stay  # pyright: ignore[reportAttributeAccessIssue]


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Short lines, 13 parts."""
    monkeypatch.setattr(in_parts, "part_lines", lambda n: PART_LINES)
    path = tmp_path / "in.txt"
    path.write_text(
        "".join(f"{'물집산강'[i % 4]}{i % 7}\n" for i in range(N_LINES)),
        encoding="utf-8",
        newline="\n",
    )
    return path


@pytest.fixture
def start(source, tiny_run, tmp_path):
    """Starts the command."""
    processes = []

    def start(out, *options):
        command = ["translate", source, "-m", tiny_run / "model", "-o", out, "--device", "cpu"]
        processes.append(Program([*command, *options], tmp_path, setup=stay_in_the_third_part))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()


def test_interrupted_killed_and_resumed(mtkit, start, source, tiny_run, tmp_path):
    out, folder = tmp_path / "out.gz", tmp_path / "out.gz.parts"

    def parts():
        return sorted(
            int(path.name) for path in folder.glob(f"{'?' * 16}/*/*") if path.name.isdecimal()
        )

    process = start(out)
    wait_for(parts)
    os.kill(process.pid, signal.SIGINT)
    status, _, err = process.wait()
    assert status == 130, err
    kept = re.fullmatch(
        rf"interrupted: (\d+) of {N_LINES} lines are kept in `{folder}`; the same command with --resume continues from there",
        err.splitlines()[-1],
    )
    assert kept, err
    n_kept = int(kept[1])
    # Whole parts, and finished batches of the next one.
    assert 0 <= n_kept - PART_LINES * len(parts()) < PART_LINES
    assert not out.exists()

    command = ["translate", source, "-m", tiny_run / "model", "-o", out, "--device", "cpu"]
    outcome = mtkit(*command)
    assert outcome.status == 1
    assert outcome.err.splitlines()[-2].startswith(
        f"error: `{folder}`: contains about {n_kept:,} lines of an interrupted translation"
    )
    outcome = mtkit(*command, "--resume", "--beam-size", 2)
    assert outcome.status == 1
    assert "contains parts of another translation: beam_size (none then, 2 now)" in outcome.err

    process = start(out, "--resume")
    wait_for(lambda: len(parts()) > n_kept // PART_LINES or out.exists())
    process.kill()
    assert process.wait().status == -signal.SIGKILL

    outcome = mtkit(*command, "--resume")
    assert outcome.status == 0, outcome.err
    assert not folder.exists()
    assert (
        mtkit(
            "translate",
            source,
            "-m",
            tiny_run / "model",
            "-o",
            tmp_path / "undisturbed.gz",
            "--device",
            "cpu",
        ).status
        == 0
    )
    assert out.read_bytes() == (tmp_path / "undisturbed.gz").read_bytes()
    assert (
        mtkit("translate", source, "-m", tiny_run / "model", "--device", "cpu").out
        == gzip.decompress(out.read_bytes()).decode()
    )


@pytest.mark.slow
def test_ranks_of_torchrun_share_a_file(mtkit, source, tiny_run, tmp_path):
    out, program = tmp_path / "out.txt", tmp_path / "program.py"
    program.write_text(PROGRAM)
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        program,
    ]
    command = [
        *launcher,
        "translate",
        source,
        "-m",
        tiny_run / "model",
        "-o",
        out,
        "--device",
        "cpu",
    ]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    outcome = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert outcome.returncode == 0, outcome.stderr
    assert (
        mtkit(
            "translate",
            source,
            "-m",
            tiny_run / "model",
            "-o",
            tmp_path / "alone",
            "--device",
            "cpu",
        ).status
        == 0
    )
    assert out.read_bytes() == (tmp_path / "alone").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "alone",
        "in.txt",
        "out.txt",
        "program.py",
    ]


def test_only_files_can_be_resumed(mtkit, source, tiny_run, monkeypatch):
    outcome = mtkit("translate", "-", "-m", tiny_run / "model", "--resume", stdin="물\n")
    assert outcome.status == 1
    assert outcome.err.startswith(
        "error: --resume needs an input file and an output file\nhint: name both files"
    )
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert (
        "2 ranks can share a file, not stdin or stdout"
        in mtkit("translate", source, "-m", tiny_run / "model").err
    )
