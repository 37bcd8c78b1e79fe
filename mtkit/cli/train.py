"""`mtkit train`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mtkit.cli.options import DeviceOption, OverridesOption, RecipeArgument


def train(
    recipe_path: RecipeArgument,
    overrides: OverridesOption = None,
    out: Annotated[
        Path | None, typer.Option("--output", "--out", "-o", metavar="RUN", help="Run directory", show_default="data.work_dir/run")
    ] = None,
    device: DeviceOption = "auto",
    n_threads: Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads of each process", show_default="one per core")] = None,
    n_processes: Annotated[
        int | None, typer.Option("--nproc", min=1, help="Processes that train together on this machine, such as one for each GPU", show_default="1")
    ] = None,
) -> None:
    """Train a model.

    Tokenizer and token store are made first when they are missing or stale. Run again after an interruption, it goes on where it was.
    """
    from mtkit.config.recipe import Recipe

    recipe = Recipe.load(recipe_path, overrides or ())
    # torch takes seconds to load, which a typo should not wait for.
    if n_processes is not None and n_processes > 1 and "RANK" not in os.environ:
        from mtkit.training.launch import run_processes

        raise SystemExit(run_processes(n_processes, sys.argv[1:]))
    from mtkit.training.loop import train as train_model

    result = train_model(recipe, out, device=device, n_threads=n_threads)
    if os.environ.get("RANK", "0") != "0":
        return
    best = f"; best {result.metric} on the validation corpus {result.best_score:.2f}" if result.best_score is not None else ""
    print(f"trained {result.n_steps:,} steps{best}")
    print(f"model: {result.model_dir}")
    print(f"next:  mtkit average {result.run_dir} -o {result.run_dir / 'averaged'}")
