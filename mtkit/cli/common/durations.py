"""Lengths of time as people write them."""

import re

import typer

_PATTERN = re.compile(
    r"(?:(?P<d>\d+(?:\.\d+)?)d)?(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?"
)
_UNITS_S = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}


def parse_duration(text: str) -> float:
    """Seconds from a text such as `90s`, `45m`, `3h`, `1h30m` or `2d`.

    Raises:
        typer.BadParameter: It is no such text, or no time at all.
    """
    match = _PATTERN.fullmatch(text.strip().lower())
    seconds = (
        sum(_UNITS_S[unit] * float(number) for unit, number in match.groupdict().items() if number)
        if match
        else 0.0
    )
    if seconds <= 0:
        raise typer.BadParameter(
            f"{text} is no length of time; write it as in 90s, 45m, 3h, 1h30m or 2d"
        )
    return seconds
