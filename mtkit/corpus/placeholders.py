"""Parts of a text that programs read: no alteration of a training pair may touch them."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable

# Each alternative begins at a sign that is rare in prose, or where a word begins, so that a long line takes no longer than its length.
_PATTERN = r"""
    (?:https?://|ftp://|www\.)[^\s<>"]*[\w/]                              # URL, without the full stop after it
  | (?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+                              # e-mail address
  | \$?\{[^{}\n]{0,60}\}                                                  # {name}, {0}, {n:>8}, ${HOME}
  | %(?:\(\w+\)|\d+\$)[-+\#0]*\d*(?:\.\d+)?[a-zA-Z@]                      # %(name)s, %1$s
  | (?<!\d)%[-+\#0]*\d*(?:\.\d+)?(?:hh?|ll?)?[diouxXeEfFgGcrsa@](?![a-zA-Z])  # %s, %.2f, but not the share in 5 %ig
  | </?[A-Za-z0-9][^<>\n]{0,200}>                                         # <b>, </b>, <2ko>
  | &\#?\w+;                                                              # &amp;
  | \d+(?:[.,:/-]\d+)*                                                    # 1, 3.14, 12:30, 2024-02-29
"""
PLACEHOLDER = re.compile(f"({_PATTERN})", re.VERBOSE)
"""One group, the placeholder: {name}, {0}, %s, %(x)d, ${x}, <tag>, &amp;, URLs, e-mail addresses and numbers."""

_NUMBER = re.compile(r"\d+(?:[.,:/\u00a0\u202f-]\d+)*(?: \d{3}\b)*")
_MAX_SPELLED_OUT = 12
_THOUSANDS = re.compile(r"(?<=\d)[.,\u00a0\u202f ](?=\d{3}(?!\d))")
_POWER_OF_TEN = re.compile(
    r"\s*(?:[십백천만억조十百千万萬亿億兆]|hundred|thousand|[mb]illion|hundert|tausend|Mill?i|тыс|млн|млрд|mille?\b|mln|Mrd|Mio)",
    re.IGNORECASE,
)


def map_outside_placeholders(text: str, change: Callable[[str], str]) -> str:
    """The text with all changed that is no placeholder, part by part."""
    return "".join(
        part if number % 2 else change(part) for number, part in enumerate(PLACEHOLDER.split(text))
    )


def letter_positions(text: str) -> list[int]:
    """Where letters stand that belong to no placeholder, in rising order."""
    places: list[int] = []
    start = 0
    for number, part in enumerate(PLACEHOLDER.split(text)):
        if not number % 2:
            places += [start + i for i, char in enumerate(part) if char.isalpha()]
        start += len(part)
    return places


def lost_placeholders(src: str, tgt: str) -> list[str]:
    """Placeholders of a source that its translation lacks.

    A number counts as kept in any notation of its digits (`1,000.50` as `1.000,50`, `2024-02-29` as `29.02.2024`). Numbers
    that languages write as words are not looked for: those up to twelve, and those before a word for a power of ten, as in
    `3.5만` and `5 million`.

    Args:
        src: A source text.
        tgt: Its translation.
    """
    found = [match.group() for match in PLACEHOLDER.finditer(src)]
    if not found:
        return []
    # An entity is a character of the text, which may well become a word.
    lost = [
        text
        for text, n in Counter(
            text for text in found if not text[0].isdigit() and text[0] != "&"
        ).items()
        if tgt.count(text) < n
    ]
    if any(text[0].isdigit() for text in found):
        lost += _lost_numbers(src, tgt)
    return lost


def _lost_numbers(src: str, tgt: str) -> list[str]:
    kept = Counter(run for number in _NUMBER.findall(tgt) for run in _digit_runs(number))
    lost = []
    for match in _NUMBER.finditer(src):
        runs = _digit_runs(match.group())
        is_spelt = (len(runs) == 1 and int(runs[0]) <= _MAX_SPELLED_OUT) or _POWER_OF_TEN.match(
            src, match.end()
        )
        if not is_spelt and any(kept[run] < n for run, n in Counter(runs).items()):
            lost.append(match.group())
    return lost


def _digit_runs(number: str) -> list[str]:
    """The digits of a number without leading zeros, in one run with those after a thousands separator."""
    digits = "".join(str(unicodedata.digit(char)) if char.isdigit() else char for char in number)
    return [
        run.lstrip("0") for run in re.split(r"\D+", _THOUSANDS.sub("", digits)) if run.strip("0")
    ] or ["0"]
