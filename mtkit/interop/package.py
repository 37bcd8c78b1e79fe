"""The package that everything about CTranslate2 needs."""

from importlib.util import find_spec

from mtkit.errors import MtkitError


def require_ctranslate2() -> None:
    """See to it that CTranslate2 is there, before anything takes long.

    Raises:
        MtkitError: It is not installed.
    """
    if find_spec("ctranslate2") is None:
        raise MtkitError("CTranslate2 is not installed", "pip install 'mtkit[ct2]'")
