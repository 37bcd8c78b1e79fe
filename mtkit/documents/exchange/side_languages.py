"""Languages of a document with a source and a target, compared with those of the model."""

from mtkit.corpus.languages import MULTILINGUAL, language_code
from mtkit.corpus.scripts import UNKNOWN_LANG
from mtkit.documents.segment import ReadOptions
from mtkit.errors import MtkitError


def is_known(lang: str) -> bool:
    """Return whether a code is that of one language."""
    return lang not in ("", MULTILINGUAL, UNKNOWN_LANG)


def refuse_other_languages(src_lang: str, tgt_lang: str, options: ReadOptions) -> None:
    """Refuse a document in other languages than those of the model; regions are ignored.

    Args:
        src_lang: Source language of the document; empty if it names none.
        tgt_lang: Target language.
        options: Gives the languages of the model.
    Raises:
        MtkitError: A language is another one.
    """
    for side, own, expected in (
        ("source", src_lang, options.src_lang),
        ("target", tgt_lang, options.tgt_lang),
    ):
        codes = language_code(own), language_code(expected)
        if None not in codes and codes[0] != codes[1]:
            raise MtkitError(
                f"`{options.name}`: its {side} language is {own}, but the model's is {expected}",
                "use a model of these languages, or correct the document",
            )


def new_target_lang(options: ReadOptions, where: str) -> str:
    """Return the code to write as the target language of a document that names none.

    Raises:
        MtkitError: That of the model is unknown, too.
    """
    if not is_known(options.tgt_lang):
        raise MtkitError(
            f"`{options.name}`: neither the document nor the model names the target language",
            f"add {where} to the document",
        )
    return options.tgt_lang
