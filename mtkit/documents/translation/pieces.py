"""Pieces of a translation: texts, placeholders and codes, put together."""

import re
from collections.abc import Iterable, Sequence

from mtkit.documents.segment import Code, Piece, Protected, Segment


def mask_pattern(masks: Sequence[str]) -> re.Pattern[str]:
    """Make a pattern that finds masks as whole words, the longest first."""
    alternatives = [
        (r"(?<!\w)" if mask[:1].isalnum() else "")
        + re.escape(mask)
        + (r"(?!\w)" if mask[-1:].isalnum() else "")
        for mask in sorted(set(masks), key=len, reverse=True)
    ]
    return re.compile("|".join(alternatives))


def texts_between(segment: Segment) -> list[str]:
    """Return the texts around the placeholders of a segment."""
    begin, texts = 0, []
    for one in segment.protected:
        texts.append(segment.text[begin : one.begin])
        begin = one.end
    return [*texts, segment.text[begin:]]


def interleaved(texts: list[str], masks: list[str]) -> Iterable[str]:
    """Yield texts with the masks between them."""
    for text, mask in zip(texts, [*masks, ""], strict=True):
        yield text
        yield mask


def out_of_placeholders(
    codes: tuple[Code, ...], protected: Sequence[Protected]
) -> tuple[Code, ...]:
    """Move codes within a placeholder, such as a tag within a URL, to its end."""
    moved: list[Code] = []
    index = 0
    for code in codes:
        while index < len(protected) and protected[index].end <= code.position:
            index += 1
        is_within = index < len(protected) and protected[index].begin < code.position
        moved.append(code._replace(position=protected[index].end) if is_within else code)
    return tuple(moved)


def assemble(
    text: str,
    protected: Sequence[tuple[tuple[int, int], Protected]],
    codes: Sequence[tuple[int, Code]],
) -> tuple[Piece, ...]:
    """Insert codes into a translation, and replace its masks.

    Args:
        text: The translation.
        protected: Span of each mask, ascending, and what replaces it.
        codes: Position of each code, ascending; within a mask, it moves to its end.
    """
    pieces: list[Piece] = []
    begin, index = 0, 0
    for (mask_begin, mask_end), one in [*protected, ((len(text), len(text)), None)]:
        while index < len(codes) and codes[index][0] <= mask_begin:
            position, code = codes[index]
            position = max(position, begin)
            pieces += [text[begin:position], code]
            begin, index = position, index + 1
        pieces.append(text[begin:mask_begin])
        begin = mask_end
        if one is not None:
            pieces.append(one)
    pieces += [code for _, code in codes[index:]]
    return tuple(piece for piece in pieces if piece)


def unglued(pieces: Sequence[Piece], segment: Segment) -> tuple[Piece, ...]:
    """Put spaces between placeholders and letters on sides where the source has no letter."""
    result: list[Piece] = []
    for piece in pieces:
        last = result[-1] if result else None
        if isinstance(piece, Protected) and isinstance(last, str):
            is_glued = last[-1].isalnum() and not segment.text[: piece.begin][-1:].isalnum()
        elif isinstance(piece, str) and isinstance(last, Protected):
            is_glued = piece[0].isalnum() and not segment.text[last.end :][:1].isalnum()
        else:
            is_glued = False
        result += [" ", piece] if is_glued else [piece]
    return tuple(result)


def spaced(pieces: Sequence[Piece]) -> list[Piece]:
    """Put spaces between placeholders and the words next to them."""
    result: list[Piece] = []
    for piece in pieces:
        if not piece:
            continue
        if result and (isinstance(piece, Protected) or isinstance(result[-1], Protected)):
            before = result[-1][-1:] if isinstance(result[-1], str) else ""
            after = piece[:1] if isinstance(piece, str) else ""
            if not (before.isspace() or after.isspace() or isinstance(piece, Code)):
                result.append(" ")
        result.append(piece)
    return result
