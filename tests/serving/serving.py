"""A server in a thread of the test, on a free port."""

import asyncio
import multiprocessing
import threading
from contextlib import contextmanager

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("multipart")

from mtkit.serving.server import TranslationServer, open_socket
from mtkit.serving.settings import ServeSettings

# A worker without torch starts faster by itself than from a process that has loaded it.
SPAWN = multiprocessing.get_context("spawn")


class RunningServer:
    """A server, its address and its parts."""

    def __init__(self, server, url):
        self.server, self.url = server, url

    @property
    def context(self):
        return self.server.context

    def worker_pids(self):
        return [slot.worker.process.pid for slot in self.context.dispatcher.slots if slot.worker]


@contextmanager
def running_server(
    make_worker, args, settings=ServeSettings(), keys=None, n_processes=1, context=SPAWN
):
    listener = open_socket("127.0.0.1", 0)
    server = TranslationServer(settings, keys, ())
    errors = []

    def run():
        try:
            asyncio.run(server.run(listener, make_worker, args, n_processes))
        except BaseException as exc:
            errors.append(exc)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mtkit.workers.process_pool.get_context", lambda method: context)
        thread = threading.Thread(target=run)
        thread.start()
        while not server.started and thread.is_alive():
            thread.join(0.01)
        assert not errors, errors
        try:
            yield RunningServer(server, f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            if thread.is_alive():
                loop = server.servers[0].get_loop()
                loop.call_soon_threadsafe(server.stop)
            thread.join(30)
            listener.close()
    assert not thread.is_alive()
    assert not errors
