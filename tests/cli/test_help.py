"""The help of every command: layout, options in groups, and examples that are right."""

import inspect
import re
import shlex

import pytest
import typer

from mtkit.cli.common.command_line import all_commands
from mtkit.cli.main import SUMMARIES, app

ROOT = typer.main.get_command(app)
PAGES = {
    "mtkit": ROOT,
    **{f"mtkit {name}": ROOT.commands[name] for name in ("data", "tokenizer", "export")},  # pyright: ignore[reportAttributeAccessIssue]
    **dict(all_commands(ROOT, "mtkit")),
}


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def page(request, mtkit):
    outcome = mtkit(*request.param.split()[1:], "--help")
    assert (outcome.status, outcome.err) == (0, "")
    return outcome.out


def sections(page):
    """Titles and lines of a page."""
    found = {"": []}
    for line in page.splitlines():
        if re.fullmatch(r"\S.*:", line) and not line.startswith("Usage"):
            found[line[:-1]] = []
        else:
            list(found.values())[-1].append(line)
    return found


@pytest.mark.parametrize("page", PAGES, indirect=True)
def test_a_page_fits_80_columns_and_names_no_types(page):
    assert max(map(len, page.splitlines())) <= 80
    for text in (
        "<int",
        "<float",
        "<path",
        "<str",
        "list[",
        " range>",
        "{RECIPE}",
        "x>=",
        "[default: (",
    ):
        assert text not in page


@pytest.mark.parametrize("name", PAGES)
def test_dash_h_is_help(mtkit, name):
    words = name.split()[1:]
    assert mtkit(*words, "-h") == mtkit(*words, "--help")


@pytest.mark.parametrize("name", PAGES)
def test_every_example_can_be_typed(name):
    examples = PAGES[name].examples
    assert examples
    for line in examples:
        assert len(line) <= 78
        for call in line.split(" | "):
            words = shlex.split(call.partition(" < ")[0])
            if words[0] != "mtkit":
                assert words[0] == "echo"
                continue
            assert f"mtkit {words[1]}" in name or " " not in name or name.split()[1] in words
            command = ROOT
            while hasattr(command, "commands"):
                words.pop(0)
                command = command.commands[words[0]]  # pyright: ignore
            command.make_context(words[0], words[1:]).close()


@pytest.mark.parametrize(
    "page",
    [name for name, command in PAGES.items() if not hasattr(command, "commands")],
    indirect=True,
)
def test_options_are_in_short_groups(page):
    for title, lines in sections(page).items():
        if title not in ("", "Examples", "Arguments"):
            assert sum(line.startswith("  -") for line in lines) <= 13, title


def test_translate_has_its_groups_and_examples_last(mtkit):
    titles = list(sections(mtkit("translate", "--help").out))
    assert titles[1:4] == ["Arguments", "Options", "Input and output"]
    assert {
        "Tags, prefixes and constraints",
        "Devices and speed",
        "Search (defaults: those of the model)",
    } < set(titles)
    assert titles[-1] == "Examples"


def test_the_usage_names_arguments_and_required_options(mtkit):
    for command, usage in {
        "train": "mtkit train RECIPE [OPTIONS]",
        "average": "mtkit average RUN -o DIR [OPTIONS]",
        "translate": "mtkit translate FILE -m DIR [OPTIONS]",
        "evaluate": "mtkit evaluate [FILE] -r FILE [OPTIONS]",
        "data": "mtkit data COMMAND [OPTIONS]",
    }.items():
        assert mtkit(command, "-h").out.splitlines()[0] == f"Usage: {usage}"


def test_commands_are_listed_in_the_order_of_use_with_whole_summaries(mtkit):
    lines = sections(mtkit("--help").out)["Commands"]
    names = [line.split()[0] for line in lines if re.match(r"  \S", line)]
    assert names[:6] == ["demo", "data", "init", "tokenizer", "preprocess", "train"]
    assert set(names) == set(ROOT.commands)  # pyright: ignore
    text = " ".join(" ".join(lines).split())
    assert "..." not in text
    for name in names:
        summary = inspect.cleandoc(ROOT.commands[name].help).partition("\n\n")[0]  # pyright: ignore
        assert f"{name} {' '.join(summary.split())}" in text
        assert SUMMARIES[name] == " ".join(summary.split())


def test_search_options_name_options_and_not_keys(mtkit):
    page = mtkit("translate", "--help").out
    assert "With --sampling: " in page
    assert not re.search(r"\b(beam_size|max_length_ratio|max_length_extra|n_groups)\b", page)
