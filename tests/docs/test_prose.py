"""The form of the pages: prose has lines of at most 100 columns, and headings are found by links."""

import re
import unicodedata

import pytest

from tests.pages import ROOT

MAX_WIDTH = 100
PAGES = [
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("[a-z]*/**/*.md"))
    if "reference" not in path.parts and path.name != "CHANGELOG.md"
]


def width(line):
    """Columns of a line on a terminal: wide characters, such as Hangul, take two."""
    return sum(
        2 if unicodedata.east_asian_width(char) in "WF" else not unicodedata.combining(char)
        for char in line
    )


def prose(text):
    """The lines outside tables and code blocks."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [line for line in text.splitlines() if not line.lstrip().startswith("|")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_of_prose_are_short(page):
    lines = prose(page.read_text(encoding="utf-8"))
    assert [line for line in lines if width(line) > MAX_WIDTH] == []


def test_a_long_line_would_be_noticed():
    assert width("나는 학교에") == 11
    assert prose("a\n```\nb\n```\n| c |\nd") == ["a", "", "d"]
