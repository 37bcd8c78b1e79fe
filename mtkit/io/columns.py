"""Columns of text for a terminal, where wide characters, such as Hangul, take two cells."""

from collections.abc import Container, Sequence

from rich.cells import cell_len


def align(rows: Sequence[Sequence[str]], right: Container[int] = (), gap: str = "  ") -> list[str]:
    """Align the columns of rows, without spaces at the end of a line.

    Args:
        rows: Cells; rows may be shorter than others.
        right: Indices of the columns that are aligned to the right.
        gap: Text between two columns.
    """
    n_columns = max(map(len, rows), default=0)
    widths = [
        max((cell_len(row[i]) for row in rows if i < len(row)), default=0) for i in range(n_columns)
    ]
    return [
        gap.join(
            _padded(cell, widths[i], is_right=i in right) for i, cell in enumerate(row)
        ).rstrip()
        for row in rows
    ]


def _padded(cell: str, width: int, *, is_right: bool) -> str:
    space = " " * (width - cell_len(cell))
    return space + cell if is_right else cell + space
