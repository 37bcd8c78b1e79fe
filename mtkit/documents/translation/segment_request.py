"""Text of a segment for the translate function, and the outcome for its result."""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from mtkit.corpus.languages import word_separator
from mtkit.documents.collector import has_words
from mtkit.documents.protect import Protector
from mtkit.documents.segment import Code, Piece, Protected, Segment
from mtkit.documents.translation.pieces import (
    assemble,
    interleaved,
    mask_pattern,
    out_of_placeholders,
    spaced,
    texts_between,
    unglued,
)
from mtkit.documents.translation.placement import (
    Sides,
    is_at_edges,
    place_by_alignment,
    place_by_position,
    words_of,
)
from mtkit.documents.translation.translate_function import (
    ConstrainedFunction,
    Result,
)

REQUIRED = "placeholders required in a second translation"
PIECES_ALONE = "pieces between placeholders translated alone"
PLACEHOLDERS_BY_POSITION = "placeholders placed by position"
TAGS_BY_POSITION = "tags placed by position"
CUES_ALONE = "cues translated alone"
SOURCE_KEPT = "source kept"
"""Names of the fall-backs in reports."""

_MAX_MASKS, _MAX_MASK_CHARS = 50, 60


@dataclass(frozen=True)
class Settings:
    """Settings of the translation of segments."""

    src_lang: str = ""
    """Language code of the source; in a language without spaces, alignments link characters."""
    tgt_lang: str = ""
    """Language code of the translation."""
    masks: tuple[str, ...] = ()
    """Symbols that the model is known to copy, which take the place of placeholders."""
    protector: Protector = field(default_factory=Protector)
    """Finds the placeholders."""
    translate_constrained: ConstrainedFunction | None = None
    """Translates texts again whose translations lost placeholders; None skips this."""
    context: int = 0
    """Number of previous segments that the translate function is given with each text."""


class Outcome(NamedTuple):
    """A segment after translation."""

    segment: Segment
    pieces: tuple[Piece, ...] | None
    """The translation; None if the segment stays as it is."""
    fallbacks: tuple[str, ...] = ()
    """Names of the fall-backs that were needed."""
    flags: tuple[str, ...] = ()
    """Flags from the translate function."""

    @property
    def text(self) -> str:
        """The translation without markup."""
        if self.pieces is None:
            return self.segment.text
        return "".join(
            piece if isinstance(piece, str) else self.segment.text[piece.begin : piece.end]
            for piece in self.pieces
            if not isinstance(piece, Code)
        )


class PiecesBetween(NamedTuple):
    """The parts of a segment between its placeholders."""

    bounds: list[tuple[int, int]]
    """Span of each part in the text, white space around it included."""
    texts: list[str]
    """Texts of the parts that have words."""


