import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from mtkit.errors import MtkitError
from mtkit.workers.process_pool import TASKS_AHEAD, ordered_map


class Multiplier:
    """Slow for even numbers, so that answers come out of turn."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, number):
        if number == 13:
            raise MtkitError("thirteen", "try fourteen")
        if number == 99:
            os.kill(os.getpid(), signal.SIGKILL)
        if number % 2 == 0:
            time.sleep(0.01)
        return self.factor * number


def fails_to_start(reason):
    raise MtkitError(reason)


def repeats(task):
    return lambda text: text * task


@pytest.mark.parametrize("n_workers", [0, 1, 3])
def test_results_come_in_the_order_of_the_tasks(n_workers):
    assert list(ordered_map(Multiplier, (3,), range(12), n_workers)) == [3 * i for i in range(12)]


def test_free_workers_take_the_next_task():
    taken = []

    def tasks():
        for i in range(100):
            taken.append(i)
            yield i

    results = ordered_map(Multiplier, (1,), tasks(), 2)
    assert next(results) == 0
    assert len(taken) == 2 * TASKS_AHEAD + 1
    results.close()


@pytest.mark.parametrize("n_workers", [0, 2])
def test_worker_error_is_raised_in_parent(n_workers):
    results = ordered_map(Multiplier, (3,), [1, 13, 2], n_workers)
    assert next(results) == 3
    with pytest.raises(MtkitError, match="thirteen") as info:
        next(results)
    assert info.value.hint == "try fourteen"


def test_failed_worker_start_reports_the_reason():
    with pytest.raises(MtkitError, match="no dictionary"):
        list(ordered_map(fails_to_start, ("no dictionary",), range(10), 2))


def test_a_killed_worker_is_an_error_not_a_hang():
    with pytest.raises(MtkitError, match="ended with status -9"):
        list(ordered_map(Multiplier, (3,), [1, 99, *range(12)], 2))


def test_large_tasks_and_results_do_not_wait_for_each_other():
    texts = [str(i % 10) * 3_000_000 for i in range(8)]
    assert list(ordered_map(repeats, (2,), texts, 2)) == [text * 2 for text in texts]


def test_a_script_without_a_main_guard_is_not_run_again(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        import operator
        from mtkit.workers.process_pool import ordered_map
        print("started")
        print(list(ordered_map(operator.itemgetter, (1,), ["ab", "cd"], 2)))
        """)
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    output = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True, env=environment
    ).stdout
    assert output == "started\n['b', 'd']\n"


def test_workers_end_when_their_parent_is_killed(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        import os, operator, sys, time
        from multiprocessing import active_children
        from mtkit.workers.process_pool import ordered_map
        results = ordered_map(operator.itemgetter, (1,), ["ab"] * 100, 2)
        next(results)
        print(*[child.pid for child in active_children()], flush=True)
        time.sleep(60)
        """)
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(pids) == 2
    deadline = time.monotonic() + 10
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, "a worker outlives its parent"
        time.sleep(0.05)


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
