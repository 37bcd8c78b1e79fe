"""Ranges of a document that are marked by a tag at each end, such as bookmarks and comments."""

import re
from collections.abc import Sequence

from mtkit.documents.segment import Code, Piece

_MARK = re.compile(
    r"<(?:[\w-]+:)?(?P<kind>[\w-]+?)-?(?P<end>[Ss]tart|[Ee]nd)\b[^<>]*?"
    r"\s(?:[\w-]+:)?(?:id|name|change-id)\s*=\s*[\"'](?P<id>[^\"']*)"
)


def range_of(markup: str) -> tuple[str, bool] | None:
    """Return the name of the range that a tag marks, and whether it ends there; else None."""
    mark = _MARK.match(markup.lstrip())
    return None if mark is None else (f"{mark['kind']} {mark['id']}", mark["end"][0] in "eE")


def with_ranges_in_order(pieces: Sequence[Piece], document: str) -> list[Piece]:
    """Exchange the marks of ranges that would end before they begin.

    Args:
        pieces: A translation, in whose order of words a mark without a partner may have moved.
        document: Text of the document.
    """
    ordered = list(pieces)
    ends: dict[str, int] = {}
    for index, piece in enumerate(ordered):
        if not isinstance(piece, Code) or piece.partner is not None:
            continue
        if (mark := range_of(document[piece.begin : piece.end])) is None:
            continue
        name, is_end = mark
        if is_end:
            ends[name] = index
        elif name in ends:
            end = ends[name]
            ordered[index], ordered[end] = ordered[end], ordered[index]
    return ordered