@dataclass(frozen=True)
class SegmentRequest:
    """Text of a segment as it goes to the translate function."""

    segment: Segment
    """The segment, with all of its placeholders."""
    text: str
    masks: tuple[str, ...]
    """Mask of each placeholder, in order."""
    is_maskable: bool
    """Whether the masks in the text are exactly these, and it has words."""
    settings: Settings

    @classmethod
    def of(cls, segment: Segment, settings: Settings) -> "SegmentRequest":
        """Make the request for a segment."""
        protected = settings.protector.protect(segment.text, segment.protected)
        if not protected:
            return cls(segment, segment.text, (), True, settings)
        codes = out_of_placeholders(segment.codes, protected)
        segment = replace(segment, codes=codes, protected=protected)
        masks = settings.masks[: len(protected)]
        if len(masks) < len(protected) or any(mask in segment.text for mask in masks):
            masks = tuple(segment.text[one.begin : one.end] for one in protected)
        between = texts_between(segment)
        text = "".join(interleaved(between, list(masks)))
        is_hard = len(set(masks)) > _MAX_MASKS or any(len(one) > _MAX_MASK_CHARS for one in masks)
        if is_hard or not any(map(has_words, between)):
            return cls(segment, text, masks, False, settings)
        found = [match.group() for match in mask_pattern(masks).finditer(text)] if masks else []
        is_maskable = found == list(masks)
        return cls(segment, text, masks, is_maskable, settings)

    def outcome(self, result: Result) -> Outcome | None:
        """Return the outcome; None if the placeholders differ."""
        if result.text == self.text:
            return Outcome(self.segment, None, flags=result.flags)
        if not result.text.strip():
            return Outcome(self.segment, None, (SOURCE_KEPT,), result.flags)
        matches = list(mask_pattern(self.masks).finditer(result.text)) if self.masks else []
        if sorted(match.group() for match in matches) != sorted(self.masks):
            return None
        free: dict[str, list[Protected]] = {}
        for mask, one in zip(self.masks, self.segment.protected, strict=True):
            free.setdefault(mask, []).append(one)
        spans = [(match.span(), free[match.group()].pop(0)) for match in matches]
        codes, fallbacks = self._placed_codes(result)
        pieces = assemble(result.text, spans, codes)
        if word_separator(self.settings.tgt_lang):
            pieces = unglued(pieces, self.segment)
        outcome = Outcome(self.segment, pieces, fallbacks, result.flags)
        return outcome if self._is_faithful(outcome) else None

    def pieces(self) -> PiecesBetween:
        """Return the parts between the placeholders."""
        edges = [0, *(edge for one in self.segment.protected for edge in (one.begin, one.end))]
        edges.append(len(self.segment.text))
        bounds = list(zip(edges[::2], edges[1::2], strict=True))
        texts = [self.segment.text[begin:end].strip() for begin, end in bounds]
        return PiecesBetween(bounds, [text for text in texts if has_words(text)])

    def recovered(
        self, row: PiecesBetween, alone: Sequence[Result], whole: Result | None
    ) -> Outcome:
        """Return the outcome after the pieces were translated alone."""
        if row.texts == [result.text for result in alone]:
            flags = tuple(dict.fromkeys(flag for one in alone for flag in one.flags))
            return Outcome(self.segment, None, (PIECES_ALONE,) if alone else (), flags)
        results = iter(alone)
        pieces: list[Piece] = []
        moved = False
        codes, n_codes = self.segment.codes, 0
        for number, (begin, end) in enumerate(row.bounds):
            text = self.segment.text[begin:end]
            core = text.strip()
            inside = codes[n_codes : (n_codes := bisect_right(codes, end, key=_position))]
            if has_words(core):
                tgt = next(results).text.strip() or core
                start = text.index(core)
                positions = [code.position - begin - start for code in inside]
                sides = self._sides(core, tgt)
                moved |= not is_at_edges(positions, sides)
                placed = place_by_position(
                    positions, _shifted(inside, len(inside) - n_codes), sides
                )
                before, after = text[:start], text[start + len(core) :]
                if " " in tgt and word_separator(self.settings.tgt_lang):
                    # Several words are not a prefix or a suffix of a placeholder, as a particle is.
                    before = before or " " * (number > 0 and tgt[0].isalnum())
                    after = after or " " * (number + 1 < len(row.bounds) and tgt[-1].isalnum())
                pieces.append(before)
                pieces += assemble(tgt, [], list(zip(placed, inside, strict=True)))
                pieces.append(after)
            else:
                positions = [code.position - begin for code in inside]
                pieces += assemble(text, [], list(zip(positions, inside, strict=True)))
            if number < len(self.segment.protected):
                pieces.append(self.segment.protected[number])
        names = (PIECES_ALONE, TAGS_BY_POSITION) if moved else (PIECES_ALONE,)
        flags = tuple(dict.fromkeys(flag for one in alone for flag in one.flags))
        outcome = Outcome(self.segment, tuple(piece for piece in pieces if piece), names, flags)
        if self._is_faithful(outcome):
            return outcome
        return (whole and self._by_position(whole)) or Outcome(
            self.segment, None, (SOURCE_KEPT,), flags
        )

    def _by_position(self, result: Result) -> Outcome | None:
        """Place the placeholders by position in a translation without any; None if impossible."""
        text = mask_pattern(self.masks).sub("", result.text) if self.masks else result.text
        for begin, end in reversed(self.settings.protector.spans(text)):
            text = text[:begin] + text[end:]
        text = re.sub(r"  +", " ", text)
        if not text.strip():
            return None
        items = [Code(one.begin, 0, 0) for one in self.segment.protected]
        marks: list[tuple[Code, Piece]] = list(zip(items, self.segment.protected, strict=True))
        marks += [(code, code) for code in self.segment.codes]
        # A tag at the beginning of a placeholder precedes it.
        marks.sort(key=lambda item: (item[0].position, isinstance(item[1], Protected)))
        order = [code for code, _ in marks]
        positions = place_by_position(
            [code.position for code in order],
            [code._replace(partner=None) for code in order],
            self._sides(self.segment.text, text),
        )
        pieces: list[Piece] = []
        begin = 0
        for position, (_, piece) in zip(positions, marks, strict=True):
            pieces += [text[begin:position], piece]
            begin = position
        pieces.append(text[begin:])
        names = (PLACEHOLDERS_BY_POSITION,)
        pieces = spaced(pieces)
        outcome = Outcome(self.segment, tuple(piece for piece in pieces if piece), names)
        return outcome if self._is_faithful(outcome) else None

    def _placed_codes(self, result: Result) -> tuple[list[tuple[int, Code]], tuple[str, ...]]:
        """Return the codes with their places in the translation, and the fall-backs."""
        codes = self.segment.codes
        if not codes:
            return [], ()
        positions = self._positions_in_request()
        sides = self._sides(self.text, result.text)
        if result.alignment is not None and (
            placed := place_by_alignment(positions, codes, sides, result.alignment)
        ):
            return [(position, codes[index]) for position, index in placed], ()
        names = () if is_at_edges(positions, sides) else (TAGS_BY_POSITION,)
        by_position = place_by_position(positions, codes, sides)
        return list(zip(by_position, codes, strict=True)), names

    def _positions_in_request(self) -> list[int]:
        positions: list[int] = []
        shift = index = 0
        protected = self.segment.protected
        for code in self.segment.codes:
            while index < len(protected) and protected[index].end <= code.position:
                one = protected[index]
                shift += len(self.masks[index]) - (one.end - one.begin)
                index += 1
            positions.append(code.position + shift)
        return positions

    def _sides(self, src: str, tgt: str) -> Sides:
        by_character = [
            not word_separator(lang) for lang in (self.settings.src_lang, self.settings.tgt_lang)
        ]
        return Sides(
            src,
            tgt,
            words_of(src, by_character=by_character[0]),
            words_of(tgt, by_character=by_character[1]),
        )

    def _is_faithful(self, outcome: Outcome) -> bool:
        """Return whether a translation has all codes and placeholders once, and no others."""
        copied = [piece for piece in outcome.pieces or () if not isinstance(piece, str)]
        required = [*self.segment.codes, *self.segment.protected]
        return (copied == required or Counter(copied) == Counter(required)) and (
            self._placeholders(outcome.text) == self._placeholders(self.segment.text)
        )

    def _placeholders(self, text: str) -> list[str]:
        return sorted(text[begin:end] for begin, end in self.settings.protector.spans(text))


def _position(code: Code) -> int:
    return code.position


def _shifted(codes: Sequence[Code], by: int) -> list[Code]:
    """Return some of the codes of a segment with indices of partners in this list."""
    return [
        code if code.partner is None else code._replace(partner=code.partner + by) for code in codes
    ]
