"""The guide "Changing the model": its edits fit the code, and its programs print what it says."""

import shutil
import textwrap

import pytest

from tests.pages import ROOT, blocks, read_page
from tests.programs import Forked, run_code

PAGE = read_page("docs/guides/changing-the-model.md")
EDITS, PROGRAMS, OUTPUTS = blocks(PAGE, "diff"), blocks(PAGE, "python"), blocks(PAGE, "text")


@pytest.fixture
def package(tmp_path):
    """A copy of the package that may be changed."""
    shutil.copytree(
        ROOT / "mtkit", tmp_path / "mtkit", ignore=shutil.ignore_patterns("__pycache__", "*.xz")
    )
    return tmp_path


def apply_edit(package, edit):
    header, *lines = edit.splitlines()
    path = package / header.removeprefix("--- ")
    before, after = (
        "\n".join(line[1:] for line in lines if line[:1] in (" ", sign)) for sign in "-+"
    )
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, header
    path.write_text(text.replace(before, after), encoding="utf-8")


def run(package, program):
    """What a program prints that imports the changed package."""
    use_copy = """
        import sys
        for name in [name for name in sys.modules if name.partition(".")[0] == "mtkit"]:
            del sys.modules[name]
        sys.path.insert(0, "")
    """
    outcome = Forked(run_code, (textwrap.dedent(use_copy) + program,), package).wait()
    assert outcome.status == 0, outcome.err
    return outcome.out


def test_each_step_of_the_guide(package):
    *geglu, unknown = EDITS
    assert len(geglu) == 3
    for edit in geglu:
        apply_edit(package, edit)
    program = "\n".join(PROGRAMS)
    plain, other = OUTPUTS
    assert run(package, program).split() == plain.split()
    apply_edit(package, unknown)
    assert run(package, program).split() == other.split()
