"""Processes that search: results, errors, and how they end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mtkit.engines.torch_engine import TorchEngine
from mtkit.errors import MtkitError
from mtkit.translation.translator import Translator
from mtkit.workers.fork_pool import ForkPool, can_fork

pytestmark = pytest.mark.skipif(not can_fork(), reason="forks are for Linux")


def divide(a, b):
    return a / b, os.getpid()


def do_nothing():
    pass


def end_myself():
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_fork_gives_the_result_and_is_another_process():
    forks = ForkPool(divide, 2, do_nothing)
    results = [forks(n, 4) for n in range(6)]
    assert [quotient for quotient, _ in results] == [n / 4 for n in range(6)]
    assert len({pid for _, pid in results} - {os.getpid()}) == 2


def test_error_in_a_fork_is_raised_and_the_fork_continues():
    forks = ForkPool(divide, 1, do_nothing)
    with pytest.raises(ZeroDivisionError):
        forks(1, 0)
    assert forks(1, 2)[0] == 0.5


def test_a_killed_fork_is_an_error():
    with pytest.raises(MtkitError, match="was killed"):
        ForkPool(end_myself, 1, do_nothing)()


def test_forks_end_with_the_process_that_made_them(tmp_path):
    """Even if that is killed."""
    pid_path = tmp_path / "pids"
    program = f"""
import os, pathlib, signal
from mtkit.workers.fork_pool import ForkPool
forks = ForkPool(os.getpid, 3, lambda: None)
pathlib.Path({str(pid_path)!r}).write_text(" ".join(str(forks()) for _ in range(3)))
os.kill(os.getpid(), signal.SIGKILL)
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(root)}, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    pids = [int(pid) for pid in pid_path.read_text().split()]
    assert len(set(pids)) == 3
    deadline = time.monotonic() + 20
    while any(_is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("beam_size", [1, 3])
def test_forks_are_bit_identical_to_this_process(make_trained, ko_en_pairs, beam_size):
    trained = make_trained()
    lines = [pair.src for pair in ko_en_pairs[:60]]
    alone, forked = (Translator.from_models([trained], n_workers=n, is_frozen=True) for n in (1, 2))
    expected, found = (one.translate(lines, beam_size=beam_size) for one in (alone, forked))
    assert isinstance(forked.engine, TorchEngine)
    assert forked.engine._forks is not None
    assert found == expected
