"""Translations as text, columns or JSON objects."""

import json
from collections.abc import Iterable
from typing import Any

from mtkit.translation.lines.line_options import LineFormat
from mtkit.translation.result import Translation

DETAIL_NAMES = ("score", "flags")
"""Columns that follow a translation with details."""


def write_alone(
    translation: Translation, number: int, format: LineFormat, n_best: int | None
) -> str:
    """Format a translation without the rest of its line.

    Args:
        translation: Translation of the line.
        number: Line number, which precedes each of the n best.
        format: Format of the output.
        n_best: None writes only the best translation, without a number.
    Returns:
        One line, or one for each alternative, separated by LF.
    """
    if format == "jsonl":
        return json_text(json_object(translation, with_alternatives=n_best is not None))
    if "\n" in translation.text:  # from a JSON value of several lines
        translation = _on_one_line(translation)
    if n_best is None:
        return translation.text if format == "text" else row(columns(translation)[0], format)
    if format == "text":
        return "\n".join(
            f"{number}\t{alternative.score:.4f}\t{alternative.text}"
            for alternative in translation.alternatives
        )
    return "\n".join(row([str(number), *cells], format) for cells in columns(translation))


def columns(translation: Translation) -> list[list[str]]:
    """Return text, score and flags of each alternative, the best first."""
    return [
        [alternative.text, f"{alternative.score:.4f}", ",".join(translation.flags)]
        for alternative in translation.alternatives
    ]


def row(cells: Iterable[str], format: LineFormat) -> str:
    """Join cells to a line of TSV or CSV."""
    return "\t".join(cells) if format == "tsv" else ",".join(map(quoted, cells))


def quoted(text: str) -> str:
    """Return a cell of CSV, quoted if necessary."""
    return '"' + text.replace('"', '""') + '"' if any(char in text for char in ',"\r\n') else text


def json_object(translation: Translation, with_alternatives: bool) -> dict[str, Any]:
    """Return a translation with its score and flags, as a JSON object."""
    found: dict[str, Any] = {"text": translation.text, "score": _rounded(translation.score)}
    if with_alternatives:
        found["n_best"] = [
            {"text": alternative.text, "score": _rounded(alternative.score)}
            for alternative in translation.alternatives
        ]
    if translation.alignment is not None:
        found["alignment"] = translation.alignment
    return found | {"flags": list(translation.flags)}


def json_text(value: Any) -> str:
    """Format a value as JSON on one line, without escapes for non-ASCII characters."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _rounded(score: float) -> float:
    return round(score, 6)


def _on_one_line(translation: Translation) -> Translation:
    alternatives = tuple(
        alternative._replace(text=alternative.text.replace("\n", " "))
        for alternative in translation.alternatives
    )
    return translation._replace(text=translation.text.replace("\n", " "), alternatives=alternatives)
