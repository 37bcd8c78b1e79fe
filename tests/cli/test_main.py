import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from mtkit import __version__
from mtkit.cli import preprocess as preprocess_command
from mtkit.cli.common.errors import Commands, Terminated
from mtkit.cli.main import SUMMARIES, app
from mtkit.errors import MtkitError

COMMANDS = [
    "",
    "demo",
    "init",
    "data",
    "data check",
    "data clean",
    "preprocess",
    "train",
    "average",
    "shortlist",
    "backtranslate",
    "distill",
    "adapt",
    "vocab",
    "vocab prune",
    "vocab extend",
    "translate",
    "serve",
    "score",
    "rerank",
    "flag",
    "evaluate",
    "compare",
    "tune",
    "import",
    "import huggingface",
    "import marian",
    "export",
    "export ctranslate2",
    "export huggingface",
    "push",
    "pull",
    "runs",
    "report",
    "info",
    "inspect",
    "doctor",
    "tokenizer",
    "tokenizer train",
    "tokenizer encode",
    "tokenizer decode",
]
HEAVY = {"torch", "datasets", "numpy", "sentencepiece", "sacrebleu", "pyarrow", "pandas"}

LIST_MODULES = """
import atexit, sys
atexit.register(lambda: print("LOADED", *sys.modules, file=sys.stderr))
from mtkit.cli.main import main
for command in {commands!r}:
    sys.argv = ["mtkit", *command.split(), "--help"]
    try:
        main()
    except SystemExit as exc:
        assert exc.code == 0, command
"""


def loaded_modules(stderr: str) -> set[str]:
    return set(stderr.rpartition("LOADED ")[2].split())


def test_help_loads_nothing_heavy():
    code = LIST_MODULES.format(commands=COMMANDS)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "mtkit.cli.translate" in loaded_modules(done.stderr)
    assert not HEAVY & loaded_modules(done.stderr)
    assert "click" not in loaded_modules(done.stderr)
    assert done.stdout.count("Usage: mtkit") == len(COMMANDS)


def test_the_list_of_commands_loads_no_command():
    code = LIST_MODULES.format(commands=[""])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = loaded_modules(done.stderr)
    assert not (HEAVY | {"pydantic", "ruamel.yaml", "mtkit.cli.translate"}) & modules


def test_completion_loads_nothing_heavy():
    env = {
        **os.environ,
        "_MTKIT_COMPLETE": "complete_bash",
        "COMP_WORDS": "mtkit translate --be",
        "COMP_CWORD": "2",
    }
    code = LIST_MODULES.split("for ")[0] + "main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    assert "--beam-size" in done.stdout
    assert not HEAVY & loaded_modules(done.stderr)


MISTAKES = """
import atexit, sys
from mtkit.cli.main import main
atexit.register(lambda: print("LOADED", *sys.modules, file=sys.stderr))
for line in {lines!r}:
    sys.argv = ["mtkit", *line.split()]
    try:
        main()
    except SystemExit as exc:
        assert exc.code == 1, line
"""


