import multiprocessing

import pytest


@pytest.fixture(autouse=True)
def worker_processes(monkeypatch):
    """Workers are spawned, as they are outside of tests: those without torch start faster so."""
    context = multiprocessing.get_context("spawn")
    monkeypatch.setattr("mtkit.workers.process_pool.get_context", lambda method: context)
