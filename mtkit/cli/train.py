"""`mtkit train`."""

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli.common.command_line import shell_command
from mtkit.cli.common.option_groups import option_group, takes_option_groups
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
    from mtkit.training.loop import TrainingResult


@option_group()
class TrainingRunOptions:
    """The recipe, and the run directory."""

    recipe_path: RecipeArgument
    overrides: OverridesOption = None
    out: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", show_default="data.work_dir/run"),
    ] = None
    """Run directory."""
    max_time_s: Annotated[
        float | None,
        typer.Option("--max-time", parser=parse_duration, metavar="TIME", show_default="never"),
    ] = None
    """Save a checkpoint and stop after this time (90s, 45m, 1h30m, 2d), with exit status 0; the
    same command resumes."""
    is_dry_run: Annotated[bool, typer.Option("--dry-run")] = False
    """Check everything and estimate memory, disk space and time, without training."""
    shows_recipe: Annotated[bool, typer.Option("--show-recipe")] = False
    """Print the recipe with every key as it will be used, including --set, without training."""


@option_group(DEVICES)
class TrainingDeviceOptions:
    """Device, threads and processes."""

    device: DeviceOption = "auto"
    n_threads: Annotated[
        int | None, typer.Option("--threads", min=1, max=MAX_PROCESSES, show_default="one per core")
    ] = None
    """CPU threads of each process."""
    n_processes: Annotated[
        int | None, typer.Option("--nproc", min=1, max=MAX_PROCESSES, show_default="1")
    ] = None
    """Processes that train together on this machine, such as one for each GPU."""


@takes_option_groups
def train(run: TrainingRunOptions, devices: TrainingDeviceOptions) -> None:
    """Train a model.

    Makes the tokenizer and the token store first if they are missing or out of date. After an
    interruption, the same command resumes from the last checkpoint. The best model so far is always
    in DIR/model.

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
    env, n_processes = DistEnv.from_environment(), devices.n_processes
    with report_from_one_rank():
        recipe = Recipe.load(run.recipe_path, run.overrides or ())
        if run.shows_recipe:
            from mtkit.config.dump import plain_yaml

            print(plain_yaml(recipe), end="")
        written = ["tokenizer", "store", "parts"]
        refuse_overwriting_inputs(run.recipe_path, recipe, written, run.out or recipe.run_dir)
        if run.is_dry_run and env.rank == 0:
            _dry_run(recipe, run.out, devices, n_processes or env.world_size)
        if run.is_dry_run or run.shows_recipe:
            return
        if n_processes is not None and n_processes > 1 and env.world_size == 1:
            from mtkit.training.distributed.launch import run_processes

            raise SystemExit(run_processes(n_processes, sys.argv[1:]))
        # torch takes seconds to load, so errors in the recipe are reported before.
        from mtkit.training.train import train as train_model

        result = train_model(
            recipe,
            run.out,
            device=devices.device,
            n_threads=devices.n_threads,
            max_time_s=run.max_time_s,
        )
    if env.rank == 0:
        _print_result(recipe, result)


def _print_result(recipe: "Recipe", result: "TrainingResult") -> None:
    from mtkit.checkpoint.averaging import is_worth_averaging
    from mtkit.io.logs import counted

    best = ""
    if result.best_score is not None:
        best = f"; best {result.metric} on the validation corpus {result.best_score:.2f}"
    print(f"trained {counted(result.n_steps, 'steps')}{best}")
    print(f"model: {result.model_dir}")
    if result.is_time_up:
        return
    print(f"next:  {shell_command('translate', 'FILE', '-m', result.model_dir)}")
    is_average = recipe.training.ema_decay or recipe.training.average_last > 1
    if not is_average and is_worth_averaging(result.run_dir):
        command = shell_command("average", result.run_dir, "-o", result.run_dir / "averaged")
        print(f"or average the last checkpoints, which may translate better: {command}")


def _dry_run(
    recipe: "Recipe", out: Path | None, devices: TrainingDeviceOptions, n_processes: int
) -> None:
    from mtkit.training.sizing.dry_run import dry_run

    report = dry_run(
        recipe,
        out,
        device=devices.device,
        n_threads=devices.n_threads,
        n_processes=n_processes,
    )
    print(report, flush=True)
    for problem in report.problems:
        hint = f"\nhint: {problem.hint}" if problem.hint else ""
        print(f"error: {problem.message}{hint}", file=sys.stderr)
    if report.problems:
        raise typer.Exit(1)
