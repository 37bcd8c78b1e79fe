"""Tables as plain text, Markdown and LaTeX."""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from mtkit.io.columns import align

TableFormat = Literal["text", "markdown", "latex"]

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        # The default font encoding of LaTeX has other characters in their places.
        "|": r"\textbar{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
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


def signature_table(signatures: Iterable[tuple[str, str]]) -> Table:
    """Return the table of the metrics and their signatures."""
    return Table("Signatures", ["metric", "signature"], list(signatures), n_left=2)


def render(table: Table, form: TableFormat) -> str:
    """Return a table in a format."""
    return _RENDERERS[form](table)


def _to_text(table: Table) -> str:
    lines = align([table.header, *table.rows], right=range(table.n_left, len(table.header)))
    return "\n".join([table.title, *lines] if table.title else lines)


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


_RENDERERS: dict[str, Callable[[Table], str]] = {
    "text": _to_text,
    "markdown": _to_markdown,
    "latex": _to_latex,
}
