import subprocess
import sys

import pytest

import mtkit


def test_importing_mtkit_loads_nothing_else():
    code = "import sys, mtkit; print([name for name in sys.modules if name.startswith('mtkit.') or name in {'torch', 'pydantic'}])"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "['mtkit.version']\n"
    )


def test_names_are_loaded_on_first_use():
    assert mtkit.MtkitError.__module__ == "mtkit.errors"
    assert "MtkitError" in vars(mtkit)
    assert set(mtkit.__all__) <= set(dir(mtkit))


def test_every_public_name_has_a_home():
    assert set(mtkit.__all__) - {"__version__"} == set(mtkit._HOMES)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = mtkit.nothing  # pyright: ignore[reportAttributeAccessIssue]
