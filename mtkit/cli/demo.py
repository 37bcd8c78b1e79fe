"""`mtkit demo`."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out_dir: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Directory for corpus, recipe and model"
        ),
    ] = Path("demo-run"),
    max_steps: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of training updates", show_default="enough for good results"
        ),
    ] = None,
) -> None:
    """Run the whole pipeline on a built-in corpus.

    Trains a Korean-English model, averages checkpoints, translates and evaluates. Prints each step
    as the command that you would type, and leaves a model to try. Takes a minute or two on two
    cores.

    Examples:
        mtkit demo
        mtkit demo -o /tmp/demo --max-steps 200
    """
    from mtkit.demo.run import run_demo

    run_demo(out_dir, max_steps=max_steps)
