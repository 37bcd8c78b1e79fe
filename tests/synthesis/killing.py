"""A driver for tests: back-translates, see `kill_at_each_step`."""

import os
import sys
from functools import partial
from pathlib import Path

from mtkit.config.recipe import Recipe
from mtkit.synthesis.backtranslate import BackTranslation, backtranslate
from mtkit.synthesis.line_selection import MonolingualText
from tests.killing import kill_at_each_step, run_forked
from tests.synthesis.teachers import FakeFilter, FakeTeacher


def make(recipe: Recipe, text_path: Path, out_dir: Path) -> None:
    text = MonolingualText([text_path], recipe, has_documents=True)
    job = BackTranslation(text, recipe, FakeTeacher(), out_dir, pair_filter=FakeFilter(0.8))
    backtranslate(job)


def main(folder: Path) -> None:
    # What a power failure would destroy does not matter here.
    os.fsync = lambda fd: None  # type: ignore[assignment]
    recipe = Recipe.load(folder / "recipe.yaml", ["data.context=2"])
    fill = partial(make, recipe, folder / "mono.en")
    undisturbed = folder / "undisturbed"
    assert run_forked(lambda: fill(undisturbed), undisturbed, None) == 0
    kill_at_each_step(fill, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
