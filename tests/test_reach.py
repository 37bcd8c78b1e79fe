"""How far imports reach: the number of modules, their direction, and circles."""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import mtkit
from tests.pages import read_page

PACKAGE_DIR = Path(mtkit.__file__).parent
MAX_MODULES = 60


def module_name(path):
    return ".".join(("mtkit", *path.relative_to(PACKAGE_DIR).with_suffix("").parts))


def imported_modules(path):
    """The names that a file imports from the package, within functions too, but not for types."""
    todo, names = [ast.parse(path.read_text(encoding="utf-8"))], set()
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        todo += ast.iter_child_nodes(node)
    return names


@pytest.fixture(scope="module")
def imports():
    """The modules that each module imports."""
    paths = [path for path in PACKAGE_DIR.rglob("*.py") if path.name != "__init__.py"]
    found = {module_name(path): imported_modules(path) for path in paths}
    return {module: names & found.keys() - {module} for module, names in found.items()}


def test_the_translator_loads_few_modules():
    code = "import sys, mtkit.translation.translator; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    files = [PACKAGE_DIR.parent / f"{name.replace('.', '/')}.py" for name in names]
    loaded = [path for path in files if path.is_relative_to(PACKAGE_DIR) and path.is_file()]
    assert 30 < len(loaded) <= MAX_MODULES
    # An exported model does not need it.
    assert "torch" not in names


def test_imports_have_no_circles(imports):
    assert len(imports) > 200
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as exc:
        pytest.fail(" > ".join(exc.args[1]))


def test_imports_go_in_the_documented_direction(imports):
    page = read_page("docs/concepts/source-layout.md")
    [order] = re.findall(r"^```\n(cli >.*?)```", page, re.DOTALL | re.MULTILINE)
    ranks = {
        package.strip(): rank
        for rank, level in enumerate(order.split(">"))
        for package in level.split(",")
    }
    packages = {path.parent.name for path in PACKAGE_DIR.glob("*/__init__.py")}
    assert ranks.keys() == packages | {"errors"}
    wrong = [
        f"{module} imports {name}"
        for module, names in imports.items()
        for name in sorted(names)
        if (importer := module.split(".")[1]) != (imported := name.split(".")[1])
        and importer in ranks
        and imported in ranks
        and ranks[importer] >= ranks[imported]
    ]
    assert wrong == []
