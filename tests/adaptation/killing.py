"""A driver for tests: adapts, see `kill_at_each_step`. Training and search are replaced by functions
that take no time.
"""

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
from tests.killing import kill_at_each_step


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
    def load(cls, model_dir, device, n_workers, tags, tgt_tags):
        return cls(Path(model_dir).parent.name.startswith(("run", "undisturbed")))

    def stream(self, lines, contexts, on_lines):
        for line in lines:
            on_lines(1)
            text = line[::-1]
            yield SimpleNamespace(text=text.upper() if self.is_adapted else text)


def make(folder: Path, out_dir: Path) -> None:
    memory = CorpusSource(src=folder / "memory.ko", tgt=folder / "memory.en")
    adapt(Adaptation(folder / "model", [memory], out_dir))


def main(folder: Path) -> None:
    # What a power failure would destroy does not matter here.
    os.fsync = lambda fd: None  # type: ignore[assignment]
    module.train, module.Translator = fake_train, FakeTranslator  # type: ignore[assignment]
    resampling = Resampling(n_bootstrap=10, n_trials=10)
    report.compare = partial(compare, resampling=resampling)  # type: ignore[assignment]
    # In this process, so that the others find all modules loaded.
    make(folder, folder / "undisturbed")
    kill_at_each_step(partial(make, folder), folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
