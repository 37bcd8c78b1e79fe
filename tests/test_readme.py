"""What the README says: its commands run, its options exist, its tree and its links are there."""

import re
import shlex
from pathlib import Path

import pytest

import mtkit as package
from mtkit.cli.common.errors import EXIT_STATUSES
from tests.documents import (
    KNOWN,
    ROOT,
    blocks,
    check_options,
    code_spans,
    command_of,
    console_commands,
    follow,
    read_page,
    run_command,
    shorten,
    table_rows,
)

README = read_page("README.md")
SECTION = "Train on your own two files"


def section(title):
    return re.split(r"^## ", README, flags=re.MULTILINE)[
        [*re.findall(r"^## (.+)$", README, re.MULTILINE)].index(title) + 1
    ]


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


@pytest.mark.parametrize(
    "call", sorted(set(re.findall(r"mtkit [a-z].*", "\n".join(blocks(README, "", "console")))))
)
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
    tree = next(
        block for block in blocks(section("Where the parts live"), "") if block.startswith("mtkit/")
    )
    package_dir = Path(package.__file__).parent
    listed = set(re.findall(r"^  ([\w.]+/?) ", tree, re.MULTILINE))
    there = {
        path.name + "/" * path.is_dir()
        for path in package_dir.iterdir()
        if path.name not in ("__pycache__", "__main__.py")
    }
    assert listed == there
    assert all((ROOT / name).is_dir() for name in re.findall(r"^(\w+)/ ", tree, re.MULTILINE))
    for folder, text in re.findall(r"^  (\w+)/ +(.+)$", tree, re.MULTILINE):
        names = {part.strip().split(" ")[0] for part in re.sub(r"\([^)]*\)", "", text).split(";")}
        missing = [
            name
            for name in names
            if re.fullmatch("[a-z_]+", name) and not (package_dir / folder / f"{name}.py").exists()
        ]
        # The descriptions of cli/ and config/ also speak in sentences.
        assert folder in ("cli", "config") or not missing, f"{folder}/: {missing}"


def test_links_lead_somewhere():
    targets = [
        target.partition("#")[0]
        for target in re.findall(r"\]\(([^)\s]+)\)", README)
        if "://" not in target
    ]
    assert [target for target in targets if target and not (ROOT / target).exists()] == []


def test_own_two_files(mtkit, own_files):
    """The section's commands, and then the lines from Python, on 180 pairs and with few steps."""
    commands = console_commands(section(SECTION))
    called = {
        command_of(shlex.split(command)[1:]) for command in commands if command.startswith("mtkit ")
    }
    assert {"init", "train", "average", "translate", "evaluate"} <= called
    outputs = follow(mtkit, commands, own_files)
    assert [
        out[:5] for command, out in outputs.items() if command.startswith("mtkit evaluate")
    ] == ["BLEU "]
    assert (own_files / "new.en").read_text(encoding="utf-8").count("\n") == 3
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
    assert console_commands(
        "```console\n$ mtkit a \\\n  b\nout\n$ make demo\n```\n```\n$ mtkit c\n```\n"
    ) == ["mtkit a    b"]
