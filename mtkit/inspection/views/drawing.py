"""Coordinates of the drawings in HTML pages; the templates turn them into SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len

N_LEVELS = 20
"""Number of shades of a heat map."""
_CHAR_WIDTH = 6.4
"""Width of a column of text at a font size of 11."""
_MAX_NUMBERS = 14
"""Number of columns up to which the cells of a heat map contain numbers."""


class Cell(NamedTuple):
    """A number in a cell of a heat map."""

    x: float
    y: float
    text: str
    tone: str
    """low, mid or high, by the shade of the cell; decides the color of the number."""


class Label(NamedTuple):
    """Text at a position."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class HeatMap:
    """A heat map: one path for each shade, which keeps pages with many cells small."""

    title: str
    """Short title above the drawing."""
    description: str
    """Text for readers who do not see the drawing."""
    width: float
    height: float
    left: float
    """Begin of the cells, after the labels of the rows."""
    top: float
    """Begin of the cells, below the labels of the columns."""
    cells_width: float
    cells_height: float
    font_size: float
    shades: list[tuple[str, str]]
    """Class of each shade, such as `a12` (or `b12` for negative values), and its path."""
    numbers: list[Cell]
    row_labels: list[Label]
    column_labels: list[Label]
    slanted: bool = True
    """Whether the labels of the columns are turned."""


def text_width(text: str, font_size: float = 11.0) -> float:
    """Estimate the width of a text in a sans-serif font."""
    return cell_len(text) * _CHAR_WIDTH * font_size / 11.0


def weights_map(
    title: str,
    description: str,
    weights: Sequence[Sequence[float]],
    rows: Sequence[str],
    columns: Sequence[str],
) -> HeatMap:
    """Draw weights between 0 and 1 with the labels of rows and columns.

    Args:
        title: Title of the map.
        description: Text alternative.
        weights: One list for each row.
        rows: Labels of the rows.
        columns: Labels of the columns.
    """
    n_columns = len(columns)
    size = 26.0 if n_columns <= _MAX_NUMBERS else 14.0 if n_columns <= 40 else 9.0
    # Slanted labels of neighboring columns must not overlap.
    font_size = min(12.0, 0.74 * size)
    left = max(text_width(label, font_size) for label in rows) + 8
    top = max(text_width(label, font_size) for label in columns) * 0.87 + 8
    # The label of the last column leans beyond its cell.
    overhang = max(0.0, text_width(columns[-1], font_size) * 0.5 - size / 2)
    return HeatMap(
        title,
        description,
        width=left + n_columns * size + overhang + 4,
        height=top + len(rows) * size + 2,
        left=left,
        top=top,
        cells_width=n_columns * size,
        cells_height=len(rows) * size,
        font_size=font_size,
        shades=_shades(weights, size, size),
        numbers=_numbers(weights, size) if n_columns <= _MAX_NUMBERS else [],
        row_labels=[Label(left - 5, top + (i + 0.5) * size, label) for i, label in enumerate(rows)],
        column_labels=[
            Label(left + (i + 0.5) * size, top - 5, label) for i, label in enumerate(columns)
        ],
    )


def signed_map(
    title: str,
    description: str,
    values: Sequence[Sequence[float]],
    row_labels: Sequence[tuple[int, str]],
    column_labels: Sequence[tuple[int, str]],
    size: float,
) -> HeatMap:
    """Draw values between -1 and 1 without numbers.

    Args:
        title: Title of the map.
        description: Text alternative.
        values: One list for each row.
        row_labels: Index of a row and its label, for some rows.
        column_labels: The same for some columns.
        size: Height of a cell; the width is such that all columns are 640 wide.
    """
    n_columns = len(values[0])
    cell_width = 640.0 / n_columns
    left, top = 34.0, 22.0
    return HeatMap(
        title,
        description,
        width=left + 640 + 4,
        height=top + len(values) * size + 2,
        left=left,
        top=top,
        cells_width=640,
        cells_height=len(values) * size,
        font_size=11.0,
        shades=_shades(values, cell_width, size),
        numbers=[],
        row_labels=[Label(left - 5, top + (i + 0.5) * size, text) for i, text in row_labels],
        column_labels=[Label(left + (i + 0.5) * cell_width, 14, text) for i, text in column_labels],
        slanted=False,
    )


def _shades(
    values: Sequence[Sequence[float]], width: float, height: float
) -> list[tuple[str, str]]:
    paths: dict[str, list[str]] = {}
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            if shade := shade_of(value):
                box = f"M{x * width:.4g} {y * height:.4g}h{width:.4g}v{height:.4g}h-{width:.4g}z"
                paths.setdefault(shade, []).append(box)
    return [(shade, "".join(parts)) for shade, parts in sorted(paths.items())]


def shade_of(value: float) -> str:
    """Return the class of a value's shade; empty if it is next to 0."""
    level = min(N_LEVELS, round(abs(value) * N_LEVELS))
    if level == 0 and abs(value) >= 0.01:
        level = 1
    return f"{'a' if value > 0 else 'b'}{level}" if level else ""


