"""`mtkit report`."""

from pathlib import Path
from typing import Annotated

import typer

from mtkit.cli.common.options import DeviceOption


def report(
    run_dir: Annotated[
        Path, typer.Argument(metavar="RUN", help="Run directory, as written by `mtkit train`")
    ],
    output_path: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="HTML file; - is stdout",
            show_default="RUN/report.html",
        ),
    ] = None,
    n_samples: Annotated[
        int | None,
        typer.Option(
            "--samples",
            min=1,
            max=1000,
            help="Also translate this many validation lines with each kept checkpoint",
        ),
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Write a page about a training run: curves, scores, samples, settings.

    One HTML file, which needs no network and no other file. Needs matplotlib: pip install
    'mtkit[plots]'.

    Examples:
        mtkit report de-en/work/run
        mtkit report de-en/work/run -o report.html --samples 5
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.inspection.runs.find_runs import files_read, require_run
    from mtkit.inspection.runs.page import report_page
    from mtkit.inspection.runs.run_record import read_run
    from mtkit.inspection.views.figures import require_matplotlib
    from mtkit.io.atomic import atomic_write

    require_run(run_dir)
    path = output_path or run_dir / "report.html"
    refuse_overwriting([path], files_read(run_dir), own=run_dir)
    require_matplotlib()
    record = read_run(run_dir)
    samples = []
    if n_samples is not None:
        from mtkit.inspection.runs.checkpoint_samples import translate_samples

        samples = translate_samples(run_dir, n_samples, device)
    page = report_page(record, samples)
    if str(path) == "-":
        print(page, end="")
        return
    with atomic_write(path) as file:
        file.write(page.encode())
    print(f"report: {path}")
