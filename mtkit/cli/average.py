"""`mtkit average`."""

from pathlib import Path
from typing import Annotated

import typer


def average(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="Run directory, as `mtkit train` writes it")],
    out_dir: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Model directory to write")],
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="How many checkpoints")] = 5,
    best: Annotated[bool, typer.Option("--best/--last", help="Those with the best validation scores, or the newest")] = False,
) -> None:
    """Average checkpoints into one model.

    It usually translates better than any of them.
    """
    from mtkit.checkpoint.average import average as average_checkpoints

    print(f"model: {average_checkpoints(run_dir, out_dir, n, 'best' if best else 'last')}")
