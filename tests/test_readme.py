"""What the READMEs say: their commands run, their options exist, their links lead somewhere, and
both languages agree.
"""

import re
import shlex

import pytest

from mtkit.cli.common.errors import EXIT_STATUSES
from tests.pages import (
    KNOWN,
    ROOT,
    blocks,
    check_options,
    code_spans,
    command_of,
    console_commands,
    follow,
    mtkit_calls,
    read_page,
    run_command,
    table_rows,
)

READMES = {name: read_page(name) for name in ("README.md", "README.ko.md")}
README = READMES["README.md"]


def commands_in_table(text):
    """The words after `mtkit` of each call in the second column; a call without `mtkit` is one of
    the same group as the call before it.
    """
    calls = []
    for row in table_rows(text):
        for span in code_spans(row[1]) if len(row) == 3 else []:
            words = shlex.split(span)
            if words[0] == "mtkit":
                calls.append(words[1:])
            elif words[0] != "import":
                calls.append([calls[-1][0], *words])
    return calls


@pytest.mark.parametrize("name", READMES)
def test_the_table_lists_every_command_with_options_that_exist(name):
    calls = commands_in_table(READMES[name])
    for words in calls:
        check_options(command_of(words), words)
    assert {command_of(words) for words in calls} == set(KNOWN)


@pytest.mark.parametrize("name", READMES)
def test_every_call_in_a_block_has_options_that_exist(name):
    for words in mtkit_calls(READMES[name]):
        check_options(command_of(words), words)


@pytest.mark.parametrize("name", READMES)
def test_links_lead_somewhere(name):
    targets = [
        target.partition("#")[0]
        for target in re.findall(r"\]\(([^)\s]+)\)", READMES[name])
        if "://" not in target
    ]
    assert [target for target in targets if target and not (ROOT / target).exists()] == []


def test_both_languages_have_the_same_commands_code_and_figures():
    english, korean = READMES.values()
    assert commands_in_table(english) == commands_in_table(korean)
    without_comments = [
        [re.sub(" +# .*", "", block) for block in blocks(text, "", "console", "python")]
        for text in (english, korean)
    ]
    assert without_comments[0] == without_comments[1]
    figures = [re.findall(r"\| (\d+\.\d) .*?\| (\d+)", text) for text in (english, korean)]
    assert figures[0] == figures[1] != []


def test_the_result_of_the_demo_is_that_of_the_quick_start():
    session = read_page("docs/guides/quick-start.md")
    for text in READMES.values():
        [shown] = [block for block in blocks(text, "") if "mtkit evaluate" in block]
        assert [line for line in shown.splitlines() if line not in session] == []


def test_the_reference_has_every_command_and_exit_status():
    reference = read_page("docs/reference/commands.md")
    assert set(re.findall(r"^## mtkit (.+)$", reference, re.MULTILINE)) == set(KNOWN)
    assert {
        int(status) for status in re.findall(r"^ {4,6}(\d+)  \w", reference, re.MULTILINE)
    } == EXIT_STATUSES.keys()


def test_own_data(mtkit, own_files):
    """The five commands, and then the lines from Python, on 180 pairs and with few steps."""
    commands = console_commands(README)
    called = [command_of(shlex.split(command)[1:]) for command in commands]
    assert called == ["data check", "init", "train", "translate", "evaluate"]
    outputs = follow(mtkit, commands, own_files)
    assert [
        out[:5] for command, out in outputs.items() if command.startswith("mtkit evaluate")
    ] == ["BLEU "]
    assert (own_files / "new.en").read_text(encoding="utf-8").count("\n") == 3
    [code] = blocks(README, "python")
    exec(compile(code, "README.md", "exec"), {})


def test_wrong_commands_are_detected(mtkit, tmp_path):
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
    assert commands_in_table("| see | `mtkit data check A -x`, `clean B` | p |") == [
        ["data", "check", "A", "-x"],
        ["data", "clean", "B"],
    ]
