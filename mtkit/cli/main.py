"""The list of commands. Each imports what it needs inside its body, so that `mtkit --help` answers at once."""

import contextlib
import io
import os
import sys
from typing import Annotated

import typer

from mtkit import __version__
from mtkit.cli import (
    average,
    data,
    demo,
    doctor,
    evaluate,
    export,
    info,
    init,
    preprocess,
    score,
    shortlist,
    tokenizer,
    train,
    translate,
)
from mtkit.cli.common.errors import EXIT_STATUSES, Commands, give_up_stdout, handle_sigterm
from mtkit.cli.common.help_pages import Command
from mtkit.cli.common.streams import replace_closed_streams

GLOBAL_FLAGS = ("--debug", "--verbose")

# \b keeps typer from joining the lines.
_EPILOG = "\b\nExit status:\n" + "\n".join(
    f"  {status:>3}  {meaning}" for status, meaning in EXIT_STATUSES.items()
)

app = typer.Typer(
    cls=Commands,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"mtkit {__version__}")
        raise typer.Exit


@app.callback()
def start(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print more detail on stderr")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit"
        ),
    ] = False,
) -> None:
    """Train a translation model on two aligned text files, and use it.

    `mtkit COMMAND --help` explains a command. Results go to stdout, progress and logs to stderr.

    Examples:
        mtkit demo
        mtkit data check train.de train.en
        mtkit init --from-data train.de train.en
        mtkit train de-en/recipe.yaml
        mtkit translate new.de -m de-en/work/run/model -o new.en
        mtkit evaluate -m de-en/work/run/model -s test.de -r test.en
    """
    from mtkit.io.logs import setup_logs

    setup_logs(verbose)


for _name, _function in {
    "demo": demo.demo,
    "init": init.init,
    "preprocess": preprocess.preprocess,
    "train": train.train,
    "average": average.average,
    "translate": translate.translate,
    "evaluate": evaluate.evaluate,
    "score": score.score,
    "shortlist": shortlist.shortlist,
    "info": info.info,
    "doctor": doctor.doctor,
}.items():
    app.command(_name, cls=Command)(_function)
for _name, _group in {"data": data.app, "tokenizer": tokenizer.app, "export": export.app}.items():
    app.add_typer(_group, name=_name)


def main() -> None:
    """The entry point of `mtkit`."""
    replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # Help and reports hold more than ASCII, whatever the locale says.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    # A thread that waits for the others of a matrix product does so busily, and keeps them from the core when other programs run too:
    # training then takes many times as long. So it shall soon sleep (docs/experiments.md). OpenMP reads this once, when torch is loaded.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    with contextlib.suppress(ValueError):  # not in the main thread
        handle_sigterm()
    try:
        app(_with_global_flags_first(sys.argv[1:]), prog_name="mtkit")
    finally:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            give_up_stdout()


def _with_global_flags_first(args: list[str]) -> list[str]:
    """`mtkit train recipe.yaml --debug` is what people type when told to run it again with --debug."""
    n_flexible = args.index("--") if "--" in args else len(args)
    flags = [arg for arg in args[:n_flexible] if arg in GLOBAL_FLAGS]
    return flags + [arg for arg in args[:n_flexible] if arg not in GLOBAL_FLAGS] + args[n_flexible:]
