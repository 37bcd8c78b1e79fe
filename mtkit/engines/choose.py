"""Which engine a folder is for."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mtkit.engines.ctranslate2.exported_dir import is_exported_dir
from mtkit.errors import MtkitError

if TYPE_CHECKING:
    from mtkit.translation.translator import Translator


def loader_of(
    engine: Literal["auto", "torch", "ctranslate2"],
    model_dirs: Sequence[Path],
    *,
    looks_back: bool = False,
) -> "Callable[..., Translator] | None":
    """The function that loads some models, called as `Translator.load` is; None means that one.

    Args:
        engine: auto goes by the folders.
        model_dirs: Of the models.
        looks_back: Whether words of the translations are to be linked to those of the source.
    Raises:
        MtkitError: An engine is asked for that the folders are not for, or that cannot look back.
    """
    exported = [folder for folder in model_dirs if is_exported_dir(folder)]
    if engine == "torch" and exported:
        raise MtkitError(
            f"`{exported[0]}`: exported to CTranslate2, and not for torch",
            "give the model that it was made of, or leave out --engine",
        )
    if engine == "torch" or (engine == "auto" and not exported):
        return None
    if looks_back:
        raise MtkitError(
            "with CTranslate2, words of a translation are not linked to those of the source",
            "leave out what asks for alignments or for words in place of unknown ones, or use the model that was exported",
        )
    from mtkit.engines.ctranslate2.engine import load_translator

    return load_translator
