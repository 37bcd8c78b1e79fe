"""`mtkit average`."""

from pathlib import Path
from typing import Annotated

import typer


def average(
    run_dir: Annotated[
        Path, typer.Argument(metavar="RUN", help="Run directory, as written by `mtkit train`")
    ],
    out_dir: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Model directory to write")
    ],
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="Number of checkpoints")] = 5,
    best: Annotated[
        bool,
        typer.Option(
            "--best/--last", help="The checkpoints with the best validation scores, or the newest"
        ),
    ] = False,
) -> None:
    """Average checkpoints into one model.

    The average usually translates better than any single checkpoint.

    Examples:
        mtkit average de-en/work/run -o de-en/averaged
        mtkit average de-en/work/run -o de-en/averaged -n 3 --best
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.io.find_model import RUN_NAMES, refuse_no_run

    hint = f"name another directory, such as `{run_dir / 'averaged'}`"
    refuse_no_run(run_dir)
    refuse_overwriting([out_dir], [run_dir / name for name in sorted(RUN_NAMES)], hint=hint)
    from mtkit.checkpoint.averaging import average as average_checkpoints

    print(f"model: {average_checkpoints(run_dir, out_dir, n, 'best' if best else 'last')}")
