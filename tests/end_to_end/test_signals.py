"""`mtkit train` under signals and with little time, as a scheduler sees it: exit statuses, and what
the last lines say.
"""

import os
import signal

import pytest

from mtkit.checkpoint.training_checkpoint import list_checkpoints
from tests.end_to_end.waiting import wait_for
from tests.programs import Program

SETTINGS = [
    "data.validation=null",
    "training.max_steps=1000000",
    "training.save_every_steps=1000000",
    "training.log_every_steps=1",
]


@pytest.fixture
def command(tiny_recipe_path, tmp_path):
    """The arguments of a training that would go on for very long."""
    changes = [word for change in SETTINGS for word in ("--set", change)]
    return ["train", tiny_recipe_path, "--device", "cpu", "--output", tmp_path / "run", *changes]


@pytest.fixture
def start(command, tmp_path):
    """Starts `mtkit train` in a process of its own."""
    processes = []

    def start(*options):
        processes.append(Program([*command, *options], tmp_path))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()


def test_signals_and_statuses(mtkit, command, start, tmp_path):
    run = tmp_path / "run"

    def n_lines():
        return (
            (run / "metrics.jsonl").read_text().count("\n")
            if (run / "metrics.jsonl").exists()
            else 0
        )

    def steps():
        return [
            int(path.name.removeprefix("step-")) for path in list_checkpoints(run / "checkpoints")
        ]

    # SIGUSR1 saves, and training goes on until SIGTERM, which reaches workers too.
    process = start("--set", "batches.n_workers=1")
    wait_for(lambda: n_lines() > 2)
    os.killpg(process.pid, signal.SIGUSR1)
    wait_for(steps)
    saved, n_before = steps()[0], n_lines()
    wait_for(lambda: n_lines() > n_before + 2)
    os.killpg(process.pid, signal.SIGTERM)
    status, out, err = process.wait()
    [kept] = steps()
    assert status == 143, err
    assert (
        err.splitlines()[-1]
        == f"interrupted: step {kept:,} is saved in {run}; the same command resumes from there"
    )
    assert out == ""
    assert kept > saved

    # The time is up.
    status, out, err = mtkit(*command, "--max-time", "1s")
    assert status == 0, err
    assert f"resuming after step {kept:,}" in err
    [late] = steps()
    assert late > kept
    assert (
        f"time limit reached: step {late:,} of 1,000,000 is saved; the same command resumes from there"
        in err
    )
    assert out.splitlines()[-1] == f"model: {run}/model"

    # Ctrl-C.
    process = start()
    wait_for(lambda: n_lines() > late + 2)
    os.killpg(process.pid, signal.SIGINT)
    status, _, err = process.wait()
    assert status == 130, err
    assert steps()[0] > late
