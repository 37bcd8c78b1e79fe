"""Parts of a text that programs interpret, which no alteration of a training pair may change."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable

# Each alternative begins at a character that is rare in prose, or at a word boundary, so that the
# time is linear in the length of a line.
INSERTED_PATTERN = r"""
    (?:https?://|ftp://|www\.)[^\s<>"]*[\w/]            # URL, without the full stop after it
  | (?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+            # e-mail address
  | [$%\#]?\{(?:\{[^{}\n]{0,60}\}|[^{}\n]{0,60})\}        # {name}, {0}, {n:>8}, ${HOME}, {{x}}
  | %(?:\(\w+\)|\d+\$)[-+\#0]*\d*(?:\.\d+)?[a-zA-Z@]    # %(name)s, %1$s
  | (?<!\d)%[-+\#0]*\d*(?:\.\d+)?(?:hh?|ll?)?[diouxXeEfFgGcrsa@](?![a-zA-Z])  # %.2f, not 5 %ig
"""
"""Verbose pattern of what programs fill in, and of addresses: {name}, {0}, %s, %(x)d, ${x}, URLs
and e-mail addresses.
"""
_MARKUP_PATTERN = rf"""
    {INSERTED_PATTERN}
  | </?[A-Za-z0-9][^<>\n]{{0,200}}>                       # <b>, </b>, <2ko>
  | &\#?\w+;                                            # &amp;
"""
_PATTERN = rf"""
    {_MARKUP_PATTERN}
  | \d+(?:[.,:/-]\d+)*                                  # 1, 3.14, 12:30, 2024-02-29
"""
MARKUP = re.compile(_MARKUP_PATTERN, re.VERBOSE)
"""A placeholder other than a number."""
PLACEHOLDER = re.compile(f"({_PATTERN})", re.VERBOSE)
"""One group, the placeholder: {name}, {0}, %s, %(x)d, ${x}, <tag>, &amp;, URLs, e-mail addresses
and numbers.
"""

_NUMBER = re.compile(r"\d+(?:[.,:/\u00a0\u202f-]\d+)*(?: \d{3}\b)*")
_MAX_SPELLED_OUT = 12
_THOUSANDS = re.compile(r"(?<=\d)[.,\u00a0\u202f ](?=\d{3}(?!\d))")
_POWER_OF_TEN = re.compile(
    r"\s*(?:[십백천만억조十百千万萬亿億兆]|hundred|thousand|[mb]illion|hundert|tausend|Mill?i"
    r"|тыс|млн|млрд|mille?\b|mln|Mrd|Mio)",
    re.IGNORECASE,
)


def map_outside_placeholders(text: str, change: Callable[[str], str]) -> str:
    """Apply a function to each part of a text that is not a placeholder."""
    return "".join(
        part if number % 2 else change(part) for number, part in enumerate(PLACEHOLDER.split(text))
    )


def letter_positions(text: str) -> list[int]:
    """Return the positions of all letters outside placeholders, in ascending order."""
    positions: list[int] = []
    start = 0
    for number, part in enumerate(PLACEHOLDER.split(text)):
        if not number % 2:
            positions += [start + i for i, char in enumerate(part) if char.isalpha()]
        start += len(part)
    return positions


def has_letters(text: str) -> bool:
    """Return whether a text has letters outside placeholders."""
    # No placeholder has a word of letters only, except between brackets.
    if "<" not in text and "{" not in text and any(map(str.isalpha, text.split())):
        return True
    return any(char.isalpha() for part in PLACEHOLDER.split(text)[::2] for char in part)


def lost_placeholders(src: str, tgt: str) -> list[str]:
    """List the placeholders of a source that are missing from its translation.

    A number may be written in any notation of its digits (`1,000.50` as `1.000,50`, `2024-02-29` as
    `29.02.2024`). Numbers that languages write as words are ignored: those up to twelve, and those
    before a word for a power of ten, as in `3.5만` and `5 million`.

    Args:
        src: A source text.
        tgt: Its translation.
    """
    in_src = [match.group() for match in PLACEHOLDER.finditer(src)]
    if not in_src:
        return []
    # An HTML entity is a character of the text, which may be translated by a word.
    missing = [
        text
        for text, n in Counter(
            text for text in in_src if not text[0].isdigit() and text[0] != "&"
        ).items()
        if tgt.count(text) < n
    ]
    if any(text[0].isdigit() for text in in_src):
        missing += _lost_numbers(src, tgt)
    return missing


def _lost_numbers(src: str, tgt: str) -> list[str]:
    in_tgt = Counter(run for number in _NUMBER.findall(tgt) for run in _digit_runs(number))
    missing = []
    for match in _NUMBER.finditer(src):
        runs = _digit_runs(match.group())
        is_spelled_out = (
            len(runs) == 1 and int(runs[0]) <= _MAX_SPELLED_OUT
        ) or _POWER_OF_TEN.match(src, match.end())
        if not is_spelled_out and any(in_tgt[run] < n for run, n in Counter(runs).items()):
            missing.append(match.group())
    return missing


def _digit_runs(number: str) -> list[str]:
    """Split a number into runs of digits without leading zeros, ignoring thousands separators."""
    digits = "".join(str(unicodedata.digit(char)) if char.isdigit() else char for char in number)
    return [
        run.lstrip("0") for run in re.split(r"\D+", _THOUSANDS.sub("", digits)) if run.strip("0")
    ] or ["0"]
