"""Parts of a segment that must be copied: placeholders, ICU arguments, addresses, own patterns."""

import re
from collections.abc import Iterator, Sequence

from mtkit.corpus.placeholders import INSERTED_PATTERN
from mtkit.documents.segment import Protected
from mtkit.errors import MtkitError

_INSERTED = re.compile(INSERTED_PATTERN, re.VERBOSE)
_MARK = re.compile(r"[{%@]|://|www\.")
"""One of the characters that every such part has; most texts have none."""
_ICU_START = re.compile(
    r"\{\s*[\w.-]+\s*,\s*(?:plural|select|selectordinal|choice|number|date|time|spellout|ordinal"
    r"|duration)\s*[,}]"
)
_BRACE = re.compile(r"[{}]")

_MAX_PATTERN_CHARS = 200
_MAX_WEIGHT, _WEIGHT_OF_REPEAT = 8, 3
"""Limits the ways in which a pattern can match: two repetitions and two choices, for example."""
_WINDOW_CHARS = 400
"""Own patterns are searched in stretches of at most this length, which bounds their time."""
_REFUSED = (
    (re.compile(r"\\[1-9]|\(\?P="), "a reference to a group"),
    (re.compile(r"\(\?<?[=!]"), "a look-ahead or look-behind"),
    (re.compile(r"\(\?(?!:|P<|[=!<])"), "a flag or a condition"),
    (re.compile(r"\)[*+?{]"), "a repeated group"),
)
_ESCAPED = re.compile(r"\\[^1-9]|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_REPEAT = re.compile(r"[*+]|\{\d*,\d*\}")
_CHOICE = re.compile(r"(?<![*+?}])\?|\|")
_STRETCH = re.compile(rf".{{1,{_WINDOW_CHARS}}}(?!\S)|.{{1,{_WINDOW_CHARS}}}", re.DOTALL)


class Protector:
    """Finds what must be copied in a text.

    Args:
        patterns: Further regular expressions. They may neither repeat groups nor refer to them, and
            have few repetitions and choices, so that the time is bounded.
    Raises:
        MtkitError: A pattern is not a regular expression of this kind.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self.patterns = [_checked(pattern) for pattern in patterns]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return the parts to be copied, in order and without overlaps.

        Own patterns come first, then ICU arguments with all that is nested in them, then the rest.
        """
        found: list[tuple[int, int]] = []
        for pattern in self.patterns:
            found = _merged(found, _in_stretches(pattern, text))
        if _MARK.search(text) is None:
            return found
        if "{" in text:
            found = _merged(found, _icu_spans(text))
        return _merged(found, (match.span() for match in _INSERTED.finditer(text)))

    def protect(self, text: str, given: Sequence[Protected] = ()) -> tuple[Protected, ...]:
        """Return the protected parts of a text, those that the format has found included."""
        spans = _merged([(one.begin, one.end) for one in given], self.spans(text))
        by_begin = {one.begin: one for one in given}
        return tuple(
            by_begin.get(begin) or Protected(begin, end, text[begin:end], is_text=True)
            for begin, end in spans
        )


def _merged(
    first: list[tuple[int, int]], second: Iterator[tuple[int, int]] | list[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Add those of the second spans that do not overlap any of the first."""
    merged: list[tuple[int, int]] = []
    index = 0
    for begin, end in second:
        while index < len(first) and first[index][1] <= begin:
            merged.append(first[index])
            index += 1
        if begin < end and (index == len(first) or end <= first[index][0]):
            merged.append((begin, end))
    return [*merged, *first[index:]]


def _icu_spans(text: str) -> Iterator[tuple[int, int]]:
    ends: dict[int, int] = {}
    open_braces: list[int] = []
    for brace in _BRACE.finditer(text):
        if brace.group() == "{":
            open_braces.append(brace.start())
        elif open_braces:
            ends[open_braces.pop()] = brace.end()
    end = 0
    for match in _ICU_START.finditer(text):
        if match.start() >= end and match.start() in ends:
            end = ends[match.start()]
            yield match.start(), end


def _in_stretches(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    if len(text) <= _WINDOW_CHARS:
        yield from (match.span() for match in pattern.finditer(text))
        return
    for stretch in _STRETCH.finditer(text):
        yield from (match.span() for match in pattern.finditer(text, *stretch.span()))


def _checked(pattern: str) -> re.Pattern[str]:
    hint = "write a simpler pattern, such as '[A-Z]+-[0-9]+', or give several"
    if not pattern or len(pattern) > _MAX_PATTERN_CHARS:
        message = f"a pattern to protect has 1 to {_MAX_PATTERN_CHARS} characters: `{pattern[:40]}`"
        raise MtkitError(message, hint)
    plain = _ESCAPED.sub("x", pattern)
    for refused, what in _REFUSED:
        if refused.search(plain):
            raise MtkitError(f"the pattern `{pattern}` contains {what}", hint)
    if _weight(plain) > _MAX_WEIGHT:
        raise MtkitError(f"the pattern `{pattern}` can match in too many ways", hint)
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as exc:
        raise MtkitError(f"the pattern `{pattern}` is not valid: {exc}", hint) from exc
    if compiled.match(""):
        raise MtkitError(f"the pattern `{pattern}` matches an empty text", hint)
    return compiled


def _weight(pattern: str) -> int:
    """Count repetitions and choices, except alternatives outside groups, tried one by one."""
    plain = re.sub(r"\(\?(?::|P<\w*>)", "(", pattern)
    depth, n_outside = 0, 0
    for char in plain:
        depth += (char == "(") - (char == ")")
        n_outside += char == "|" and depth <= 0
    n_repeats = len(_REPEAT.findall(plain))
    return _WEIGHT_OF_REPEAT * n_repeats + len(_CHOICE.findall(plain)) - n_outside
