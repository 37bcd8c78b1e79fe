"""Worker processes of tests: forked from a process that has loaded torch and computed nothing, so
that none loads it again.

They share no memory with the test, as spawned ones do not. That workers may be spawned, as they are
outside of tests, is shown by
tests/workers and by the tests that start programs.
"""

import os
from multiprocessing.context import ForkServerContext, ForkServerProcess

PRELOADED = [
    "mtkit.cli.main",
    "mtkit.translation.translator",
    "mtkit.corpus.store.preprocess",
    "mtkit.training.train",
    "tests.programs",
    __name__,
]


class WorkerProcess(ForkServerProcess):
    """A process with the environment variables of its parent at the time of its start."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.environment = dict(os.environ)

    def run(self):
        os.environ.clear()
        os.environ.update(self.environment)
        super().run()


class WorkerContext(ForkServerContext):
    """Starts such processes."""

    Process = WorkerProcess


def worker_context():
    context = WorkerContext()
    context.set_forkserver_preload(PRELOADED)
    return context
