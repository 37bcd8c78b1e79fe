"""A driver for tests: back-translates with a SIGKILL right before the n-th time that a file appears
or a directory goes, and runs again. n is 0, 1, 2, ... until a run is no longer killed.

Run as a program, because processes are forked from one that has no threads. Prints what it saw as
JSON.
"""

import json
import os
import sys
from pathlib import Path

from mtkit.config.recipe import Recipe
from mtkit.synthesis.backtranslate import BackTranslation, backtranslate
from mtkit.synthesis.line_selection import MonolingualText
from tests.synthesis.teachers import FakeFilter, FakeTeacher
from tests.translation.jobs.killing import die_before_change


def run(recipe: Recipe, text_path: Path, out_dir: Path, dies_after: int | None = None) -> int:
    """In a process of its own; its status as `os.waitpid` has it."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    status = 1
    try:
        if dies_after is not None:
            die_before_change(str(out_dir), dies_after, {"os.rename", "os.rmdir"})
        text = MonolingualText([text_path], recipe)
        job = BackTranslation(text, recipe, FakeTeacher(), out_dir, pair_filter=FakeFilter(0.8))
        backtranslate(job)
        status = 0
    finally:
        os._exit(status)


def contents(out_dir: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out_dir)): path.read_bytes()
        for path in sorted(out_dir.rglob("*"))
        if path.is_file()
    }


def main(folder: Path) -> None:
    # What a power failure would destroy does not matter here.
    os.fsync = lambda fd: None  # type: ignore[assignment]
    recipe, text_path = Recipe.load(folder / "recipe.yaml"), folder / "mono.en"
    undisturbed = folder / "undisturbed"
    problems = [] if run(recipe, text_path, undisturbed) == 0 else ["undisturbed: failed"]
    expected = contents(undisturbed)
    n_killed = n_complete = 0
    while not problems:
        out_dir = folder / f"run-{n_killed}"
        status = run(recipe, text_path, out_dir, n_killed)
        if status == 0:
            break
        if not os.WIFSIGNALED(status):
            problems.append(f"{n_killed}: ended by itself with {status}")
        n_complete += (out_dir / "report.json").exists()
        if run(recipe, text_path, out_dir) != 0:
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
