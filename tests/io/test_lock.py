import errno
import os
import signal
import subprocess
import sys

import pytest
from filelock import FileLock

from mtkit.errors import MtkitError
from mtkit.io.lock import locked

HOLD = """\
import sys
from pathlib import Path
from mtkit.io.lock import locked
with locked(Path(sys.argv[1]), "works here"):
    print("in", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def hold(tmp_path):
    """Starts a process that holds the lock until it is killed, or told to go."""
    processes = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, tmp_path / "deep/.lock"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"in\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_one_process_at_a_time(tmp_path, hold):
    process = hold()
    with (
        pytest.raises(
            MtkitError, match=rf"another process \({process.pid} on .+\) works here"
        ) as caught,
        locked(tmp_path / "deep/.lock", "works here"),
    ):
        pass
    assert caught.value.hint
    process.communicate(b"")
    assert process.returncode == 0
    assert list((tmp_path / "deep").iterdir()) == []
    with locked(tmp_path / "deep/.lock", "works here"):
        assert (tmp_path / "deep/.lock").exists()


def test_a_killed_process_holds_no_lock(tmp_path, hold):
    for _ in range(2):
        process = hold()
        process.kill()
        process.wait()
        assert process.returncode == -signal.SIGKILL
        assert (tmp_path / "deep/.lock").exists()
    with locked(tmp_path / "deep/.lock", "works here"):
        assert (tmp_path / "deep/.lock").read_text().startswith(f"{os.getpid()} on ")
    assert not (tmp_path / "deep/.lock").exists()


FORK_AND_DIE = """\
import os, signal, sys, time
from pathlib import Path
from mtkit.io.lock import locked
with locked(Path(sys.argv[1]), "works here"):
    reader, writer = os.pipe()
    if not os.fork():
        os.write(writer, b".")
        time.sleep(3)
        os._exit(0)
    os.read(reader, 1)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_children_that_outlive_the_holder_do_not_keep_the_lock(tmp_path):
    """Workers that a killed process has forked need a while to notice."""
    holder = subprocess.run([sys.executable, "-c", FORK_AND_DIE, tmp_path / ".lock"], check=False)
    assert holder.returncode == -signal.SIGKILL and (tmp_path / ".lock").exists()
    with locked(tmp_path / ".lock", "works here"):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_file_system_without_locks_permits_all(tmp_path, monkeypatch, number):
    def refuse(self):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(FileLock, "_acquire", refuse)
    with locked(tmp_path / ".lock", "works here"), locked(tmp_path / ".lock", "works here"):
        assert (tmp_path / ".lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_an_error_opens_the_lock(tmp_path):
    with pytest.raises(RuntimeError), locked(tmp_path / ".lock", "works here"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_uncreatable_lock_file_is_reported(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(MtkitError, match="a part of its path is a file"),
        locked(tmp_path / "file/.lock", "works here"),
    ):
        pass
