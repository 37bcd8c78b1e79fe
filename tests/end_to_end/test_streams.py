"""Commands with standard streams that are closed, full, piped or given by another name: they work,
or one line says why not.
"""

import os
import shlex
import subprocess
import sys

import pytest

from tests.conftest import fixture_lines
from tests.programs import Program

CLOSED_OUT = (
    "error: stdout is closed, so it cannot be written\nhint: redirect it, for example to /dev/null"
)
CLOSED_IN = "error: stdin is closed, so it cannot be read\nhint: give a file instead of -"


@pytest.fixture
def shell(tmp_path, tiny_run):
    """Runs a command of mtkit by bash, in a folder with a text and its translation; MODEL and RUN
    are replaced.
    """
    for lang in ("ko", "en"):
        (tmp_path / f"text.{lang}").write_text(
            "".join(f"{line}\n" for line in fixture_lines(f"ko_en.{lang}")[:3]), encoding="utf-8"
        )

    def run(command):
        command = command.replace("MODEL", shlex.quote(str(tiny_run / "model"))).replace(
            "RUN", shlex.quote(str(tiny_run))
        )
        command = command.replace("mtkit", f"{shlex.quote(sys.executable)} -m mtkit")
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(
            ["bash", "-c", command],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    ("command", "message"),
    [
        pytest.param("translate text.ko -m MODEL >&-", CLOSED_OUT, marks=pytest.mark.slow),
        pytest.param("score text.ko text.en -m MODEL >&-", CLOSED_OUT, marks=pytest.mark.slow),
        ("evaluate text.en -r text.en >&-", CLOSED_OUT),
        pytest.param("average RUN -o averaged >&-", CLOSED_OUT, marks=pytest.mark.slow),
        pytest.param("translate - -m MODEL <&-", CLOSED_IN, marks=pytest.mark.slow),
        pytest.param("score - text.en -m MODEL <&-", CLOSED_IN, marks=pytest.mark.slow),
        ("evaluate - -r text.en <&-", CLOSED_IN),
        (
            "evaluate text.en -r text.en > /dev/full",
            "error: the output cannot be written: [Errno 28] No space left on device",
        ),
        pytest.param(
            "translate text.ko -m MODEL -o /dev/full",
            "error: `/dev/full`: cannot be written: no space left on device",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_unreadable_or_unwritable_stream_is_one_line(shell, command, message):
    outcome = shell(f"mtkit {command}")
    assert outcome.returncode == 1
    assert message in outcome.stderr
    assert "Traceback" not in outcome.stderr and "should not happen" not in outcome.stderr


def test_translation_without_stdout_is_one_line(shell, tiny_run, tmp_path):
    program = Program(["translate", "text.ko", "-m", tiny_run / "model"], tmp_path, closed=[1])
    outcome = program.wait()
    assert outcome.status == 1
    assert CLOSED_OUT in outcome.err
    assert "Traceback" not in outcome.err and "should not happen" not in outcome.err


def test_unused_closed_streams_do_not_matter(mtkit, shell, tiny_run, tmp_path):
    expected = mtkit("translate", tmp_path / "text.ko", "-m", tiny_run / "model").out
    assert expected.count("\n") == 3
    outcome = shell("mtkit translate text.ko -m MODEL -o out.en <&- >&- 2>&-")
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")
    assert (tmp_path / "out.en").read_text() == expected
    command = ["translate", "text.ko", "-m", tiny_run / "model"]
    assert Program(command, tmp_path, closed=[2]).wait()[:2] == (0, expected)


@pytest.mark.slow
def test_pipes_and_devices_by_name(shell):
    expected = shell("mtkit translate text.ko -m MODEL").stdout
    for command in (
        "mtkit translate text.ko -m MODEL -o /dev/stdout | cat",
        "cat text.ko | mtkit translate /dev/stdin -m MODEL",
        "mtkit translate <(cat text.ko) -m MODEL -o >(cat)",
        "mtkit translate - -m MODEL < text.ko",
    ):
        outcome = shell(f"{command}; wait")
        assert outcome.stdout == expected, (command, outcome.stderr)


@pytest.mark.slow
def test_a_reader_that_leaves_ends_the_command_silently(shell):
    outcome = shell(
        "mtkit translate text.ko -m MODEL --chunk-lines 1 2>errors | head -1; cat errors >&2; exit ${PIPESTATUS[0]}"
    )
    assert outcome.stdout.count("\n") == 1
    assert "error" not in outcome.stderr
