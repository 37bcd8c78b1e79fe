"""Tables as plain text, Markdown and LaTeX."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

TableFormat = Literal["text", "markdown", "latex"]

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{char: f"\\{char}" for char in "&%$#_{}"},
    }
)


class Table(NamedTuple):
    """A table of strings."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    n_left: int = 1
    """Number of columns, from the first, that are aligned to the left; the others to the right."""


def render(table: Table, form: TableFormat) -> str:
    """Return a table in a format."""
    return _RENDERERS[form](table)


def _to_text(table: Table) -> str:
    lines = [table.title] if table.title else []
    return "\n".join([*lines, *("  ".join(row).rstrip() for row in _padded(table))])


def _to_markdown(table: Table) -> str:
    rule = ["---" if i < table.n_left else "---:" for i in range(len(table.header))]
    head, *rows = (
        [cell.replace("|", r"\|") for cell in cells] for cells in (table.header, *table.rows)
    )
    lines = [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]
    return "\n".join([f"**{table.title}**\n", *lines] if table.title else lines)


def _to_latex(table: Table) -> str:
    columns = "l" * table.n_left + "r" * (len(table.header) - table.n_left)
    head, *rows = (
        " & ".join(cell.translate(_LATEX) for cell in row) + r" \\"
        for row in (table.header, *table.rows)
    )
    return "\n".join(
        [
            f"% {table.title}",
            f"\\begin{{tabular}}{{{columns}}}",
            r"\hline",
            head,
            r"\hline",
            *rows,
            r"\hline",
            r"\end{tabular}",
        ]
    )


def _padded(table: Table) -> list[list[str]]:
    rows = [table.header, *table.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        [
            cell.ljust(width) if i < table.n_left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    ]


_RENDERERS: dict[str, Callable[[Table], str]] = {
    "text": _to_text,
    "markdown": _to_markdown,
    "latex": _to_latex,
}
