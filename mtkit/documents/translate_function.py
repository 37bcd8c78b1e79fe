"""The functions that translate texts of a document, and their results."""

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

from mtkit.documents.placement import Alignment
from mtkit.errors import MtkitError

TranslateFunction = Callable[[list[str]], Iterable[Any]]
"""Translates texts of one line each. It returns one result for each: a text, or an object with
`text`, and optionally `alignment` (pairs of source and target word indices) and `flags`, such as a
`Translation`.
"""
ConstrainedFunction = Callable[[list[str], list[tuple[str, ...]]], Iterable[Any]]
"""Translates texts, each of which comes with words that its translation has to contain."""

_LINE_END = re.compile(r"\s*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+\s*")


class Result(NamedTuple):
    """Result of the translate function for one text."""

    text: str
    alignment: Alignment | None = None
    flags: tuple[str, ...] = ()


def call_function(translate: TranslateFunction, texts: list[str]) -> list[Result]:
    """Translate each text once, so that equal texts have equal translations.

    Raises:
        MtkitError: There is another number of results.
        TypeError: A result is neither a text nor has one.
    """
    unique = list(dict.fromkeys(texts))
    results = [_result(one) for one in translate(list(unique))] if unique else []
    if len(results) != len(unique):
        raise MtkitError(
            f"the translate function returned {len(results):,} results for {len(unique):,} texts",
            "it has to return one result for each text, in order",
        )
    by_text = dict(zip(unique, results, strict=True))
    return [by_text[text] for text in texts]


def _result(value: Any) -> Result:
    text = value if isinstance(value, str) else getattr(value, "text", None)
    if not isinstance(text, str):
        raise TypeError(
            "the translate function has to return texts or objects with a `text`, "
            f"not {type(value).__name__}"
        )
    text = _LINE_END.sub(" ", text)
    if isinstance(value, str):
        return Result(text)
    alignment = cast("Alignment | None", getattr(value, "alignment", None))
    alignment = None if alignment is None else tuple(alignment)
    return Result(text, alignment, tuple(getattr(value, "flags", ())))
