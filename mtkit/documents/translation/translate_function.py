"""The functions that translate texts of a document, and their results."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, cast

from mtkit.documents.translation.placement import Alignment
from mtkit.errors import MtkitError
from mtkit.translation.context import Context

TranslateFunction = Callable[..., Iterable[Any]]
"""Translates texts of one line each, given as a list; in a translation with context, a second list
has the texts before each, the oldest first. It returns one result for each: a text, or an object
with `text`, and optionally `alignment` (pairs of source and target word indices) and `flags`, such
as a `Translation`.
"""
ConstrainedFunction = Callable[[list[str], list[tuple[str, ...]]], Iterable[Any]]
"""Translates texts, each of which comes with words that its translation has to contain."""

_LINE_END = re.compile(r"\s*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+\s*")


class Result(NamedTuple):
    """Result of the translate function for one text."""

    text: str
    alignment: Alignment | None = None
    flags: tuple[str, ...] = ()


def call_function(
    translate: TranslateFunction, texts: list[str], contexts: Sequence[Context] | None = None
) -> list[Result]:
    """Translate each text once, so that equal texts have equal translations.

    Args:
        translate: The translate function.
        texts: The texts.
        contexts: Texts before each text, with which it is translated once; None without.
    Raises:
        MtkitError: There is another number of results.
        TypeError: A result is neither a text nor has one.
    """
    keys = list(zip(texts, contexts or [()] * len(texts), strict=True))
    unique = list(dict.fromkeys(keys))
    more = [] if contexts is None else [[context for _, context in unique]]
    found = translate([text for text, _ in unique], *more) if unique else []
    results = [_result(one) for one in found]
    if len(results) != len(unique):
        raise MtkitError(
            f"the translate function returned {len(results):,} results for {len(unique):,} texts",
            "it has to return one result for each text, in order",
        )
    by_key = dict(zip(unique, results, strict=True))
    return [by_key[key] for key in keys]


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
