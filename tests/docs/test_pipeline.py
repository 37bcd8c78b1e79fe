"""The page about the pipeline: its files exist, and its reading lists are what the commands run."""

import ast
import re
import sys
import threading
from pathlib import Path

import pytest

import mtkit as package
from tests.pages import code_spans, read_page, table_rows

PAGE = read_page("docs/concepts/pipeline.md")
PACKAGE_DIR = Path(package.__file__).parent
MAX_FILES, MAX_LINES = 30, 3_500


def reading_list(command):
    """The files of a list in order, and the directories below it whose files need not be read."""
    text = re.split(r"^### ", PAGE, flags=re.MULTILINE)
    [section] = [part for part in text if part.startswith(f"What `mtkit {command} ")]
    files = [code_spans(row[1])[0] for row in table_rows(section) if row[0].isdecimal()]
    below = section.rpartition("|\n")[2]
    return files, tuple(span for span in code_spans(below) if span.endswith("/"))


@pytest.fixture
def executed():
    """The functions of the package that are called until the test ends, by file: first lines."""
    codes = set()

    def profile(frame, event, _):
        # Class bodies and modules are no functions: they run whenever a file is imported.
        if event == "call" and frame.f_code.co_flags & 0x2:
            codes.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))

    def by_file():
        found = {}
        for name, line in tuple(codes):
            if (path := Path(name)).is_relative_to(PACKAGE_DIR):
                found.setdefault(str(path.relative_to(PACKAGE_DIR)), set()).add(line)
        return found

    before = sys.getprofile()
    threading.setprofile(profile)
    sys.setprofile(profile)
    yield by_file
    sys.setprofile(before)
    threading.setprofile(None)


def n_lines(file, first_lines):
    """The number of lines of the functions that begin there, with their docstrings."""
    lines = set()
    for node in ast.walk(ast.parse((PACKAGE_DIR / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min(item.lineno for item in (node, *node.decorator_list))
            if first_lines & {first, node.lineno}:
                lines |= set(range(first, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def check_list(command, used):
    files, other = reading_list(command)
    assert len(files) == len(set(files)) <= MAX_FILES
    assert [file for file in files if file not in used] == []
    assert [file for file in sorted(used) if not file.startswith((*files, *other))] == []
    assert 1000 < sum(n_lines(file, used[file]) for file in files) <= MAX_LINES


def test_files_and_packages_exist():
    text = re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    paths = {span for span in code_spans(text) if re.fullmatch(r"[a-z_0-9/]+(\.py|/)", span)}
    assert len(paths) > 40
    missing = [path for path in paths - {"tokenizer/"} if not (PACKAGE_DIR / path).exists()]
    assert [path for path in missing if not path.startswith("work/")] == []


def test_files_that_translate_runs(mtkit, tiny_run, own_files, executed):
    outcome = mtkit("translate", "train.ko", "-m", tiny_run / "model", "--beam-size=2")
    assert outcome.status == 0, outcome.err
    check_list("translate", executed())


def test_files_that_train_runs(mtkit, own_files, executed):
    outcome = mtkit("train", "tiny.yaml", "--set", "training.max_steps=2")
    assert outcome.status == 0, outcome.err
    check_list("train", executed())
