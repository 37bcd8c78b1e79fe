"""Options of the commands that fetch models from the Hugging Face hub."""

from typing import Annotated

import typer

DownloadOption = Annotated[
    bool, typer.Option("--download", help="Download the model from the Hugging Face hub")
]
RevisionOption = Annotated[
    str | None,
    typer.Option(help="With --download: branch, tag or commit", show_default="main"),
]
