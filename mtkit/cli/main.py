"""Entry point of `mtkit`.

A command's module is imported when that command is run, so `mtkit --help` answers at once.
"""

import contextlib
import gc
import io
import os
import sys
from functools import cache
from typing import Annotated, Any

import typer

from mtkit.cli.common.errors import EXIT_STATUSES, Commands, discard_stdout, handle_sigterm
from mtkit.cli.common.help_pages import LazyCommands
from mtkit.cli.common.streams import replace_closed_streams
from mtkit.version import __version__

SUMMARIES = {
    "demo": "Run the whole pipeline on a built-in corpus.",
    "data": "Check and clean corpora.",
    "init": "Write a recipe: the settings of a training run.",
    "tokenizer": "Train a tokenizer; convert text to subwords and back.",
    "preprocess": "Clean and tokenize the training corpus.",
    "train": "Train a model.",
    "average": "Average checkpoints into one model.",
    "translate": "Translate a file.",
    "serve": "Serve translations over HTTP, with the interfaces of LibreTranslate and DeepL.",
    "evaluate": "Compute BLEU, chrF or TER of translations, or of a model.",
    "compare": "Compare systems: scores, significance, faults, differences.",
    "tune": "Choose length penalty and beam size on a validation set.",
    "score": "Compute the probability that a model assigns to given translations.",
    "rerank": "Choose the best of n-best translations by further scores.",
    "flag": "Flag translations that are doubtful, without references.",
    "shortlist": "Build a lexical shortlist, which makes translation faster.",
    "backtranslate": "Make training pairs of monolingual text by back-translation.",
    "distill": "Translate a training corpus by a teacher, for a smaller student.",
    "adapt": "Adapt a model to a translation memory.",
    "vocab": "Change the vocabulary of a model: prune it to a corpus, or extend it.",
    "import": "Import models of other programs.",
    "export": "Export models for other programs.",
    "push": "Share a model: copy it to a directory, an archive or the hub.",
    "pull": "Get a model that `mtkit push` wrote, and check it.",
    "runs": "Compare training runs: settings, seeds, steps, scores.",
    "report": "Write a page about a training run: curves, scores, samples, settings.",
    "info": "Describe a model: languages, size, tokenizer, training, scores.",
    "inspect": "Look inside a translation, or at what follows from a recipe.",
    "doctor": "Check the installation: versions, devices, precisions, disk, extras.",
}
"""The commands in the order of use; each is the function or `app` of that name in `mtkit/cli/`."""

GLOBAL_FLAGS = ("--debug", "--verbose")

# \b keeps typer from joining the lines.
_EPILOG = "\b\nExit status:\n" + "\n".join(
    f"  {status:>3}  {meaning}" for status, meaning in EXIT_STATUSES.items()
)


class MainCommands(Commands):
    """The root of all commands."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.commands = LazyCommands("mtkit.cli", SUMMARIES)


app = typer.Typer(
    cls=MainCommands,
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
    """Train machine translation models on parallel text, and translate with them.

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
    from mtkit.workers.dist_env import DistEnv

    setup_logs(verbose, is_main=DistEnv.from_environment().rank == 0)


@cache
def _root_command(app: typer.Typer) -> Any:
    """Return the root of all commands, which keeps each command that it has looked up."""
    return typer.main.get_command(app)


def main() -> None:
    """The entry point of `mtkit`."""
    replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # Help and reports hold more than ASCII, whatever the locale says.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    # A thread that waits for the others of a matrix product spins, and keeps them from their core
    # when other programs run too: training then takes many times as long. A short spin before it
    # sleeps avoids this (docs/experiments.md). OpenMP reads this once, when torch is loaded.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    # Imports create objects that stay: looking for garbage among them after every 700 took a sixth
    # of the time to start.
    gc.set_threshold(10_000)
    with contextlib.suppress(ValueError):  # not in the main thread
        handle_sigterm()
    try:
        _root_command(app)(_with_global_flags_first(sys.argv[1:]), prog_name="mtkit")
    finally:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            discard_stdout()


def _with_global_flags_first(args: list[str]) -> list[str]:
    """Move global flags to the front, so that `mtkit train recipe.yaml --debug` works."""
    n_flexible = args.index("--") if "--" in args else len(args)
    flags = [arg for arg in args[:n_flexible] if arg in GLOBAL_FLAGS]
    return flags + [arg for arg in args[:n_flexible] if arg not in GLOBAL_FLAGS] + args[n_flexible:]
