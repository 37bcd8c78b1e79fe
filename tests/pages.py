"""Reads the pages of the documentation for tests: their blocks, commands and tables.

Runs the commands as a reader would.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from mtkit.cli.main import GLOBAL_FLAGS, app

ROOT = Path(__file__).parent.parent
NEEDS_A_NETWORK = ("make", "git clone", "cd ", "pip install", ". .venv")
N_STEPS = 4
SIZES = {"vocab_size": 900, "max_steps": N_STEPS, "d_model": 32, "d_ff": 64}


def read_page(name):
    """A page by its path from the root of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text, *languages):
    """The fenced blocks in one of these languages, which may be empty."""
    found, language, lines = [], None, []
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            if language is None:
                language, lines = line.strip().removeprefix("```"), []
            else:
                found += ["\n".join(lines)] if language in languages else []
                language = None
        elif language is not None:
            lines.append(line)
    return found


def console_commands(text):
    """The lines after `$ ` in blocks marked console; the other lines there are output."""
    commands = []
    for block in blocks(text, "console"):
        commands += re.findall(r"^ *\$ (.+)$", block.replace("\\\n", " "), re.MULTILINE)
    return [command for command in commands if not command.startswith(NEEDS_A_NETWORK)]


def mtkit_calls(text):
    """The words after `mtkit` of every call in blocks that are not Python, in order."""
    calls = re.findall(r"(?m)(?:^|[$|] )mtkit ([a-z].*)", "\n".join(blocks(text, "", "console")))
    return [shlex.split(call.partition(" #")[0]) for call in calls]


def table_rows(text):
    """The cells of each row below a table's head."""
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    return [row for row in rows if not set("".join(row)) <= set("-: ")]


def code_spans(cell):
    return [span.replace("\\|", "|") for span in re.findall("`([^`]+)`", cell)]


def known_commands() -> dict[str, Any]:
    """Every command of the command line by its name, such as `tokenizer train`."""

    def walk(group: Any, way: str) -> dict[str, Any]:
        found = {}
        for name, command in group.commands.items():
            found |= (
                walk(command, f"{way}{name} ")
                if hasattr(command, "commands")
                else {f"{way}{name}": command}
            )
        return found

    return walk(typer.main.get_command(app), "")


KNOWN = known_commands()


def command_of(words):
    """The name of the command that is called with these words after `mtkit`; fails if there is
    none.
    """
    name = " ".join(words[:2]) if " ".join(words[:2]) in KNOWN else words[0]
    assert name in KNOWN, f"no such command: mtkit {name}"
    return name


def check_options(name, words):
    options = {
        option
        for parameter in KNOWN[name].params
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("-")
    }
    for word in words:
        if re.match(r"--?[a-z]", word):
            assert word.partition("=")[0] in options | {"--help", *GLOBAL_FLAGS}, (
                f"mtkit {name} has no option {word}"
            )


def shorten(command):
    return re.sub(r"training\.max_steps=\d+", f"training.max_steps={N_STEPS}", command)


def run_command(mtkit, command, folder):
    """Run one line: in this process where it is a plain call of mtkit, even one whose output goes
    to a file, else in a shell that knows mtkit.
    """
    call, redirection, file = command.partition(" > ")
    if call.startswith("mtkit ") and not set("|<>;&$`") & set(call + file):
        outcome = mtkit(*shlex.split(call)[1:])
        if not redirection:
            return outcome.status, outcome.out, outcome.err
        (folder / file).write_text(outcome.out, encoding="utf-8")
        return outcome.status, "", outcome.err
    shim = folder / ".bin" / "mtkit"
    shim.parent.mkdir(exist_ok=True)
    shim.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m mtkit "$@"\n')
    shim.chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{shim.parent}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("a command of the page needs a shell")
    done = subprocess.run(
        [bash, "-o", "pipefail", "-c", command],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def unrolled(command):
    """The commands that a loop of the shell, `for x in 1 2; do ...; done`, runs; another command as
    it is.
    """
    loop = re.fullmatch(r"for (\w+) in (.+?); do (.+); done", command)
    return (
        [loop[3].replace(f"${loop[1]}", value) for value in loop[2].split()] if loop else [command]
    )


def follow(mtkit, commands, folder):
    """Run commands one after the other, training a tiny model for a few steps, and fail with the
    first that fails. Give what each printed.
    """
    outputs = {}
    for command in commands:
        status, out, err = run_command(mtkit, shorten(command), folder)
        assert status == 0, f"{command}\n{err}"
        outputs[command] = out
        if command.startswith("mtkit init"):
            recipe = max(folder.glob("*/recipe.yaml"), key=lambda path: path.stat().st_mtime_ns)
            text = recipe.read_text(encoding="utf-8")
            assert not re.search("(?m)^search:", text)
            # A model that has learned nothing seldom predicts EOS.
            text += "search: {max_length_ratio: 0.5, max_length_extra: 4}\n"
            for key, value in SIZES.items():
                text, n_changed = re.subn(rf"(?m)^( *{key}:) \d+", rf"\1 {value}", text)
                assert n_changed == 1
            recipe.write_text(text, encoding="utf-8")
    return outputs
