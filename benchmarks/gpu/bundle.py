"""The files that the benchmarks on a GPU need, prepared on another machine."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.train_speed import make_recipe
from mtkit.config.recipe import Recipe

_SETTINGS_NAME = "bundle.json"


class Bundle(NamedTuple):
    """A directory with a corpus, its tokenizer and its token store."""

    path: Path
    langs: tuple[str, str]
    vocab_size: int

    @classmethod
    def load(cls, path: Path) -> "Bundle":
        """Load the settings of a bundle that `prepare.py` has made."""
        settings = json.loads((path / _SETTINGS_NAME).read_text(encoding="utf-8"))
        return cls(path, tuple(settings["langs"]), settings["vocab_size"])

    def save(self) -> None:
        """Write the settings, as the last file of a bundle."""
        settings = {"langs": self.langs, "vocab_size": self.vocab_size}
        (self.path / _SETTINGS_NAME).write_text(json.dumps(settings) + "\n", encoding="utf-8")

    @property
    def data_dir(self) -> Path:
        """Directory with train, val and test in both languages."""
        return self.path / "data"

    def recipe(
        self,
        size: str,
        precision: str,
        n_steps: int,
        n_windows: int,
        max_tokens: int,
        compiles: str,
    ) -> Recipe:
        """Return a recipe whose tokenizer and token store are in the bundle."""
        return make_recipe(
            self.data_dir,
            self.langs,
            self.path / "work",
            size,
            precision,
            n_steps,
            n_windows,
            max_tokens,
            self.vocab_size,
            compiles,
        )


def print_result(part: str, case: str, **values: Any) -> None:
    """Print a line for `table.py`."""
    print("RESULT", json.dumps({"part": part, "case": case, **values}), flush=True)