def test_wrong_paths_are_reported_without_loading_torch(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "text").write_text("Zeile\n")
    lines = [
        "translate missing -m model",
        "translate text -m missing",
        "translate text -m model -o text",
        "score missing text -m model",
        "score text text -m missing",
        "train missing.yaml",
        "average missing -o averaged",
        "inspect missing Hallo",
        "push missing there",
    ]
    done = subprocess.run(
        [sys.executable, "-c", MISTAKES.format(lines=lines)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stderr.count("error: ") == len(lines)
    modules = loaded_modules(done.stderr)
    assert "mtkit.documents.formats" in modules
    # The readers of documents are for documents alone.
    assert not {"torch", "mtkit.documents.segment", "mtkit.documents.office.package"} & modules


def test_every_command_is_tested_here():
    assert set(SUMMARIES) == {command for command in COMMANDS if command and " " not in command}


def test_exit_statuses_are_documented(mtkit):
    outcome = mtkit("--help")
    assert outcome.status == 0
    for status in (
        "0  done",
        "1  invalid input",
        "2  wrong usage",
        "130  interrupted",
        "143  interrupted",
    ):
        assert f"  {status}" in outcome.out


def test_version(mtkit):
    assert mtkit("--version") == (0, f"mtkit {__version__}\n", "")


@pytest.mark.parametrize(
    "args",
    [
        ["nonsense"],
        ["train"],
        ["translate", "x"],
        ["train", "x", "--nonsense"],
        ["init", "huge", "x"],
    ],
)
def test_wrong_usage(mtkit, args):
    outcome = mtkit(*args)
    assert outcome.status == 2
    assert outcome.out == ""
    error, hint = outcome.err.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")


@pytest.fixture
def failing(monkeypatch, mtkit):
    """Run a command whose work raises this."""

    def run(exc: BaseException, *flags: str):
        def fail(recipe: str) -> None:
            raise exc

        failing_app = typer.Typer(
            cls=Commands,
            rich_markup_mode=None,
            pretty_exceptions_enable=False,
        )
        failing_app.callback()(app.registered_callback.callback)  # pyright: ignore
        failing_app.command("preprocess")(fail)
        failing_app.command("another")(preprocess_command.preprocess)
        monkeypatch.setattr("mtkit.cli.main.app", failing_app)
        return mtkit(*flags, "preprocess", "a recipe.yaml")

    return run


def test_user_error_is_an_error_line_and_a_hint(failing):
    assert failing(MtkitError("`x`: is wrong", "mend it")) == (
        1,
        "",
        "error: `x`: is wrong\nhint: mend it\n",
    )
    assert failing(MtkitError("`x`: is wrong")) == (1, "", "error: `x`: is wrong\n")


def test_debug_shows_the_traceback(failing):
    outcome = failing(MtkitError("`x`: is wrong", "mend it"), "--debug")
    assert outcome.status == 1
    assert "Traceback" in outcome.err
    assert outcome.err.endswith("error: `x`: is wrong\nhint: mend it\n")


def test_global_flags_may_follow_the_command(mtkit):
    outcome = mtkit("train", "/nowhere/recipe.yaml", "--debug")
    assert outcome.status == 1
    assert "Traceback" in outcome.err


def test_internal_error_is_one_line_and_suggests_debug(failing):
    outcome = failing(ValueError("odd\nthing"))
    assert outcome.status == 1
    assert outcome.err.splitlines() == [
        "error: ValueError: odd",
        "hint: this should not happen; run again with --debug to see where: mtkit --debug preprocess 'a recipe.yaml'",
    ]
    assert failing(MemoryError()).err.startswith("error: out of memory\n")


def test_full_disk_behind_stdout_is_not_an_internal_error(failing):
    outcome = failing(OSError(errno.ENOSPC, "No space left on device"))
    assert (outcome.status, outcome.err.splitlines()) == (
        1,
        [
            "error: the output cannot be written: [Errno 28] No space left on device",
            "hint: free some disk space, or choose another disk",
        ],
    )


def test_interruption_reports_what_was_kept(failing):
    assert failing(KeyboardInterrupt("kept: step 20")) == (130, "", "interrupted: kept: step 20\n")
    assert failing(KeyboardInterrupt()) == (130, "", "interrupted\n")


def test_sigterm_and_ctrl_c_are_distinguished(failing):
    assert failing(Terminated()).status == 143
    kept = KeyboardInterrupt("kept")
    kept.__context__ = Terminated()
    assert failing(kept) == (143, "", "interrupted: kept\n")


@pytest.mark.parametrize(
    ("raised", "message", "hint"),
    [
        (
            OSError(errno.ENAMETOOLONG, "File name too long", "aaa"),
            "error: `aaa`: file name too long",
            "take a shorter name",
        ),
        (
            OSError(errno.ELOOP, "Too many levels of symbolic links", "loop"),
            "error: `loop`: too many levels of symbolic links",
            "a symbolic link",
        ),
        (
            OSError(errno.EIO, "Input/output error"),
            "error: input/output error",
            "the disk or the connection",
        ),
        (
            OSError(errno.ENOTDIR, "Not a directory", "a/b"),
            "error: `a/b`: not a directory",
            "check the path",
        ),
    ],
)
def test_os_errors_are_not_internal_errors(failing, raised, message, hint):
    outcome = failing(raised)
    assert outcome.status == 1
    error, how = outcome.err.splitlines()
    assert error == message
    assert how.startswith(f"hint: {hint}")


def test_closed_pipe_is_not_an_error(failing, tmp_path):
    outcome = failing(BrokenPipeError())
    assert (outcome.status, outcome.err) == (141, "")
    for args in (
        ["--help"],
        ["train", "--help"],
        ["init", "tiny", str(tmp_path), "--src-lang", "de", "--tgt-lang", "en"],
    ):
        with subprocess.Popen(
            [sys.executable, "-m", "mtkit", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == 141


def wait_until_it_waits(pid):
    """Until a process sleeps and has taken no processor time for half a second: it has started, and
    waits for stdin.
    """
    before = None
    for _ in range(100):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        now = (fields[0], fields[11:13])
        if now == before and now[0] == "S":
            return
        before = now
        time.sleep(0.5)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals(tmp_path, number, status):
    (tmp_path / "reference").write_text("a\n")
    command = [sys.executable, "-m", "mtkit", "evaluate", "-", "-r", str(tmp_path / "reference")]
    # A shell has the programs that it starts in the background ignore SIGINT.
    heeding = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heeding,
    ) as process:
        wait_until_it_waits(process.pid)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (status, b"", b"interrupted\n")
