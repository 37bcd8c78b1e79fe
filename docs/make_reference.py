"""Write docs/reference/ from the code: every key of a recipe, every option of every command."""

import os
import subprocess
import sys
from pathlib import Path

from mtkit.config.data import CorpusSource
from mtkit.config.dump import commented_yaml
from mtkit.config.recipe import Recipe

REFERENCE_DIR = Path(__file__).parent / "reference"
COMMANDS = (
    "",
    "demo",
    "init",
    "data check",
    "data clean",
    "tokenizer train",
    "tokenizer encode",
    "tokenizer decode",
    "preprocess",
    "train",
    "average",
    "translate",
    "serve",
    "score",
    "evaluate",
    "compare",
    "tune",
    "rerank",
    "flag",
    "shortlist",
    "backtranslate",
    "distill",
    "adapt",
    "vocab prune",
    "vocab extend",
    "import huggingface",
    "import marian",
    "export ctranslate2",
    "export huggingface",
    "export marian",
    "push",
    "pull",
    "runs",
    "report",
    "info",
    "inspect",
    "doctor",
)


def recipe_page() -> str:
    """Describe every key with its default, as `mtkit init --full` writes it."""
    return f"""# Recipe

Every key with its default. A key without a value is required; a key that is commented out is unset
by default. `mtkit init --full` writes such a file with the sizes of a preset, `mtkit init` a short
one.

`--set` changes a key for one run: `mtkit train recipe.yaml --set training.max_steps=100`.

```yaml
{commented_yaml(Recipe)}```

## Keys of a corpus

The keys of `data.train`, or of each item in its list, and of `data.validation`:

```yaml
{commented_yaml(CorpusSource)}```
"""


def commands_page() -> str:
    """Collect the output of `--help` of every command."""
    intro = "Every option of every command, as printed by `--help`; exit statuses are listed under"
    parts = [f"# Commands\n\n{intro}\n[mtkit](#mtkit).\n"]
    for command in COMMANDS:
        words = ["mtkit", *command.split()]
        environment = {**os.environ, "COLUMNS": "120", "TERMINAL_WIDTH": "120"}
        shown = subprocess.run(
            [sys.executable, "-m", *words, "--help"],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        ).stdout
        parts.append(f"## {' '.join(words)}\n\n```\n{shown.rstrip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    REFERENCE_DIR.mkdir(exist_ok=True)
    for name, page in {"recipe.md": recipe_page(), "commands.md": commands_page()}.items():
        (REFERENCE_DIR / name).write_text(page, encoding="utf-8")
        print(REFERENCE_DIR / name)
