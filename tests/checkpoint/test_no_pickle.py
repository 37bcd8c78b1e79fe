"""Nothing that mtkit writes or reads can run code when it is read."""

import ast
from pathlib import Path

import pytest

import mtkit

PACKAGE = Path(mtkit.__file__).parent
CODE_FORMATS = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
}


def dotted(node):
    """Return what is called, such as `np.load`."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def option(call, name):
    """Return an argument as it is written."""
    return next((ast.unparse(one.value) for one in call.keywords if one.arg == name), None)


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_no_file_of_the_package_pickles(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & CODE_FORMATS
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in CODE_FORMATS
        elif isinstance(node, ast.Call):
            called = dotted(node.func)
            assert called not in {"torch.save", "torch.jit.load", "eval", "exec"}
            if called == "torch.load":
                assert path.name == "convert_pickles.py"
                assert option(node, "weights_only") == "True"
            if called.startswith(("np.", "numpy.")):
                assert option(node, "allow_pickle") in (None, "False")
            assert not called.endswith(("yaml.load", "unsafe_load"))


def test_a_run_holds_only_formats_that_are_data(tiny_run):
    files = [path for path in tiny_run.parent.rglob("*") if path.is_file()]
    assert {path.suffix for path in files if tiny_run in path.parents} == {
        ".json",
        ".jsonl",
        ".yaml",
        ".safetensors",
        ".model",
    }
    for path in files:
        start = path.read_bytes()[:4]
        # A pickle begins with its protocol; torch's own files are zip archives.
        assert not start.startswith(
            (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")
        ), path
