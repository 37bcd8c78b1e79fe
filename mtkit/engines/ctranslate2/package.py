"""The package that everything about CTranslate2 needs."""

from importlib import import_module
from importlib.util import find_spec

from mtkit.errors import MtkitError, first_line


def require_ctranslate2() -> None:
    """Check that CTranslate2 can be used, before anything takes long.

    Raises:
        MtkitError: It is not installed, or fails to load.
    """
    if find_spec("ctranslate2") is None:
        raise MtkitError("CTranslate2 is not installed", "pip install 'mtkit[ct2]'")
    try:
        import_module("ctranslate2")
    except (ImportError, OSError, AttributeError) as exc:
        # For example for a library of another version that it was built for.
        raise MtkitError(
            f"CTranslate2 is installed, but does not load: {first_line(exc)}",
            "pip install --force-reinstall 'mtkit[ct2]'",
        ) from None
