"""Line charts with matplotlib: a file for several runs, and inline SVG for a page.

On a page, text and lines take their colors from CSS variables, so that a chart is readable on a
light and on a dark background.
"""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from itertools import cycle
from pathlib import Path
from typing import Any

from mtkit.errors import MtkitError
from mtkit.inspection.runs.groups import RunGroup
from mtkit.inspection.runs.run_record import SHOWN_NAMES, Curve
from mtkit.inspection.views.figures import subplots
from mtkit.io.atomic import atomic_write

PALETTE = ("#1b6ca8", "#c2410c", "#2e7d32", "#8e24aa", "#b7791f", "#00838f", "#ad1457", "#4e5d6c")
"""Colors on white, each with a contrast of at least 3:1."""
_LINE_STYLES = ("-", "--", "-.", ":")
_TEXT, _GRID = "#010101", "#020202"
_SERIES = ("#030301", "#030302", "#030303", "#030304", "#030305", "#030306")
_VARIABLES = {
    _TEXT: "var(--chart-text)",
    _GRID: "var(--chart-grid)",
    **{color: f"var(--series-{number})" for number, color in enumerate(_SERIES, 1)},
}
"""Colors that matplotlib writes, and the CSS variables that replace them."""
_SVG_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "mtkit",  # equal charts are equal files
    "font.size": 9,
}
_CJK_FONTS = ("Noto Sans CJK KR", "Noto Sans KR", "NanumGothic", "Malgun Gothic", "AppleGothic")
"""Fonts for names of runs; the first that is installed is used."""
_MAX_LEGEND_ENTRIES = 16
_LEGEND_WIDTH, _LEGEND_HANDLE = 66, 6
"""Width of a chart on a page, and of the line before a name in its legend, in characters."""
_START_SHARE, _MARGIN, _MIN_COMPRESSION = 0.1, 1.05, 1.5
"""The start of a curve is left out if the rest would fill less than two thirds of the height."""


@dataclass(frozen=True)
class Series:
    """A line of a chart."""

    name: str
    """Name in the legend."""
    curve: Curve


@dataclass(frozen=True)
class Chart:
    """A line chart over the steps of a run."""

    key: str
    """Identifier on the page, such as `loss`."""
    title: str
    series: Sequence[Series]
    best_step: int | None = None
    """Step to mark with a vertical line."""
    is_logarithmic: bool = False
    """Whether equal distances on the vertical axis are equal factors."""
    cuts_start: bool = False
    """Whether the vertical axis may leave out the first tenth of the steps, which would compress
    the rest."""

    @property
    def top(self) -> float | None:
        """End of the vertical axis if it leaves out higher values at the start; else None."""
        points = [point for series in self.series for point in series.curve]
        n_steps = max(step for step, _ in points)
        later = [value for step, value in points if step >= _START_SHARE * n_steps]
        highest, lowest = max(value for _, value in points), min(later)
        top = lowest + _MARGIN * (max(later) - lowest)
        is_cut = self.cuts_start and highest - lowest > _MIN_COMPRESSION * (top - lowest)
        return top if is_cut and top > lowest else None

    @property
    def note(self) -> str:
        """Note on the vertical axis; empty if there is none."""
        if self.is_logarithmic:
            return "Logarithmic axis."
        return "" if self.top is None else "Higher values at the start are not shown."

    @property
    def description(self) -> str:
        """Text that replaces the chart for those who do not see it."""
        parts = []
        for series in self.series:
            (first, start), (last, end) = series.curve[0], series.curve[-1]
            low = min(series.curve, key=lambda point: point[1])
            high = max(series.curve, key=lambda point: point[1])
            parts.append(
                f"{series.name}: {_short(start)} at step {first:,}, {_short(end)} at "
                f"step {last:,}; lowest {_short(low[1])} at step {low[0]:,}, highest "
                f"{_short(high[1])} at step {high[0]:,}."
            )
        return " ".join(parts)


def _short(value: float) -> str:
    return f"{value:.4g}"


