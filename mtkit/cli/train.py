"""`mtkit train`."""

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli.common.command_line import shell_command
from mtkit.cli.common.options import (
    DEVICES,
    DeviceOption,
    OverridesOption,
    RecipeArgument,
    parse_duration,
)
from mtkit.cli.common.recipe_paths import refuse_overwriting_inputs
from mtkit.config.section import MAX_PROCESSES
from mtkit.workers.dist_env import DistEnv

if TYPE_CHECKING:
    from mtkit.config.recipe import Recipe


def train(
    recipe_path: RecipeArgument,
    overrides: OverridesOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "--out",
            "-o",
            metavar="DIR",
            help="Run directory",
            show_default="data.work_dir/run",
        ),
    ] = None,
    device: DeviceOption = "auto",
    n_threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            min=1,
            max=MAX_PROCESSES,
            help="CPU threads of each process",
            show_default="one per core",
            rich_help_panel=DEVICES,
        ),
    ] = None,
    max_time_s: Annotated[
        float | None,
        typer.Option(
            "--max-time",
            parser=parse_duration,
            metavar="TIME",
            help="Save and stop after this time (90s, 45m, 1h30m, 2d), with exit status 0; the same command continues",
            show_default="never",
        ),
    ] = None,
    n_processes: Annotated[
        int | None,
        typer.Option(
            "--nproc",
            min=1,
            max=MAX_PROCESSES,
            help="Processes that train together on this machine, such as one for each GPU",
            show_default="1",
            rich_help_panel=DEVICES,
        ),
    ] = None,
    is_dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Check everything and estimate memory, disk space and time, without training",
        ),
    ] = False,
    shows_recipe: Annotated[
        bool,
        typer.Option(
            "--show-recipe",
            help="Print the recipe with every key as it will be used, including --set, without training",
        ),
    ] = False,
) -> None:
    """Train a model.

    Makes the tokenizer and the token store first if they are missing or out of date. After an interruption, the same command continues from
    the last checkpoint. The best model so far is always in DIR/model.

    Examples:
        mtkit train de-en/recipe.yaml
        mtkit train de-en/recipe.yaml --set training.max_steps=2000 -o runs/short
        mtkit train de-en/recipe.yaml --dry-run
        mtkit train de-en/recipe.yaml --nproc 4
    """
    from mtkit.config.recipe import Recipe
    from mtkit.training.distributed.rank_errors import report_from_one_rank

    if hasattr(signal, "SIGUSR1"):
        # Nothing to save yet, and by default the signal ends the process.
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    env = DistEnv.from_environment()
    with report_from_one_rank():
        recipe = Recipe.load(recipe_path, overrides or ())
        if shows_recipe:
            from mtkit.config.dump import plain_yaml

            print(plain_yaml(recipe), end="")
        refuse_overwriting_inputs(
            recipe_path, recipe, ["tokenizer", "store", "parts"], out or recipe.run_dir
        )
        if is_dry_run:
            _dry_run(recipe, out, device, n_threads, n_processes)
        if is_dry_run or shows_recipe:
            return
        # torch takes seconds to load, so errors in the recipe are reported before.
        if n_processes is not None and n_processes > 1 and env.world_size == 1:
            from mtkit.training.distributed.launch import run_processes

            raise SystemExit(run_processes(n_processes, sys.argv[1:]))
        from mtkit.checkpoint.averaging import is_worth_averaging
        from mtkit.training.train import train as train_model

        result = train_model(recipe, out, device=device, n_threads=n_threads, max_time_s=max_time_s)
    if env.rank != 0:
        return
    best = (
        f"; best {result.metric} on the validation corpus {result.best_score:.2f}"
        if result.best_score is not None
        else ""
    )
    print(f"trained {result.n_steps:,} steps{best}")
    print(f"model: {result.model_dir}")
    if result.is_time_up:
        return
    print(f"next:  {shell_command('translate', 'FILE', '-m', result.model_dir)}")
    is_average = recipe.training.ema_decay or recipe.training.average_last > 1
    if not is_average and is_worth_averaging(result.run_dir):
        command = shell_command("average", result.run_dir, "-o", result.run_dir / "averaged")
        print(f"or average the last checkpoints, which may translate better: {command}")


def _dry_run(
    recipe: "Recipe", out: Path | None, device: str, n_threads: int | None, n_processes: int | None
) -> None:
    env = DistEnv.from_environment()
    if env.rank != 0:
        return
    from mtkit.training.sizing.dry_run import dry_run

    n_planned = n_processes or env.world_size
    report = dry_run(recipe, out, device=device, n_threads=n_threads, n_processes=n_planned)
    print(report, flush=True)
    for problem in report.problems:
        print(
            f"error: {problem.message}" + (f"\nhint: {problem.hint}" if problem.hint else ""),
            file=sys.stderr,
        )
    if report.problems:
        raise typer.Exit(1)
