"""`mtkit data`: the commands about corpora."""

import typer

from mtkit.cli import data_check, data_clean
from mtkit.cli.corpora import TakesPairs

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Check and clean corpora.")
app.command("check", cls=TakesPairs)(data_check.check)
app.command("clean", cls=TakesPairs)(data_clean.clean)
