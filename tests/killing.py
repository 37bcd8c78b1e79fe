"""Runs that are killed right before a change of a file, in processes of their own.

The drivers that use this are run as programs, because processes are forked from one that has no
threads. They print what they saw as JSON.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any

CHANGES = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"})


def run_driver(path: Path, *arguments: str | Path) -> dict[str, Any]:
    """Run a driver; return what it saw."""
    outcome = subprocess.run(
        [sys.executable, path, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    return json.loads(outcome.stdout)


def die_before_change(folder: str, n_changes: int, changes: Set[str] = CHANGES) -> None:
    """Let this process kill itself right before the change of that number, from 0."""
    left = n_changes

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal left
        is_change = event in changes and (
            event != "open" or bool(args[2] & (os.O_WRONLY | os.O_RDWR))
        )
        if is_change and (str(args[0]).startswith(folder) or not str(args[0]).startswith("/")):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def run_forked(
    function: Callable[[], object],
    folder: Path,
    dies_after: int | None,
    changes: Set[str] = CHANGES,
) -> int:
    """Call a function in a process of its own; return its status as `os.waitpid` has it.

    Args:
        function: The function.
        folder: Where changes are counted.
        dies_after: Number of changes before the process is killed; None lets it end.
        changes: Audit events that count.
    """
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    status = 1
    try:
        if dies_after is not None:
            die_before_change(str(folder), dies_after, changes)
        function()
        status = 0
    finally:
        os._exit(status)


def kill_at_each_step(make: Callable[[Path], object], folder: Path) -> None:
    """Kill a run right before the n-th time that a file appears or a directory goes, and run it
    again. n is 0, 1, 2, ... until a run is no longer killed. Prints what it saw.

    Args:
        make: Fills a directory.
        folder: Contains the directory `undisturbed`, which was filled without being killed.
    """

    def run(out_dir: Path, dies_after: int | None = None) -> int:
        return run_forked(lambda: make(out_dir), out_dir, dies_after, {"os.rename", "os.rmdir"})

    expected = _contents(folder / "undisturbed")
    problems: list[str] = []
    n_killed = n_complete = 0
    while not problems:
        out_dir = folder / f"run-{n_killed}"
        status = run(out_dir, n_killed)
        if status == 0:
            break
        if not os.WIFSIGNALED(status):
            problems.append(f"{n_killed}: ended by itself with {status}")
        n_complete += (out_dir / "report.json").exists()
        if run(out_dir) != 0:
            problems.append(f"{n_killed}: could not continue")
        elif (found := _contents(out_dir)) != expected:
            names = found.keys() | expected.keys()
            changed = sorted(name for name in names if found.get(name) != expected.get(name))
            problems.append(f"{n_killed}: other files or other bytes: {changed}")
        n_killed += 1
    print(json.dumps({"n_killed": n_killed, "n_complete": n_complete, "problems": problems}))


def _contents(out_dir: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out_dir)): path.read_bytes()
        for path in sorted(out_dir.rglob("*"))
        if path.is_file()
    }
