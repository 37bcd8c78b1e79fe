"""Subtitles: SubRip (srt) and WebVTT (vtt). Only the text of cues is replaced."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil
from typing import NamedTuple

from mtkit.documents.collector import Collector
from mtkit.documents.segment import Code, Document, Edit, Protected, Segment, Translated

_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|$)")
_NEWLINE = re.compile(r"\r\n|\r|\n")
_TIMING = re.compile(
    r"\s*(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})[ \t]*-->"
    r"[ \t]*(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})(?!\d)"
)
_MARKUP = re.compile(r"<(?P<end>/?)(?P<name>[A-Za-z]*)[^<>\r\n]*>|\{\\[^{}\r\n]*\}")
_DASH = re.compile(r"\s*(?:<[^<>\n]*>|\{\\[^{}\n]*\})*\s*[-‐–—](?:\s+(?=\S)|(?=[^\s\d-]))")
_SENTENCE_END = re.compile(r"[.!?…。！？♪♫\])）」』]['\"”’»]*$")
_ELLIPSIS = re.compile(r"(?:\.\.\.|…)['\"”’»]*$")
_ATOM = re.compile(r"\s+|\S")
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_NO_LINE_START = frozenset(
    "、。，．！？…」』）】〉》ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ,.!?)]:;"
)
_MAX_GAP_S, _MAX_CUES, _MAX_CHARS = 2.0, 6, 300
"""Limits of cues that are joined to a sentence."""
CUES_NOT_JOINED = "cues with tags not joined"


class _Line(NamedTuple):
    """A line of the file, without its line end."""

    begin: int
    end: int
    text: str
    newline: str


@dataclass(frozen=True)
class _Cue(Segment):
    """Text of a cue, or of one speaker in it."""

    n_lines: int = 1
    newline: str = "\n"
    begin_s: float = 0.0
    end_s: float = 0.0
    width: int = 0
    """Characters of its longest line."""
    is_dialogue: bool = False


class _Word(NamedTuple):
    """A word of a translation with the markup attached to it."""

    text: str
    width: int
    """Visible characters."""
    gap: str
    """Space before it."""


@dataclass
class SubtitleDocument(Document):
    """A file of cues. A sentence in several cues is one segment."""

    is_vtt: bool = False

    @classmethod
    def parse(cls, text: str, *, is_vtt: bool) -> "SubtitleDocument":
        """Read the segments of a file."""
        document = cls(text, is_vtt=is_vtt)
        reader = _Reader(text, is_vtt)
        cues = list(reader.cues())
        document.segments, n_with_tags = _joined(cues)
        remarks = {"lines outside cues kept": reader.n_outside(), CUES_NOT_JOINED: n_with_tags}
        document.remarks = {name: n for name, n in remarks.items() if n}
        return document

    def escape(self, text: str, segment: Segment) -> str:
        """Return how text is written in a cue: WebVTT has references for `&`, `<` and `>`."""
        if not self.is_vtt:
            return text
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    def fits(self, translated: Translated) -> bool:
        """Return whether there is a word for each cue, and no line would be read as a timing."""
        cues = translated.segment.parts
        if len(cues) > 1 and len(self._words(translated)) < len(cues):
            return False
        lines = (line for edit in self.edits(translated, []) for line in edit.text.splitlines())
        return not any(map(_TIMING.match, lines))

    def edits(self, translated: Translated, inner: Sequence[Edit]) -> list[Edit]:
        """Split a translation back into cues and lines."""
        segment = translated.segment
        cues = [cue for cue in segment.parts or (segment,) if isinstance(cue, _Cue)]
        words = self._words(translated)
        shares = _split_words(words, [cue.end_s - cue.begin_s for cue in cues])
        return [
            Edit(cue.begin, cue.end, cue.newline.join(_wrapped(share, cue.n_lines, cue.width)))
            for cue, share in zip(cues, shares, strict=True)
        ]

    def _words(self, translated: Translated) -> list[_Word]:
        """Return the words of a translation; each Chinese or Japanese character is one."""
        words: list[_Word] = []
        gap = prefix = ""
        was_wide = False
        for piece in translated.pieces:
            if isinstance(piece, Code):
                # White space next to a tag may be a line break.
                text = self.render(piece, translated.segment, []).strip()
                if words and not prefix and (not gap or text.startswith("</")):
                    words[-1] = words[-1]._replace(text=words[-1].text + text)
                else:
                    prefix += text
                continue
            for atom in [piece] if isinstance(piece, Protected) else _ATOM.findall(piece):
                if isinstance(atom, str) and atom.isspace():
                    gap = " "
                    continue
                text = prefix + self.render(atom, translated.segment, [])
                width = 1 if isinstance(atom, str) else len(atom.markup)
                is_wide = isinstance(atom, str) and bool(_WIDE.match(atom))
                if words and not gap and not ((is_wide or was_wide) and atom not in _NO_LINE_START):
                    last = words[-1]
                    words[-1] = last._replace(text=last.text + text, width=last.width + width)
                else:
                    words.append(_Word(text, width, gap))
                gap, prefix, was_wide = "", "", is_wide
        if prefix and words:
            words[-1] = words[-1]._replace(text=words[-1].text + prefix)
        return words


class _Reader:
    """Finds the cues of a file."""

    def __init__(self, text: str, is_vtt: bool) -> None:
        self.text, self.is_vtt = text, is_vtt
        self.lines = [_Line(*match.span(1), *match.groups()) for match in _LINE.finditer(text)]
        self.timings = [_TIMING.match(line.text) for line in self.lines]

    def cues(self) -> Iterator[_Cue]:
        """Yield the cues with words in the order of the file; dialogues line by line."""
        for number, timing in enumerate(self.timings):
            if timing is None:
                continue
            last = self._last_line(number)
            for first, stop in self._speakers(number + 1, last + 1):
                if cue := self._cue(first, stop, timing, is_dialogue=self._is_dialogue(number)):
                    yield cue

    def n_outside(self) -> int:
        """Count the lines that belong to no cue, although the format has no place for them."""
        if self.is_vtt:
            return 0
        n_lines, is_inside = 0, False
        for number, line in enumerate(self.lines):
            if self.timings[number]:
                is_inside = True
            elif not line.text.strip():
                is_inside = False
            elif not is_inside:
                is_index = number + 1 < len(self.lines) and self.timings[number + 1] is not None
                n_lines += not is_index
        return n_lines

    def _last_line(self, timing: int) -> int:
        """Return the last line of the cue whose timing is in a line."""
        last = timing
        while last + 1 < len(self.lines) and self.lines[last + 1].text.strip():
            if self.timings[last + 1]:  # no blank line before the next cue
                return last - (last > timing and self.lines[last].text.strip().isdecimal())
            last += 1
        return last

    def _is_dialogue(self, timing: int) -> bool:
        lines = self.lines[timing + 1 : self._last_line(timing) + 1]
        return any(_DASH.match(line.text) for line in lines)

    def _speakers(self, first: int, stop: int) -> Iterator[tuple[int, int]]:
        """Yield the lines of each speaker, who begins with a dash."""
        begin = first
        for number in range(first + 1, stop):
            if _DASH.match(self.lines[number].text):
                yield begin, number
                begin = number
        if begin < stop:
            yield begin, stop

    def _cue(
        self, first: int, stop: int, timing: re.Match[str], *, is_dialogue: bool
    ) -> _Cue | None:
        lines = self.lines[first:stop]
        dash = _DASH.match(lines[0].text)
        begin, end = lines[0].begin + (dash.end() if dash else 0), lines[-1].end
        collector = Collector(self.text, has_entities=self.is_vtt)
        for match in _MARKUP.finditer(self.text, begin, end):
            collector.add_text(begin, match.start())
            is_pair = match["name"] and not match.group().endswith("/>")
            name = (match["end"] or "") + match["name"].lower() if is_pair else ""
            collector.add_code(*match.span(), name)
            begin = match.end()
        collector.add_text(begin, end)
        segment = collector.segment()
        if segment is None:
            return None
        segment = _without_frame(segment)
        return _Cue(
            segment.text,
            segment.begin,
            segment.end,
            segment.codes,
            n_lines=1 + len(_NEWLINE.findall(self.text, segment.begin, segment.end)),
            newline=lines[0].newline or "\n",
            begin_s=_seconds(timing.groups()[:4]),
            end_s=_seconds(timing.groups()[4:]),
            width=max(len(_MARKUP.sub("", line.text).strip()) for line in lines),
            is_dialogue=is_dialogue,
        )


def _joined(cues: Sequence[_Cue]) -> tuple[list[Segment], int]:
    """Join cues that share a sentence.

    Returns:
        The segments, and how many cues were not joined because of tags within them.
    """
    segments: list[Segment] = []
    group: list[_Cue] = []
    n_with_tags = 0
    for cue in [*cues, None]:
        if group and cue is not None and _share_sentence(group, cue):
            if not (group[-1].codes or cue.codes):
                group.append(cue)
                continue
            n_with_tags += 1
        if len(group) == 1:
            segments += group
        elif group:
            text = " ".join(one.text for one in group)
            segments.append(Segment(text, group[0].begin, group[-1].end, parts=tuple(group)))
        group = [cue] if cue is not None else []
    return segments, n_with_tags


def _share_sentence(group: Sequence[_Cue], cue: _Cue) -> bool:
    last = group[-1]
    if (
        last.is_dialogue
        or cue.is_dialogue
        or not -_MAX_GAP_S <= cue.begin_s - last.end_s <= _MAX_GAP_S
        or len(group) >= _MAX_CUES
        or sum(len(one.text) for one in group) + len(cue.text) > _MAX_CHARS
    ):
        return False
    if _ELLIPSIS.search(last.text):
        return cue.text[0].islower() or cue.text.startswith(("...", "…"))
    return not _SENTENCE_END.search(last.text)


def _without_frame(segment: Segment) -> Segment:
    """Exclude tags around the whole text, and unpaired ones at its ends, from a segment."""
    codes, begin, end = list(segment.codes), segment.begin, segment.end
    size = len(segment.text)
    while codes:
        is_first = codes[0].position == 0
        is_last = codes[-1].position == size
        if is_first and codes[0].partner is None:
            begin = codes.pop(0).end
            codes = [_moved(code, -1) for code in codes]
        elif is_last and codes[-1].partner is None:
            end = codes.pop().begin
        elif is_first and is_last and codes[0].partner == len(codes) - 1:
            begin, end = codes[0].end, codes[-1].begin
            codes = [_moved(code, -1) for code in codes[1:-1]]
        else:
            break
    return Segment(segment.text, begin, end, tuple(codes), segment.protected)


def _moved(code: Code, by: int) -> Code:
    return code if code.partner is None else code._replace(partner=code.partner + by)


def _split_words(words: Sequence[_Word], shares: Sequence[float]) -> list[Sequence[_Word]]:
    """Split words into groups of at least one word, with widths in proportion to their shares."""
    ends = list(accumulate(word.width + len(word.gap) for word in words))
    total = sum(shares)
    if total <= 0:
        shares, total = [1.0] * len(shares), float(len(shares))
    groups: list[Sequence[_Word]] = []
    begin, passed = 0, 0.0
    for number, share in enumerate(shares[:-1], 1):
        passed += share
        wanted = ends[-1] * passed / total
        low, high = begin + 1, len(words) - (len(shares) - number)
        index = min(max(bisect_left(ends, wanted) + 1, low), high)
        if index > low and wanted - ends[index - 2] < ends[index - 1] - wanted:
            index -= 1
        groups.append(words[begin:index])
        begin = index
    return [*groups, words[begin:]]


def _wrapped(words: Sequence[_Word], n_lines: int, width: int) -> list[str]:
    """Return the text of words in at most this many lines, of about equal width."""
    total = sum(word.width + len(word.gap) for word in words)
    n_lines = min(n_lines, len(words), max(ceil(total / max(width, 1)), 1))
    return [
        "".join(word.text if i == 0 else word.gap + word.text for i, word in enumerate(line))
        for line in _split_words(words, [1.0] * n_lines)
    ]


def _seconds(groups: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = groups
    return (
        3600 * int(hours or 0) + 60 * int(minutes or 0) + int(seconds or 0) + float(f"0.{fraction}")
    )