def _numbers(weights: Sequence[Sequence[float]], size: float) -> list[Cell]:
    return [
        Cell((x + 0.5) * size, (y + 0.5) * size, f"{100 * weight:.0f}", _tone(weight))
        for y, row in enumerate(weights)
        for x, weight in enumerate(row)
        if weight >= 0.005
    ]


def _tone(weight: float) -> str:
    # With these limits every number has a contrast of at least 4.5 to its cell, in both color
    # schemes of style.css.
    level = round(weight * N_LEVELS)
    return "low" if level <= 12 else "mid" if level <= 15 else "high"


class Tick(NamedTuple):
    """A mark on an axis."""

    position: float
    text: str


class Line(NamedTuple):
    """A line of a chart."""

    name: str
    path: str
    style: int
    """Number of the line's color and dashes, from 1."""


@dataclass(frozen=True)
class Chart:
    """A chart of lines."""

    title: str
    description: str
    x_name: str
    y_name: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    lines: list[Line]
    width: float = 640.0
    height: float = 260.0
    left: float = 64.0
    right: float = 28.0
    top: float = 12.0
    bottom: float = 44.0


def line_chart(
    title: str,
    description: str,
    names: tuple[str, str],
    lines: Sequence[tuple[str, Sequence[float], Sequence[float]]],
) -> Chart:
    """Draw lines.

    Args:
        title: Title of the chart.
        description: Text alternative.
        names: Names of the axes.
        lines: Name, horizontal and vertical values of each line.
    """
    chart = Chart(title, description, *names, [], [], [])
    all_x = [x for _, values, _ in lines for x in values]
    all_y = [y for _, _, values in lines for y in values]
    x_low, x_high, y_low, y_high = min(all_x), max(all_x), min(0.0, *all_y), 1.04 * max(all_y)
    plot_width = chart.width - chart.left - chart.right
    plot_height = chart.height - chart.top - chart.bottom

    def place_x(x: float) -> float:
        return chart.left + plot_width * (x - x_low) / ((x_high - x_low) or 1.0)

    def place_y(y: float) -> float:
        return chart.top + plot_height * (1 - (y - y_low) / ((y_high - y_low) or 1.0))

    drawn = [
        Line(
            name,
            "M"
            + "L".join(f"{place_x(x):.1f} {place_y(y):.1f}" for x, y in zip(xs, ys, strict=True)),
            style,
        )
        for style, (name, xs, ys) in enumerate(lines, start=1)
    ]
    return Chart(
        title,
        description,
        *names,
        x_ticks=[Tick(place_x(x), f"{x:,.6g}") for x in tick_values(x_low, x_high)],
        y_ticks=[Tick(place_y(y), f"{y:,.4g}") for y in tick_values(y_low, y_high)],
        lines=drawn,
    )


def tick_values(low: float, high: float) -> list[float]:
    """Return round values that divide a range into four to nine parts."""
    span = (high - low) or 1.0
    unit = 10.0 ** math.floor(math.log10(span))
    step = unit * next(factor for factor in (1.0, 0.5, 0.2, 0.1) if span / (unit * factor) >= 4)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


class Node(NamedTuple):
    """A hypothesis in the drawing of a beam."""

    x: float
    y: float
    token: str
    value: str
    kind: str
    """kept, finished or pruned; `best` is added for the translation's own path."""


class Edge(NamedTuple):
    """A curve from a hypothesis to its continuation."""

    points: tuple[tuple[float, float], ...]
    """Begin, two control points and end of a cubic Bezier curve."""
    kind: str

    @property
    def path(self) -> str:
        """The curve as an SVG path."""
        start, *others = [f"{x:.0f} {y:.0f}" for x, y in self.points]
        return f"M{start}C{' '.join(others)}"


@dataclass(frozen=True)
class BeamDrawing:
    """Some steps of a beam search as a graph."""

    title: str
    description: str
    width: float
    height: float
    steps: list[Label]
    nodes: list[Node]
    edges: list[Edge]


@dataclass(frozen=True)
class AlignmentDrawing:
    """Two rows of words, with lines between those that are linked."""

    description: str
    width: float
    height: float
    source: list[Label]
    target: list[Label]
    links: list[str]


def alignment_drawing(
    source: Sequence[str], target: Sequence[str], links: Sequence[tuple[int, int]]
) -> AlignmentDrawing:
    """Draw a word alignment: the source above, the target below."""
    sides = []
    for words in (source, target):
        x, centers = 10.0, []
        for word in words:
            width = text_width(word, 15) + 18
            centers.append(x + width / 2)
            x += width
        sides.append((centers, x))
    width = max(end for _, end in sides) + 10
    shifted = [[x + (width - end) / 2 for x in centers] for centers, end in sides]
    height = 130.0
    words = " ".join(f"{source[i]} - {target[j]};" for i, j in links)
    return AlignmentDrawing(
        f"Word alignment: {words or 'no links'}",
        width,
        height,
        [Label(x, 24, word) for x, word in zip(shifted[0], source, strict=True)],
        [Label(x, height - 12, word) for x, word in zip(shifted[1], target, strict=True)],
        [
            f"M{shifted[0][i]:.1f} 34C{shifted[0][i]:.1f} 70 {shifted[1][j]:.1f} 60"
            f" {shifted[1][j]:.1f} {height - 32:.1f}"
            for i, j in links
        ],
    )
