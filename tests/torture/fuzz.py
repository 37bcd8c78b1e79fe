"""Random calls of mtkit on odd files, recipes and options: each has to end with an exit status that
it documents, and never with an internal error.

A case is made from its seed alone. Cases run in processes forked from one that has loaded
everything, in a folder of their own, with limited
memory and time.
"""

import contextlib
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

from mtkit.config.recipe import Recipe
from mtkit.corpus.sentence_pair import SentencePair
from mtkit.training.train import train
from tests.conftest import FIXTURES, write_tiny_recipe
from tests.torture.fuzz_cases import Case, make_case

MEMORY_BYTES = 3 << 30
"""What a case may add to the address space that it begins with."""
TIME_S = 60
"""A case that takes longer is terminated, which it has to obey."""
KILL_S = 10
"""What it may take for that."""
STATUSES = {0, 1, 2, 3, 130, 141, 143}


class Outcome(NamedTuple):
    """How a case ended."""

    case: Case
    status: int
    """Of the process; negative if a signal ended it."""
    text: str
    """What it wrote to stderr."""
    seconds: float

    @property
    def fault(self) -> str | None:
        """Why this is no way to end; None if it is one."""
        if self.status not in STATUSES:
            return f"status {self.status}"
        if "this should not happen" in self.text:
            return "an internal error"
        if "Traceback (most recent call last)" in self.text or "Exception ignored" in self.text:
            return "a traceback"
        # A corpus with faults is what `data check` reports on stdout.
        if (
            self.status == 1
            and "error: " not in self.text
            and self.case.args[:2] != ["data", "check"]
        ):
            return "status 1 without an error"
        return None

    def __str__(self) -> str:
        return f"seed {self.case.seed}: {self.fault or 'as documented'} ({self.seconds:.1f} s)\n  {self.case}\n  {self.text.strip()[-1500:]}"


def prepare(folder: Path) -> Path:
    """Make what each case gets a copy of: a corpus, its recipe, and a model trained for two steps."""
    template = folder / "template"
    template.mkdir()
    sides = [
        (FIXTURES / f"ko_en.{lang}").read_text(encoding="utf-8").splitlines()[:80]
        for lang in ("ko", "en")
    ]
    path = write_tiny_recipe(template, [SentencePair(*pair) for pair in zip(*sides, strict=True)])
    text = (
        path.read_text(encoding="utf-8")
        .replace("vocab_size: 600", "vocab_size: 450")
        .replace("max_steps: 20", "max_steps: 2")
    )
    path.write_text(text, encoding="utf-8")
    # In a process of its own, since torch's threads do not survive a fork.
    pid = os.fork()
    if not pid:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            train(Recipe.load(path), device="cpu", n_threads=1)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError("the template could not be trained")
    return template


def run_cases(seeds: Iterable[int], folder: Path, n_processes: int) -> Iterator[Outcome]:
    """Run the cases of some seeds, several at a time; their order is that in which they end."""
    import mtkit.cli.main
    import mtkit.corpus.store.preprocess
    import mtkit.evaluation.metrics
    import mtkit.training.sizing.dry_run
    import mtkit.translation.translator  # noqa: F401

    template = prepare(folder)
    running: dict[int, _Running] = {}
    waiting = iter(seeds)
    while True:
        while len(running) < n_processes and (seed := next(waiting, None)) is not None:
            case, own = make_case(seed), folder / f"case-{seed}"
            shutil.copytree(template, own)
            running[_fork(case, own)] = _Running(case, own, time.monotonic())
        if not running:
            return
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            _end_slow_ones(running)
            time.sleep(0.005)
            continue
        done = running.pop(pid)
        text = done.folder.with_suffix(".err").read_text(encoding="utf-8", errors="replace")
        yield Outcome(
            done.case, os.waitstatus_to_exitcode(status), text, time.monotonic() - done.started_s
        )
        shutil.rmtree(done.folder, ignore_errors=True)


@dataclass
class _Running:
    case: Case
    folder: Path
    started_s: float
    is_terminated: bool = False


def _end_slow_ones(running: dict[int, _Running]) -> None:
    for pid, one in running.items():
        passed_s = time.monotonic() - one.started_s
        if passed_s > TIME_S + KILL_S:
            os.kill(pid, signal.SIGKILL)
        elif passed_s > TIME_S and not one.is_terminated:
            one.is_terminated = True
            os.kill(pid, signal.SIGTERM)


def _fork(case: Case, folder: Path) -> int:
    return os.fork() or _live(case, folder)


def _live(case: Case, folder: Path) -> NoReturn:
    status = 99
    try:
        os.chdir(folder)
        case.spoil_files()
        streams = (
            case.stdin_file(folder.with_suffix(".in")),
            Path(os.devnull),
            folder.with_suffix(".err"),
        )
        for number, (path, flags) in enumerate(
            zip(streams, (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY | os.O_CREAT), strict=True)
        ):
            os.dup2(os.open(path, flags, 0o600), number)
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(number, mode, closefd=False) for number, mode in enumerate("rww")
        )
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, used + MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))
        status = _call(case.args)
    finally:
        with contextlib.suppress(BaseException):
            sys.stderr.flush()
        os._exit(status)


def _call(args: list[str]) -> int:
    from mtkit.cli.main import main

    sys.argv = ["mtkit", *args]
    try:
        main()
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
        return 98
    return 97
