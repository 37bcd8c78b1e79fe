"""Heat maps and lists in plain text, for the width of a terminal."""

from collections.abc import Sequence

from rich.cells import cell_len

from mtkit.io.columns import align


def percent_map(
    weights: Sequence[Sequence[float]],
    rows: Sequence[str],
    columns: Sequence[str],
    max_width: int,
) -> list[str]:
    """Show weights as a table of percentages; `.` is less than half a percent.

    Args:
        weights: One list for each row.
        rows: Labels of the rows.
        columns: Labels of the columns; numbers take their place where they would be too wide.
        max_width: Columns of the terminal.
    """
    cells = [
        [label, *(_percent(weight) for weight in row)]
        for label, row in zip(rows, weights, strict=True)
    ]
    head = ["", *columns]
    right = range(1, len(head))
    lines = align([head, *cells], right)
    if max(map(cell_len, lines)) <= max_width:
        return lines
    numbered = align([["", *(str(i) for i in range(1, len(head)))], *cells], right, gap=" ")
    legend = "  ".join(f"{number} {label}" for number, label in enumerate(columns, start=1))
    return [*wrap(f"columns: {legend}", max_width), *numbered]


def _percent(weight: float) -> str:
    return f"{100 * weight:.0f}" if weight >= 0.005 else "."


def wrap(text: str, max_width: int, indent: str = "") -> list[str]:
    """Break a text between items, which are separated by two spaces."""
    lines: list[str] = [""]
    for item in text.split("  "):
        start = "" if len(lines) == 1 else indent
        longer = f"{lines[-1]}  {item}" if lines[-1].strip() else f"{start}{item}"
        if cell_len(longer) > max_width and lines[-1].strip():
            lines.append(f"{indent}{item}")
        else:
            lines[-1] = longer
    return lines
