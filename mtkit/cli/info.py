"""`mtkit info`."""

from pathlib import Path
from typing import Annotated

import typer


def info(
    path: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="Model directory, run directory, or exported model"),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Describe a model: languages, size, tokenizer, training, scores.

    Reads the configuration, the tokenizer, the header of the weights and the log of the run, but
    not the weights.

    Examples:
        mtkit info de-en/work/run/model
        mtkit info de-en/work/run --json
    """
    from mtkit.io.find_model import foreign_model, refuse_no_model

    # torch takes seconds to load, which a mistyped path should not wait for.
    if foreign_model(path) or not (path / "identity.json").is_file():
        refuse_no_model(path)
    from mtkit.inspection.model_info import inspect_model
    from mtkit.inspection.report import model_to_text, to_json

    described = inspect_model(path)
    print(to_json(described) if as_json else model_to_text(described))
