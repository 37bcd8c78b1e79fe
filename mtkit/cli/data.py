"""`mtkit data`: the commands about corpora."""

import typer

from mtkit.cli import data_check, data_clean
from mtkit.cli.common.corpus_arguments import PairOptionsCommand
from mtkit.cli.common.help_pages import Group

app = typer.Typer(cls=Group, rich_markup_mode=None, no_args_is_help=True, add_completion=False)


@app.callback()
def start() -> None:
    """Check and clean corpora.

    Examples:
        mtkit data check train.de train.en --test test.de test.en
        mtkit data clean train.de train.en -o clean.de clean.en
    """


app.command("check", cls=PairOptionsCommand)(data_check.check)
app.command("clean", cls=PairOptionsCommand)(data_clean.clean)
