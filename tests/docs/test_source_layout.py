"""The page about the source layout: it lists every package, and the files it names exist."""

from pathlib import Path

import mtkit as package
from tests.pages import ROOT, code_spans, read_page, table_rows

ROWS = table_rows(read_page("docs/concepts/source-layout.md"))
PACKAGE_DIR = Path(package.__file__).parent


def test_every_package_is_listed_with_files_that_exist():
    listed = {
        code_spans(row[0])[0]: code_spans(row[2]) for row in ROWS if len(row) == 3 and "`" in row[0]
    }
    packages = {
        f"{path.parent.relative_to(PACKAGE_DIR)}/" for path in PACKAGE_DIR.rglob("__init__.py")
    }
    assert listed.keys() == packages - {"./"}
    files = [PACKAGE_DIR / name / file for name, names in listed.items() for file in names]
    assert len(files) >= len(listed)
    assert [path for path in files if not path.exists()] == []


def test_every_top_level_directory_is_listed():
    listed = {code_spans(row[0])[0] for row in ROWS if len(row) == 2 and "`" in row[0]}
    assert all((ROOT / name).is_dir() for name in listed)
    with_python = {
        f"{path.parent.name}/" for path in ROOT.glob("[a-z]*/*.py") if path.parent.name != "mtkit"
    }
    assert with_python <= listed
