"""The page about the pipeline: its files exist, and its reading lists are what the commands run."""

import re
import sys
import threading
from pathlib import Path

import pytest

import mtkit as package
from tests.documents import code_spans, read_page, table_rows

PAGE = read_page("docs/concepts/pipeline.md")
PACKAGE_DIR = Path(package.__file__).parent


def reading_list(command):
    """The files of a list in order, and the directories below it whose files need not be read."""
    text = re.split(r"^### ", PAGE, flags=re.MULTILINE)
    [section] = [part for part in text if part.startswith(f"What `mtkit {command} ")]
    files = [code_spans(row[1])[0] for row in table_rows(section) if row[0].isdecimal()]
    below = section.rpartition("|\n")[2]
    return files, tuple(span for span in code_spans(below) if span.endswith("/"))


@pytest.fixture
def executed():
    """The files of the package in which a function is called, until the test ends."""
    files = set()

    def profile(frame, event, _):
        # Class bodies and modules are no functions: they run whenever a file is imported.
        if event == "call" and frame.f_code.co_flags & 0x2:
            files.add(frame.f_code.co_filename)

    def relative():
        paths = (Path(name) for name in files)
        return {
            str(path.relative_to(PACKAGE_DIR)) for path in paths if path.is_relative_to(PACKAGE_DIR)
        }

    before = sys.getprofile()
    threading.setprofile(profile)
    sys.setprofile(profile)
    yield relative
    sys.setprofile(before)
    threading.setprofile(None)


def check_list(command, used):
    files, other = reading_list(command)
    assert len(files) == len(set(files)) <= 31
    assert [file for file in files if file not in used] == []
    assert [file for file in sorted(used) if not file.startswith((*files, *other))] == []


def test_files_and_packages_exist():
    text = re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    paths = {span for span in code_spans(text) if re.fullmatch(r"[a-z_0-9/]+(\.py|/)", span)}
    assert len(paths) > 40
    missing = [path for path in paths - {"tokenizer/"} if not (PACKAGE_DIR / path).exists()]
    assert [path for path in missing if not path.startswith("work/")] == []


def test_what_translate_runs(mtkit, tiny_run, own_files, executed):
    outcome = mtkit(
        "translate", "train.ko", "-m", tiny_run / "model", "-o", "new.en", "--beam-size=2"
    )
    assert outcome.status == 0, outcome.err
    check_list("translate", executed())


def test_what_train_runs(mtkit, own_files, executed):
    outcome = mtkit("train", "tiny.yaml", "--set", "training.max_steps=2")
    assert outcome.status == 0, outcome.err
    check_list("train", executed())
