"""What the README says: its commands run, its options exist, its tree and its links are there."""

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

import mtkit as package
from mtkit.cli.errors import EXIT_STATUSES
from mtkit.cli.main import GLOBAL_FLAGS, app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = "Train on your own two files"
NEEDS_A_NETWORK = ("make", "git clone", "pip install", ". .venv")
N_STEPS = 4


def section(title):
    return re.split(r"^## ", README, flags=re.MULTILINE)[[*re.findall(r"^## (.+)$", README, re.MULTILINE)].index(title) + 1]


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


def table_rows(text):
    """The cells of each row below a table's head."""
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines() if line.startswith("|")]
    return [row for row in rows if not set("".join(row)) <= set("-: ")]


def code_spans(cell):
    return [span.replace("\\|", "|") for span in re.findall("`([^`]+)`", cell)]


def known_commands() -> dict[str, Any]:
    """Every command of the command line by its name, such as `tokenizer train`."""

    def walk(group: Any, way: str) -> dict[str, Any]:
        found = {}
        for name, command in group.commands.items():
            found |= walk(command, f"{way}{name} ") if hasattr(command, "commands") else {f"{way}{name}": command}
        return found

    return walk(typer.main.get_command(app), "")


KNOWN = known_commands()


def command_of(words):
    """The name of the command that is called with these words after `mtkit`; fails if there is none."""
    name = " ".join(words[:2]) if " ".join(words[:2]) in KNOWN else words[0]
    assert name in KNOWN, f"no such command: mtkit {name}"
    return name


def check_options(name, words):
    options = {option for parameter in KNOWN[name].params for option in (*parameter.opts, *parameter.secondary_opts) if option.startswith("-")}
    for word in words:
        if re.match(r"--?[a-z]", word):
            assert word.partition("=")[0] in options | {"--help", *GLOBAL_FLAGS}, f"mtkit {name} has no option {word}"


def test_the_table_lists_every_command_with_options_that_exist():
    listed = set()
    for first, *_, last in table_rows(section("Commands")):
        if not first.startswith("`mtkit "):
            continue
        calls = [shlex.split(call.replace("[", "").replace("]", "")) for call in code_spans(first)]
        group = calls[0][1:-1] if len(calls) > 1 else []
        names = [command_of(call[1:] if call[0] == "mtkit" else [*group, *call]) for call in calls]
        listed.update(names)
        for name in names:
            check_options(name, [word for call in calls for word in call])
            # Options of a row with two commands are those of both.
            check_options(name, [word for span in code_spans(last) for word in span.split()])
    assert listed == set(KNOWN)


@pytest.mark.parametrize("call", sorted(set(re.findall(r"mtkit [a-z].*", "\n".join(blocks(README, "", "console"))))))
def test_every_call_in_a_block_has_options_that_exist(call):
    words = shlex.split(call.partition(" #")[0])[1:]
    check_options(command_of(words), words)


def test_the_reference_has_every_command():
    reference = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## mtkit (.+)$", reference, re.MULTILINE)) == set(KNOWN)


def test_the_exit_statuses():
    rows = table_rows(section("Commands"))
    assert {int(row[0]) for row in rows if row[0].isdecimal()} == EXIT_STATUSES.keys()


def test_the_tree_is_the_tree():
    tree = next(block for block in blocks(section("Where the parts live"), "") if block.startswith("mtkit/"))
    package_dir = Path(package.__file__).parent
    listed = set(re.findall(r"^  ([\w.]+/?) ", tree, re.MULTILINE))
    there = {path.name + "/" * path.is_dir() for path in package_dir.iterdir() if path.name not in ("__pycache__", "__main__.py")}
    assert listed == there
    assert all((ROOT / name).is_dir() for name in re.findall(r"^(\w+)/ ", tree, re.MULTILINE))
    for folder, text in re.findall(r"^  (\w+)/ +(.+)$", tree, re.MULTILINE):
        names = {part.strip().split(" ")[0] for part in re.sub(r"\([^)]*\)", "", text).split(";")}
        missing = [name for name in names if re.fullmatch("[a-z_]+", name) and not (package_dir / folder / f"{name}.py").exists()]
        # The descriptions of cli/ and config/ also speak in sentences.
        assert folder in ("cli", "config") or not missing, f"{folder}/: {missing}"


def test_links_lead_somewhere():
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", README) if "://" not in target]
    assert [target for target in targets if target and not (ROOT / target).exists()] == []


def shorten(command):
    return re.sub(r"training\.max_steps=\d+", f"training.max_steps={N_STEPS}", command)


def run_command(mtkit, command, folder):
    """Run one line: in this process where it is a plain call of mtkit, else in a shell that knows mtkit."""
    words = shlex.split(command)
    if words[0] == "mtkit" and not set("|<>;&$`") & set(command):
        outcome = mtkit(*words[1:])
        return outcome.status, outcome.out, outcome.err
    shim = folder / ".bin" / "mtkit"
    shim.parent.mkdir(exist_ok=True)
    shim.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m mtkit "$@"\n')
    shim.chmod(0o755)
    env = {**os.environ, "PATH": f"{shim.parent}{os.pathsep}{os.environ['PATH']}"}
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("a command of the README needs a shell")
    done = subprocess.run([bash, "-o", "pipefail", "-c", command], cwd=folder, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_own_two_files(mtkit, tiny_recipe_path, monkeypatch):
    """The section's commands, and then the lines from Python, on 180 pairs and with few steps."""
    folder = tiny_recipe_path.parent
    monkeypatch.chdir(folder)
    for side in ("ko", "en"):
        (folder / f"validation.{side}").rename(folder / f"valid.{side}")
    (folder / "new.ko").write_text("나는 학교에 간다.\n\n물\n", encoding="utf-8")
    commands = console_commands(section(SECTION))
    called = {command_of(shlex.split(command)[1:]) for command in commands if command.startswith("mtkit ")}
    assert {"init", "train", "average", "translate", "evaluate"} <= called
    for command in commands:
        status, out, err = run_command(mtkit, shorten(command), folder)
        assert status == 0, f"{command}\n{err}"
        if command.startswith("mtkit init"):
            recipe = next(folder.glob("*/recipe.yaml"))
            text, n_changed = re.subn(r"(?m)^( *vocab_size:) \d+", r"\1 900", recipe.read_text(encoding="utf-8"))
            assert n_changed == 1
            recipe.write_text(text, encoding="utf-8")
        if command.startswith("mtkit evaluate"):
            assert out.startswith("BLEU ")
    assert (folder / "new.en").read_text(encoding="utf-8").count("\n") == 3
    [code] = blocks(section("From Python"), "python")
    exec(compile(shorten(code), "README.md", "exec"), {})


def test_commands_that_are_wrong_are_found_out(mtkit, tmp_path):
    """That the tests above would notice."""
    assert run_command(mtkit, "mtkit translate nowhere.ko -m nowhere", tmp_path)[0] == 1
    assert run_command(mtkit, "echo x | mtkit trian -", tmp_path)[0] == 2
    with pytest.raises(AssertionError, match="no such command"):
        command_of(["trian", "x"])
    with pytest.raises(AssertionError, match="no option --fast"):
        check_options("train", ["--fast"])
    assert console_commands("```console\n$ mtkit a \\\n  b\nout\n$ make demo\n```\n```\n$ mtkit c\n```\n") == ["mtkit a    b"]
