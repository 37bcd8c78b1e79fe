"""Texts are plain technical English: a list of words and constructions that are not."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import ROOT

AVOIDED = {
    r"\b(it|that|this|which|value|file|`) (is|are|was) no [A-Z`]": "is not a ...",
    r"(?<!there )(?<!There )\bis no (JSON|YAML|number|file|directory|folder|text|such|model|valid|length|longer a)\b": (
        "is not a ..."
    ),
    r"\bshall\b": "must, will, or the imperative",
    r"\b(is|are|be|was|were) told\b|\btold (apart|by|of|to|what|that)\b": "reported, passed, given",
    r"\bso many\b(?! that)": "n, this many",
    r"\banew\b": "again, from scratch",
    r"\b(somebody|whoever|nobody)\b": "the user, a process, no one process",
    r"\b(goes|go|going|went|gone) on\b(?! the)": "continue, resume",
    r"\bmend(s|ed|ing)?\b": "fix, repair",
    r"\broom for\b": "space for",
    r"\bbeside(s)?\b": "next to, besides -> in addition to",
    r"\bfor want of\b|\bof no use\b|\bby heart\b(?!')": "plain words",
    r"\bnumber format(s)?\b": "precision",
    r"\bwords that belong together\b": "word alignment",
    r"\bfolders?\b(?!:)": "directory",
    r"\bhave to be had\b|\bcan be had\b": "available",
    r"\bhark\b|\bthereof\b|\bwhereof\b|\bwherein\b|\bhereby\b|\bthither\b": "plain words",
}
HEADS = {
    r"^Of (?!course)": "name the thing",
    r"^What (is|are|was|were|a|an|the|it|its|has|can|to|must|needs|one|to)\b": "a noun or a verb",
    r"^How (much|many|long|far|well|good|fast|to)\b": "a noun or a verb",
    r"^Which\b": "a noun or a verb",
    r"^Where\b": "a noun or a verb",
    r"^There (is|are)\b": "a noun or a verb",
}
"""The last two lists are of beginnings of docstrings."""
EXEMPT = {"mtkit/cli/common/other_toolkits.py"}


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Docstrings, and the strings below fields."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for child in body if isinstance(body, list) else ():
            value = child.value if isinstance(child, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield child.lineno, value.value


def texts_of_module(path: Path) -> Iterator[tuple[int, str]]:
    """Docstrings, comments and strings of several words."""
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def prose_of_page(path: Path) -> Iterator[tuple[int, str]]:
    """Lines outside code."""
    is_code = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            is_code = not is_code
        elif not is_code:
            yield number, re.sub(r"`[^`]*`|\]\([^)]*\)", "``", line)


def finds(texts: Iterator[tuple[int, str]], avoided: dict[str, str], name: str) -> list[str]:
    return [
        f"{name}:{line}: {match[0]!r} ({instead})"
        for line, text in texts
        for pattern, instead in avoided.items()
        for match in re.finditer(pattern, text)
    ]


MODULES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "mtkit").rglob("*.py"))
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in [
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("*.md"),
        *ROOT.glob("recipes/README.md"),
        *ROOT.glob("recipes/*/README.md"),
    ]
    if "ko" not in path.relative_to(ROOT).parts
)


@pytest.mark.parametrize("name", sorted({str(Path(name).parent) for name in MODULES}))
def test_modules_read_as_plain_english(name):
    found = []
    for module in MODULES:
        if str(Path(module).parent) == name and module not in EXEMPT:
            path = ROOT / module
            found += finds(texts_of_module(path), AVOIDED, module)
            found += finds(docstrings(ast.parse(path.read_text(encoding="utf-8"))), HEADS, module)
    assert found == []


@pytest.mark.parametrize("name", PAGES)
def test_pages_read_as_plain_english(name):
    assert finds(prose_of_page(ROOT / name), AVOIDED, name) == []
