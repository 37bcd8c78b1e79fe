"""`mtkit runs`."""

from pathlib import Path
from typing import Annotated

import typer


def runs(
    directories: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Run directories, or directories that contain runs"),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
    plot_path: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Plot the validation curves to .png or .svg"),
    ] = None,
) -> None:
    """Compare training runs: settings, seeds, steps, scores.

    Lists what differs in the settings, the best validation and the saved test scores, with mean and
    standard deviation of runs that differ in the seed alone. Two runs are also compared side by
    side.

    Examples:
        mtkit runs experiments
        mtkit runs experiments/base experiments/r-drop --plot curves.svg
    """
    from mtkit.inspection.runs.find_runs import files_read, find_runs
    from mtkit.inspection.runs.overview import make_overview, to_json, to_text
    from mtkit.inspection.runs.run_record import read_run

    paths = find_runs(directories)
    if plot_path is not None:
        from mtkit.cli.common.output_guard import refuse_overwriting
        from mtkit.inspection.runs.plots import plot_validation
        from mtkit.inspection.views.figures import require_matplotlib

        refuse_overwriting([plot_path], [file for path in paths for file in files_read(path)])
        if plot_path.suffix.lower() not in (".png", ".svg"):
            raise typer.BadParameter("--plot writes .png or .svg; give the file such a name")
        require_matplotlib()
    overview = make_overview([read_run(path) for path in paths])
    if plot_path is not None:
        plot_validation(overview.groups, plot_path)
    print(to_json(overview) if as_json else to_text(overview))
