"""`mtkit demo`."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out_dir: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write corpus, recipe and model")] = Path("demo-run"),
    max_steps: Annotated[int | None, typer.Option(min=1, help="Stop training after this many updates", show_default="enough to do well")] = None,
) -> None:
    """Try everything on a built-in corpus.

    Trains a Korean-English translator, averages, translates and evaluates. Prints each step as the command that you would type, and leaves
    a model directory to play with. Takes a minute or two on two cores.
    """
    from mtkit.demo.run import run_demo

    run_demo(out_dir, max_steps=max_steps)
