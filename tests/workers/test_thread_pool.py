"""Several threads: all results, in order, and the number of threads as before."""

import threading
import time

import pytest
import torch

from mtkit.workers.thread_pool import ThreadPool


@pytest.mark.parametrize("n_workers", [1, 2, 5])
@pytest.mark.parametrize("n_items", [0, 1, 2, 40])
def test_results_come_in_order(n_workers, n_items):
    def slow_at_first(i):
        time.sleep(0.002 if i < 3 else 0.0)
        return i * i

    assert list(ThreadPool(n_workers).map(slow_at_first, range(n_items))) == [
        i * i for i in range(n_items)
    ]


def test_one_task_at_a_time_per_worker():
    barrier = threading.Barrier(3, timeout=10)
    assert len(set(ThreadPool(3).map(lambda i: barrier.wait(), range(3)))) == 3


def test_one_item_needs_no_thread():
    assert list(ThreadPool(4).map(lambda i: threading.current_thread(), [0])) == [
        threading.current_thread()
    ]


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_workers_share_the_cores_and_restore_torchs_threads(four_threads):
    assert ThreadPool(None).n_workers == 4
    assert list(ThreadPool(2).map(lambda i: torch.get_num_threads(), range(6))) == [2] * 6
    assert torch.get_num_threads() == 4


def test_error_is_raised_and_pending_tasks_do_not_start(four_threads):
    done = []

    def work(i):
        if i == 1:
            raise ZeroDivisionError
        time.sleep(0.01)
        done.append(i)

    with pytest.raises(ZeroDivisionError):
        list(ThreadPool(2).map(work, range(1000)))
    assert len(done) < 100
    assert torch.get_num_threads() == 4
