"""A driver for tests: adapts with a SIGKILL right before the n-th time that a file appears or a
directory goes, and runs again. n is 0, 1, 2, ... until a run is no longer killed.

Run as a program, because processes are forked from one that has no threads. Training and search are
replaced by functions that take no time. Prints what it saw as JSON.
"""

import json
import os
import shutil
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

from mtkit.adaptation import adapt as module
from mtkit.adaptation import report
from mtkit.adaptation.adapt import Adaptation, adapt
from mtkit.config.data import CorpusSource
from mtkit.evaluation.metrics import compare
from mtkit.evaluation.resampling import Resampling
from mtkit.io.atomic import atomic_dir, clean_up_leftovers
from tests.translation.jobs.killing import die_before_change


def fake_train(recipe, device, n_threads):
    """Writes a run and its model, as training does, after cleaning up."""
    run_dir = recipe.run_dir
    clean_up_leftovers(run_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    with module.atomic_write(run_dir / "identity.json") as stream:
        stream.write(b"{}")
    if not (run_dir / "model").exists():
        with atomic_dir(run_dir / "model") as model_dir:
            shutil.copytree(recipe.training.init_from, model_dir, dirs_exist_ok=True)
    return SimpleNamespace(model_dir=run_dir / "model", n_steps=recipe.training.max_steps)


class FakeTranslator:
    """Translates by reversing; the adapted model, by upper-casing as well."""

    def __init__(self, is_adapted):
        self.is_adapted = is_adapted

    @classmethod
    def load(cls, model_dir, device, n_workers):
        return cls(Path(model_dir).parent.name.startswith(("run", "undisturbed")))

    def stream(self, lines, on_lines):
        for line in lines:
            on_lines(1)
            text = line[::-1]
            yield SimpleNamespace(text=text.upper() if self.is_adapted else text)


def run(folder: Path, out_dir: Path, dies_after: int | None = None) -> int:
    """In a process of its own; its status as `os.waitpid` has it."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    status = 1
    try:
        if dies_after is not None:
            die_before_change(str(out_dir), dies_after, {"os.rename", "os.rmdir"})
        make(folder, out_dir)
        status = 0
    finally:
        os._exit(status)


def make(folder: Path, out_dir: Path) -> None:
    memory = CorpusSource(src=folder / "memory.ko", tgt=folder / "memory.en")
    adapt(Adaptation(folder / "model", [memory], out_dir))


def contents(out_dir: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out_dir)): path.read_bytes()
        for path in sorted(out_dir.rglob("*"))
        if path.is_file()
    }


def main(folder: Path) -> None:
    # What a power failure would destroy does not matter here.
    os.fsync = lambda fd: None  # type: ignore[assignment]
    module.train, module.Translator = fake_train, FakeTranslator  # type: ignore[assignment]
    resampling = Resampling(n_bootstrap=10, n_trials=10)
    report.compare = partial(compare, resampling=resampling)  # type: ignore[assignment]
    undisturbed = folder / "undisturbed"
    # In this process, so that the others find all modules loaded.
    make(folder, undisturbed)
    problems: list[str] = []
    expected = contents(undisturbed)
    n_killed = n_complete = 0
    while not problems:
        out_dir = folder / f"run-{n_killed}"
        status = run(folder, out_dir, n_killed)
        if status == 0:
            break
        if not os.WIFSIGNALED(status):
            problems.append(f"{n_killed}: ended by itself with {status}")
        n_complete += (out_dir / "report.json").exists()
        if run(folder, out_dir) != 0:
            problems.append(f"{n_killed}: could not continue")
        elif contents(out_dir) != expected:
            found = contents(out_dir)
            names = found.keys() | expected.keys()
            changed = sorted(name for name in names if found.get(name) != expected.get(name))
            problems.append(f"{n_killed}: other files or other bytes: {changed}")
        n_killed += 1
    print(json.dumps({"n_killed": n_killed, "n_complete": n_complete, "problems": problems}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
