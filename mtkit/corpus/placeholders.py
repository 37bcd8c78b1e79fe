"""Parts of a text that programs read: no alteration of a training pair may touch them."""

import re
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


def outside_placeholders(text: str, change: Callable[[str], str]) -> str:
    """The text with all changed that is no placeholder, part by part."""
    return "".join(part if number % 2 else change(part) for number, part in enumerate(PLACEHOLDER.split(text)))


def letter_places(text: str) -> list[int]:
    """Where letters stand that belong to no placeholder, in rising order."""
    places: list[int] = []
    start = 0
    for number, part in enumerate(PLACEHOLDER.split(text)):
        if not number % 2:
            places += [start + i for i, char in enumerate(part) if char.isalpha()]
        start += len(part)
    return places
