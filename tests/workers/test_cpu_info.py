import pytest
from threadpoolctl import ThreadpoolController

from mtkit.engines.torch_engine import initialize_fork
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
