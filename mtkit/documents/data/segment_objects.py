"""Segments as plain values, so that any program can have its own formats translated."""

from collections.abc import Mapping, Sequence
from typing import Any

from mtkit.documents.collector import has_words
from mtkit.documents.protect import Protector
from mtkit.documents.segment import Code, Document, Piece, Protected, Segment
from mtkit.documents.translation.segment_request import Settings
from mtkit.documents.translation.translate_function import TranslateFunction
from mtkit.documents.translation.translate_segments import translate_segments as translate_all
from mtkit.errors import MtkitError

_HINT = (
    'a segment is such as {"text": "see it", "spans": [{"type": "open", "id": "1", "position": 4}, '
    '{"type": "close", "id": "1", "position": 6}]}'
)


def translate_segments(
    segments: Sequence[Mapping[str, Any]],
    translate: TranslateFunction,
    *,
    src_lang: str = "",
    tgt_lang: str = "",
    masks: Sequence[str] = (),
    protect: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Translate segments of any document: N segments in, N translations out, in order.

    Args:
        segments: Each has a `text` of one line and, optionally, `spans`. A span has a `type`:
            `open`, `close` or `empty` is markup at a `position`, and the two of a pair have the
            same `id`; `protected` is copied from `begin` to `end`. Positions are counted in
            characters from 0. Other keys are kept in spans and ignored in segments.
        translate: See `translate_document`.
        src_lang: Language code of the texts.
        tgt_lang: Language code of the translations.
        masks: See `translate_document`.
        protect: See `translate_document`.
    Returns:
        For each segment, `text`, `spans` (those of the segment at their new places, in order),
        `fallbacks` and `flags`.
    Raises:
        MtkitError: A segment is not valid, or see `translate_document`.
    """
    read = [read_segment(one, f"segment {number:,}") for number, one in enumerate(segments, 1)]
    found = [one for one in read if has_words(one.text)]
    settings = Settings(src_lang, tgt_lang, tuple(masks), Protector(protect))
    outcomes = iter(translate_all(Document("", found), found, translate, settings))
    results: list[dict[str, Any]] = []
    for source, segment in zip(segments, read, strict=True):
        outcome = next(outcomes) if has_words(segment.text) else None
        result = written_segment(source, outcome.pieces if outcome is not None else None)
        result["fallbacks"] = list(outcome.fallbacks) if outcome is not None else []
        result["flags"] = list(outcome.flags) if outcome is not None else []
        results.append(result)
    return results


def read_segment(source: Mapping[str, Any], where: str) -> Segment:
    """Read a segment. The places of its codes are the indices of their spans.

    Args:
        source: See `translate_segments`.
        where: The segment, for errors.
    Raises:
        MtkitError: It is not valid.
    """
    text = source.get("text")
    if not isinstance(text, str):
        raise MtkitError(f"{where}: has no text", _HINT)
    if len(text.splitlines()) > 1:
        raise MtkitError(f"{where}: its text has several lines", "give each line as a segment")
    spans = source.get("spans", [])
    if not isinstance(spans, list) or not all(isinstance(span, Mapping) for span in spans):
        raise MtkitError(f"{where}: its spans are not a list of objects", _HINT)
    codes: list[Code] = []
    protected: list[Protected] = []
    open_ids: list[tuple[Any, int]] = []
    for index, span in enumerate(spans):
        what = f"{where}: span {index + 1:,}"
        kind = span.get("type")
        if kind == "protected":
            begin = _position(span, "begin", text, what)
            end = _position(span, "end", text, what)
            if end <= begin or (protected and begin < protected[-1].end):
                raise MtkitError(f"{what}: is empty, or overlaps another one", _HINT)
            protected.append(Protected(begin, end, text[begin:end], index))
            continue
        position = _position(span, "position", text, what)
        if codes and position < codes[-1].position:
            raise MtkitError(f"{what}: precedes the span before it", "sort spans by position")
        partner = None
        if kind == "open":
            open_ids.append((span.get("id"), len(codes)))
        elif kind == "close":
            if not open_ids or open_ids[-1][0] != span.get("id"):
                raise MtkitError(
                    f"{what}: does not close the last span that is open",
                    "pairs have the same id and are nested; give type empty to other markup",
                )
            partner = open_ids.pop()[1]
            codes[partner] = codes[partner]._replace(partner=len(codes))
        elif kind != "empty":
            raise MtkitError(f"{what}: has no type open, close, empty or protected", _HINT)
        codes.append(Code(position, index, index, partner))
    if open_ids:
        raise MtkitError(f"{where}: span {open_ids[-1][0]} is not closed", _HINT)
    if any(one.begin < code.position < one.end for one in protected for code in codes):
        raise MtkitError(f"{where}: a protected span contains another one", _HINT)
    return Segment(text, 0, len(text), tuple(codes), tuple(protected))


def _position(span: Mapping[str, Any], name: str, text: str, what: str) -> int:
    value = span.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= len(text):
        raise MtkitError(
            f"{what}: its {name} is not a number from 0 to {len(text)}",
            "positions are counted in characters (Unicode code points) of the text",
        )
    return value


def written_segment(source: Mapping[str, Any], pieces: Sequence[Piece] | None) -> dict[str, Any]:
    """Return the translation of a segment.

    Args:
        source: See `translate_segments`.
        pieces: The translation of what `read_segment` returned; None if it stays as it is.
    """
    spans = source.get("spans", [])
    if pieces is None:
        return {"text": source["text"], "spans": [dict(span) for span in spans]}
    text, placed = "", []
    for piece in pieces:
        if isinstance(piece, str):
            text += piece
        elif isinstance(piece, Code):
            placed.append({**spans[piece.begin], "position": len(text)})
        else:
            if piece.place is not None:
                end = len(text) + len(piece.markup)
                placed.append({**spans[piece.place], "begin": len(text), "end": end})
            text += piece.markup
    return {"text": text, "spans": placed}
