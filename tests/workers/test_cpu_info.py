import pytest
from threadpoolctl import ThreadpoolController

from mtkit.engines.torch_engine import initialize_fork
from mtkit.workers import cpu_info
from mtkit.workers.cpu_info import one_thread_for_numpy
from mtkit.workers.fork_pool import ForkPool, can_fork


def n_threads():
    """Of each library that numpy multiplies with."""
    return [
        library["num_threads"] for library in ThreadpoolController().select(user_api="blas").info()
    ]


@pytest.fixture
def two_threads():
    with ThreadpoolController().select(user_api="blas").limit(limits=2):
        if n_threads() != [2]:
            pytest.skip("numpy multiplies with a library here whose threads are not told")
        yield


def test_numpy_has_one_thread_and_then_as_many_as_before(two_threads):
    with one_thread_for_numpy():
        assert n_threads() == [1]
    assert n_threads() == [2]


@pytest.mark.skipif(not can_fork(), reason="there are no forks here")
def test_forks_keep_their_one_thread(two_threads):
    with one_thread_for_numpy():
        forks = ForkPool(n_threads, 1, initialize_fork)
    assert n_threads() == [2]
    assert forks() == [1]


@pytest.mark.parametrize(("variable", "n"), [("3", 3), ("4,2", 4), ("0", 2), ("many", 2), ("", 2)])
def test_threads_follow_the_environment_or_the_physical_cores(monkeypatch, variable, n):
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    siblings = {0: "0,4", 4: "0,4", 1: "1,5"}
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(siblings), raising=False)
    monkeypatch.setattr(
        "pathlib.Path.read_text", lambda path, encoding: siblings[int(path.parts[5][3:])]
    )
    assert cpu_info.n_threads() == n