def chart_svg(chart: Chart) -> str:
    """Return a chart as an SVG element for a page, with its title and description as alternatives.

    The page defines the CSS variables --chart-text, --chart-grid, and --series-1 to --series-6.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    with _settings():
        figure, [[axes]] = subplots(1, 1, 4.6, 2.7)
        styles = zip(chart.series, _SERIES, cycle(_LINE_STYLES), strict=False)
        for series, color, style in styles:
            _draw(axes, series.curve, color, style, series.name)
        _finish_axes(axes, _TEXT, _GRID)
        if chart.best_step is not None:
            axes.axvline(chart.best_step, color=_TEXT, linewidth=1, linestyle=(0, (1, 3)))
        if chart.is_logarithmic and all(
            value > 0 for one in chart.series for _, value in one.curve
        ):
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
            axes.yaxis.set_minor_formatter(NullFormatter())
        if chart.top is not None:
            axes.set_ylim(top=chart.top)
        if len(chart.series) > 1:
            n_columns = _legend_columns([series.name for series in chart.series])
            figure.legend(
                loc="outside lower center", ncols=n_columns, frameon=False, labelcolor=_TEXT
            )
        buffer = io.StringIO()
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=no_metadata)
    return _inline(buffer.getvalue(), chart)


def _legend_columns(names: Sequence[str]) -> int:
    """Return the number of columns in which names fit below a chart."""
    widths = [len(name) + _LEGEND_HANDLE for name in names]
    if sum(widths) <= _LEGEND_WIDTH:
        return len(names)
    return 2 if 2 * max(widths) <= _LEGEND_WIDTH else 1


def _inline(svg: str, chart: Chart) -> str:
    """Turn an SVG file into an element of a page."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", body, flags=re.S)
    # Identifiers are unique on the page.
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{chart.key}-", body)
    for color, variable in _VARIABLES.items():
        body = body.replace(color, variable)
    [view_box] = re.findall(r'viewBox="[^"]*"', body)[:1]
    ids = f"{chart.key}-title {chart.key}-desc"
    head = (
        f'<svg class="chart" role="img" aria-labelledby="{ids}" {view_box}>\n'
        f'<title id="{chart.key}-title">{escape(chart.title)}</title>\n'
        f'<desc id="{chart.key}-desc">{escape(chart.description)}</desc>'
    )
    return head + body[body.index(">") + 1 :].rstrip()


def plot_validation(groups: Sequence[RunGroup], path: Path) -> None:
    """Plot the validation curves of runs to a PNG or SVG file, with a panel for each score.

    Runs that differ in the seed alone have the same color and other line styles.

    Raises:
        MtkitError: There are no validations, or the file cannot be written.
    """
    records = [run for group in groups for run in group.runs]
    names = [name for name in SHOWN_NAMES if any(run.curve("validation", name) for run in records)]
    if not names:
        raise MtkitError(
            f"`{path}`: nothing to plot, since no run has a validation",
            "train with data.validation in the recipe",
        )
    with _settings():
        figure, [panels] = subplots(1, len(names), 4.8 * len(names), 3.6)
        for axes, name in zip(panels, names, strict=True):
            for group in groups:
                color = PALETTE[(group.number - 1) % len(PALETTE)]
                for number, run in enumerate(group.runs):
                    style = _LINE_STYLES[number % len(_LINE_STYLES)]
                    _draw(axes, run.curve("validation", name), color, style, run.name)
            axes.set_title(f"validation {SHOWN_NAMES[name]}")
            _finish_axes(axes, "black", "#d0d0d0")
        if len(records) > 1:
            n_columns = 1 if len(records) <= _MAX_LEGEND_ENTRIES else 2
            panels[-1].legend(
                loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, ncols=n_columns
            )
        form = path.suffix.lower().removeprefix(".")
        metadata = {"Date": None} if form == "svg" else {}
        with atomic_write(path) as file:
            figure.savefig(file, format=form, dpi=150, facecolor="white", metadata=metadata)


@contextmanager
def _settings() -> Iterator[None]:
    """Draw within this context with our settings, and without warnings about missing glyphs."""
    import matplotlib as mpl
    from matplotlib.font_manager import get_font_names

    installed = set(get_font_names())
    families = ["DejaVu Sans", *[name for name in _CJK_FONTS if name in installed][:1]]
    with mpl.rc_context({**_SVG_SETTINGS, "font.family": families}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        yield


def _draw(axes: Any, curve: Curve, color: str, style: str, label: str) -> None:
    steps, values = [step for step, _ in curve], [value for _, value in curve]
    # A single point would not be visible as a line.
    marker = "o" if len(curve) <= _MAX_MARKED_POINTS else ""
    axes.plot(
        steps,
        values,
        color=color,
        linestyle=style,
        label=label,
        linewidth=1.4,
        marker=marker,
        markersize=3,
    )


_MAX_MARKED_POINTS = 30


def _finish_axes(axes: Any, text: str, grid: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xlabel("step", color=text)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: _short_step(step)))
    axes.grid(visible=True, color=grid, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=text, which="both")
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(text)


def _short_step(step: float) -> str:
    return f"{step / 1000:g}k" if step >= 10_000 else f"{step:,.0f}"
