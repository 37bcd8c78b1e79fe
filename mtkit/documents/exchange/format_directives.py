"""Format directives of messages, by the flags of gettext, such as `c-format`.

GNU gettext manual, "Translators for other Languages".
"""

import re
from collections.abc import Iterable

_PRINTF = (
    r"%(?:\d+\$|\(\w+\))?[-+ #0'I,_]*(?:\*(?:\d+\$)?|\d+)?(?:\.(?:\*(?:\d+\$)?|\d*))?"
    r"(?:<\w+>|(?:hh|h|ll|l|L|q|j|z|t)?[a-zA-Z@%])"
)
_BRACE = r"\{\{|\}\}|\{(?:[^{}]|\{[^{}]*\})*\}|[{}]"
_PATTERNS = {
    **dict.fromkeys(
        "c objc gcc-internal gfc-internal python php perl awk lua object-pascal tcl java-printf"
        " ruby elisp librep javascript".split(),
        _PRINTF,
    ),
    **dict.fromkeys("python-brace perl-brace csharp java c++ rust d".split(), _BRACE),
    **dict.fromkeys(["lisp", "scheme"], r"~[^a-zA-Z~%]*[a-zA-Z~%]"),
    "sh": r"\$\w+|\$\{\w+\}",
    "sh-printf": _PRINTF,
    "boost": rf"%\d+%|%\|[^|]*\||{_PRINTF}",
    "qt": r"%L?(?:\d{1,2}|n)",
    "qt-plural": r"%L?n",
    **dict.fromkeys("kde kde-kuit smalltalk ycp".split(), r"%\d+|%n"),
}
_COMPILED = {name: re.compile(pattern) for name, pattern in _PATTERNS.items()}


def directive_pattern(flags: Iterable[str]) -> re.Pattern[str] | None:
    """Return a pattern of the directives in messages with some flags; None if there are none."""
    names = (flag.removesuffix("-format") for flag in flags if flag.endswith("-format"))
    return next((_COMPILED[name] for name in names if name in _COMPILED), None)
