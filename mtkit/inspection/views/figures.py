"""Figures as SVG and PNG files, drawn with matplotlib."""

import warnings
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORS = ("#0550ae", "#b35900", "#116329", "#8250df")
_SETTINGS: dict[Any, Any] = {
    # Text remains text: it can be searched, and a viewer takes its own fonts.
    "svg.fonttype": "none",
    "svg.hashsalt": "mtkit",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.unicode_minus": False,
    "text.parse_math": False,
}


Text = Callable[[str, int], str]
"""Returns the text to show for a label and its number in a row, from 1."""


class NamedFigure(NamedTuple):
    """A figure to write."""

    name: str
    """Name of the files, without their ending."""
    labels: list[str]
    """Texts that may need a font of their own."""
    draw: "Callable[[Text], Figure]"


def require_matplotlib() -> None:
    """Check that matplotlib is installed.

    Raises:
        MtkitError: It is not.
    """
    if find_spec("matplotlib") is None:
        raise MtkitError(
            "figures are drawn by matplotlib, which is not installed", "pip install 'mtkit[plots]'"
        )


def write_figures(directory: Path, figures: Iterable[NamedFigure]) -> list[Path]:
    """Write each figure as SVG and as PNG, and return the paths.

    Where no installed font has the characters of a label, PNG files show its number instead, and a
    warning names a font to install.
    """
    import matplotlib as mpl

    from mtkit.inspection.views.fonts import find_fonts, warn_of_missing

    figures = list(figures)
    fonts, missing = find_fonts(label for figure in figures for label in figure.labels)
    warn_of_missing(missing)

    def drawable(label: str, number: int) -> str:
        return str(number) if missing & set(label) else label

    paths = []
    with mpl.rc_context({**_SETTINGS, "font.family": [*fonts, "sans-serif"]}):
        mpl.use("agg")
        for one in figures:
            svg = _laid_out(one.draw(_unchanged))
            png = _laid_out(one.draw(drawable)) if missing else svg
            outputs: list[tuple[Figure, str, dict[str, Any]]] = [
                (svg, "svg", {"metadata": {"Date": None}}),
                (png, "png", {"dpi": 200}),
            ]
            for figure, suffix, options in outputs:
                paths.append(directory / f"{one.name}.{suffix}")
                with atomic_write(paths[-1]) as stream, warnings.catch_warnings():
                    _ignore_missing_glyphs()
                    figure.savefig(stream, format=suffix, bbox_inches="tight", **options)
    return paths


def _laid_out(figure: "Figure") -> "Figure":
    """Compute the layout once; each saving would compute it again."""
    with warnings.catch_warnings():
        _ignore_missing_glyphs()
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def _ignore_missing_glyphs() -> None:
    # The text of an SVG is drawn by its viewer, in other fonts; PNG files have numbers instead.
    warnings.filterwarnings("ignore", "Glyph .* missing from font")


def _unchanged(label: str, number: int) -> str:
    return label


def subplots(n_rows: int, n_columns: int, width: float, height: float) -> "tuple[Figure, Any]":
    """Make a figure without a window, of a size in inches, and an array of its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(n_rows, n_columns, squeeze=False)
