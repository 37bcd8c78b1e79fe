import pytest


@pytest.fixture(autouse=True)
def worker_processes():
    """Spawned, as they are outside of tests."""
