"""`mtkit train --nproc 2` and torchrun, as the shell starts them: signals, processes that die, two
machines.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mtkit.checkpoint.training_checkpoint import list_checkpoints

ROOT = Path(__file__).parents[3]
# So long that it does not end by itself.
LONG = [
    "training.max_steps=1000000",
    "training.save_every_steps=10",
    "validation.every_steps=1000000",
    "training.keep_last=1000",
]
TORCHRUN = ["-m", "torch.distributed.run", "--nproc-per-node=2"]


class Run:
    """A command that trains, and what it has left."""

    def __init__(self, recipe_path, run_dir, *changes, launcher=(), n_processes=2):
        self.run_dir = run_dir
        self.err_path = run_dir.with_suffix(".err")
        nproc = [] if launcher else ["--nproc", str(n_processes)]
        settings = [part for change in changes for part in ("--set", change)]
        command = [
            sys.executable,
            *launcher,
            "-m",
            "mtkit",
            "train",
            str(recipe_path),
            *nproc,
            "--device",
            "cpu",
            "-o",
            str(run_dir),
            *settings,
        ]
        with self.err_path.open("wb") as err:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE,
                stderr=err,
            )

    def wait_for_step(self, step):
        """Until a checkpoint of this step or a later one is there."""
        return wait_until(
            lambda: (
                (kept := list_checkpoints(self.run_dir / "checkpoints"))
                and int(kept[-1].name[5:]) >= step
            ),
            self,
        )

    def ranks(self):
        children = (
            Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        )
        return sorted(map(int, children))

    def ended(self, timeout_s=60.0):
        """Exit status, stdout and the lines of stderr that are no log."""
        out, _ = self.process.communicate(timeout=timeout_s)
        lines = [
            line
            for line in self.err_path.read_text(encoding="utf-8").splitlines()
            if not line[:1].isdigit()
        ]
        return self.process.returncode, out.decode(), lines


def wait_until(is_so, run, timeout_s=120.0):
    end = time.monotonic() + timeout_s
    while not (found := is_so()):
        assert time.monotonic() < end and run.process.poll() is None, run.err_path.read_text()
        time.sleep(0.05)
    return found


def is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
def started(tiny_recipe_path, tmp_path):
    """Starts a run; what is left of it at the end is killed."""
    runs = []

    def start(name, *changes, **options):
        runs.append(Run(tiny_recipe_path, tmp_path / name, *changes, **options))
        return runs[-1]

    yield start
    for run in runs:
        run.process.kill()
        run.process.communicate()


def test_sigterm_reaches_all_and_the_same_command_resumes(started):
    run = started("run", *LONG)
    run.wait_for_step(10)
    ranks = run.ranks()
    assert len(ranks) == 2
    run.process.send_signal(signal.SIGTERM)
    status, out, lines = run.ended()
    kept = int(list_checkpoints(run.run_dir / "checkpoints")[-1].name[5:])
    assert (status, out) == (143, "")
    assert lines == [
        f"interrupted: step {kept:,} is saved in {run.run_dir}; the same command resumes from there"
    ]
    assert all(map(is_gone, ranks))
    metrics = [
        json.loads(line)["step"]
        for line in (run.run_dir / "metrics.jsonl").read_text().splitlines()
    ]
    assert metrics == sorted(set(metrics))


@pytest.mark.slow
def test_errors_are_reported_once(started):
    assert started("run", "training.max_steps=1").ended()[0] == 0
    status, _, lines = started("run", "training.max_steps=2", "training.seed=2").ended()
    assert status == 1
    assert [line.split(": ")[0] for line in lines] == ["error", "hint"]
    assert "training.seed (1 then, 2 now)" in lines[0]


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_is_killed_ends_the_others(started, rank):
    run = started("run", *LONG)
    run.wait_for_step(10)
    ranks = run.ranks()
    os.kill(ranks[rank], signal.SIGKILL)
    status, _, lines = run.ended()
    assert status == 1
    assert lines[0] == f"error: process {rank} of 2 was killed by SIGKILL"
    assert lines[1].startswith("hint: the same command resumes")
    assert len(lines) == 2
    assert all(map(is_gone, ranks))
    kept = int(list_checkpoints(run.run_dir / "checkpoints")[-1].name[5:])
    again = started("run", f"training.max_steps={kept + 2}", *LONG[1:])
    status, out, _ = again.ended()
    assert (status, out.splitlines()[0].split(";")[0]) == (0, f"trained {kept + 2} steps")


@pytest.mark.slow
def test_processes_end_with_a_launcher_that_is_killed(started):
    run = started("run", *LONG)
    run.wait_for_step(10)
    ranks = run.ranks()
    run.process.kill()
    end = time.monotonic() + 60
    while not all(map(is_gone, ranks)):
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.slow
def test_torchrun_restarts_killed_processes(started):
    run = started("run", *LONG, launcher=[*TORCHRUN, "--standalone", "--max-restarts=1"])
    run.wait_for_step(10)
    first = run.ranks()
    os.kill(first[1], signal.SIGKILL)
    wait_until(lambda: set(first).isdisjoint(run.ranks()) and len(run.ranks()) == 2, run)
    kept = int(list_checkpoints(run.run_dir / "checkpoints")[-1].name[5:])
    run.wait_for_step(kept + 10)
    run.process.send_signal(signal.SIGTERM)
    run.ended()
    told = run.err_path.read_text(encoding="utf-8")
    assert f"resuming after step {kept:,}\n" in told
    assert told.count("lost the connection") <= 1
    assert "interrupted: step" in told


@pytest.fixture
def two_hosts():
    """Two network namespaces that see each other, as `ip netns exec` takes them: [(name, address),
    ...].
    """
    if shutil.which("ip") is None:
        pytest.skip("there is no ip command here")
    a, b = (f"mtkit{os.getpid()}{name}" for name in "ab")
    script = f"""
        set -e
        ip netns add {a} && ip netns add {b}
        ip link add veth0 netns {a} type veth peer name veth0 netns {b}
        ip -n {a} addr add 10.77.0.1/24 dev veth0 && ip -n {b} addr add 10.77.0.2/24 dev veth0
        for host in {a} {b}; do ip -n $host link set lo up && ip -n $host link set veth0 up; done
    """
    try:
        if subprocess.run(["sh", "-c", script], capture_output=True, check=False).returncode:
            pytest.skip("this system lets nobody make network namespaces")
        yield [(a, "10.77.0.1"), (b, "10.77.0.2")]
    finally:
        for name in (a, b):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


@pytest.mark.slow
def test_two_machines_train_together(two_hosts, tiny_recipe_path, tmp_path):
    def train(name, hidden=""):
        processes = []
        for number, (host, address) in enumerate(two_hosts):
            rendezvous = [
                "--nnodes=2",
                "--nproc-per-node=1",
                "--rdzv-backend=c10d",
                f"--rdzv-endpoint={two_hosts[0][1]}:29400",
            ]
            # Which machine has the address of the meeting is known by its name elsewhere; these two
            # have the same.
            rendezvous += [f"--rdzv-conf=is_host={int(number == 0)}", f"--local-addr={address}"]
            launcher = [sys.executable, "-m", "torch.distributed.run", *rendezvous]
            command = [
                *launcher,
                "-m",
                "mtkit",
                "train",
                str(tiny_recipe_path),
                "--device",
                "cpu",
                "-o",
                str(tmp_path / name),
            ]
            # The second machine has another disk in this place.
            prefix = (
                [
                    "unshare",
                    "--mount",
                    "sh",
                    "-c",
                    f"mount -t tmpfs tmpfs '{hidden}' && exec \"$@\"",
                    "sh",
                ]
                if hidden and number
                else []
            )
            env = os.environ | {"PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "veth0"}
            command = [
                "ip",
                "netns",
                "exec",
                host,
                *prefix,
                *command,
                "--set",
                "training.max_steps=4",
            ]
            processes.append(
                subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=env,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        outcomes = [process.communicate(timeout=150) for process in processes]
        return (
            [process.returncode for process in processes],
            [out for out, _ in outcomes],
            [err for _, err in outcomes],
        )

    statuses, outs, errs = train("run")
    assert statuses == [0, 0], errs
    # Which of them is process 0 is torchrun's choice.
    assert sum("trained 4 steps" in out for out in outs) == 1
    assert [path.name for path in list_checkpoints(tmp_path / "run" / "checkpoints")] == [
        "step-00000004"
    ]
    work_dir = tmp_path / "work"
    statuses, _, errs = train("other", hidden=work_dir)
    assert 0 not in statuses
    told = "".join(errs)
    assert told.count("does not see the store") == 1
    assert "hint: set data.work_dir to a directory on a disk that all machines share" in told
