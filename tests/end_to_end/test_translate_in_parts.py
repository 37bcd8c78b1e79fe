"""`mtkit translate` of a file that is longer than a part: interrupted, killed, resumed, and shared
by ranks.
"""

import gzip
import os
import re
import signal
import subprocess
import sys

import pytest

from mtkit.translation.jobs import in_parts
from tests.end_to_end.waiting import wait_for

PART_LINES, N_LINES = 50, 610
PROGRAM = f"""
import signal
# What is started in the background of a shell ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
from mtkit.cli.main import main
from mtkit.translation.jobs import in_parts
in_parts.part_lines = lambda n: {PART_LINES}
"""
# Stays in the third part until a signal comes.
STAYING = """
import time
from itertools import count
from mtkit.translation.jobs.part_worker import PartWorker
write_part = PartWorker._write_part
calls = count()
PartWorker._write_part = lambda *args: (time.sleep(60 * (next(calls) == 2)), write_part(*args))
"""


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
def start(source, tiny_run):
    """Starts the command."""
    processes = []

    def start(out, *options):
        command = [
            sys.executable,
            "-c",
            PROGRAM + STAYING + "main()\n",
            "translate",
            source,
            "-m",
            tiny_run / "model",
            "-o",
            out,
            "--device",
            "cpu",
            *options,
        ]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_interrupted_killed_and_resumed(mtkit, start, source, tiny_run, tmp_path):
    out, folder = tmp_path / "out.gz", tmp_path / "out.gz.parts"

    def parts():
        return sorted(
            int(path.name) for path in folder.glob(f"{'?' * 16}/*/*") if path.name.isdecimal()
        )

    process = start(out)
    wait_for(parts)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
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
    process.send_signal(signal.SIGKILL)
    process.communicate()

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
    program.write_text(PROGRAM + "main()\n")
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
