"""Figures of a translation: attention, beam, word alignment and sublayers."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mtkit.inspection.trace.translation_trace import AttentionMap, TranslationTrace
from mtkit.inspection.views.beam_drawing import NODE_HEIGHT, NODE_WIDTH, beam_drawings
from mtkit.inspection.views.drawing import BeamDrawing, alignment_drawing
from mtkit.inspection.views.figures import COLORS, NamedFigure, Text, subplots
from mtkit.inspection.views.trace_text import SUBLAYERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEADS_PER_ROW = 4
_MAX_NUMBERS = 14
_KIND_NAMES = {
    "encoder": "Encoder self-attention",
    "decoder": "Decoder self-attention",
    "cross": "Cross-attention",
}


def traces_figures(
    traces: Sequence[TranslationTrace], layer: int | None = None, head: int | None = None
) -> Iterator[NamedFigure]:
    """List the figures of sentences; the names of those of several sentences begin with a number.

    See `trace_figures`.
    """
    for number, trace in enumerate(traces, start=1):
        prefix = f"{number}-" if len(traces) > 1 else ""
        for one in trace_figures(trace, layer, head):
            yield one._replace(name=f"{prefix}{one.name}")


def trace_figures(
    trace: TranslationTrace, layer: int | None = None, head: int | None = None
) -> Iterator[NamedFigure]:
    """List the figures of a translation.

    Args:
        trace: The trace.
        layer: The only layer whose attention is drawn, from 1.
        head: The only head whose attention is drawn, from 1.
    """
    for one in trace.attention:
        if layer in (None, one.layer):
            heads = range(1, len(one.weights) + 1) if head is None else [head]
            yield NamedFigure(
                f"attention-{one.kind}-{one.layer}",
                [*one.rows, *one.columns],
                partial(_attention_figure, one, heads),
            )
    drawings = beam_drawings(trace.beam)
    for number, drawing in enumerate(drawings, start=1):
        yield NamedFigure(
            "beam" if len(drawings) == 1 else f"beam-{number}",
            [node.token for node in drawing.nodes],
            partial(_beam_figure, drawing),
        )
    yield NamedFigure(
        "alignment", [*trace.src_words, *trace.tgt_words], partial(_alignment_figure, trace)
    )
    yield NamedFigure("layers", [], partial(_layers_figure, trace))


def _attention_figure(one: AttentionMap, heads: Sequence[int], text: Text) -> "Figure":
    n_columns = min(_HEADS_PER_ROW, len(heads))
    n_rows = -(-len(heads) // n_columns)
    cell = 0.34 if len(one.columns) <= _MAX_NUMBERS else 0.2
    size = cell * len(one.columns) + 0.9, cell * len(one.rows) + 1.1
    figure, all_axes = subplots(n_rows, n_columns, n_columns * size[0], n_rows * size[1])
    for number, axes in enumerate(all_axes.flat):
        if number >= len(heads):
            axes.axis("off")
            continue
        weights = one.weights[heads[number] - 1]
        _draw_cells(axes, weights)
        axes.set_title(f"head {heads[number]}", loc="left")
        columns = [text(label, i) for i, label in enumerate(one.columns, start=1)]
        rows = [text(label, i) for i, label in enumerate(one.rows, start=1)]
        axes.set_xticks(_centers(columns), columns, rotation=60, ha="left", rotation_mode="anchor")
        axes.set_yticks(_centers(rows), rows)
        axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
        if len(one.columns) <= _MAX_NUMBERS:
            _write_percent(axes, weights)
    figure.suptitle(f"{_KIND_NAMES[one.kind]}, layer {one.layer}", x=0.01, ha="left", fontsize=11)
    return figure


def _draw_cells(axes: "Axes", weights: Any) -> None:
    from matplotlib.collections import PolyCollection

    # Only the cells that are not empty, which keeps files small.
    cells = [(place, weight) for place, weight in _cells(weights) if weight >= 0.005]
    boxes = [np.array([(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)]) for (y, x), _ in cells]
    filled = PolyCollection(boxes, cmap="Blues", edgecolors="white", linewidths=0.5, clip_on=False)
    filled.set_array([weight for _, weight in cells])
    filled.set_clim(0, 1)
    axes.add_collection(filled)
    axes.set(xlim=(0, weights.shape[1]), ylim=(weights.shape[0], 0), aspect="equal")


def _centers(labels: Sequence[str]) -> list[float]:
    return [i + 0.5 for i in range(len(labels))]


def _write_percent(axes: "Axes", weights: Any) -> None:
    for (row, column), weight in _cells(weights):
        if weight >= 0.005:
            color = "white" if weight > 0.62 else "black"
            axes.text(
                column + 0.5,
                row + 0.5,
                f"{100 * weight:.0f}",
                ha="center",
                va="center",
                color=color,
                fontsize=7,
            )


def _cells(weights: Any) -> Iterator[tuple[tuple[int, int], float]]:
    for row, values in enumerate(weights.tolist()):
        for column, value in enumerate(values):
            yield (row, column), value


def _canvas(width: float, height: float, scale: float) -> "tuple[Figure, Axes]":
    """Return axes in the coordinates of a drawing, in which y grows downwards."""
    figure, [[axes]] = subplots(1, 1, width / scale, height / scale)
    axes.set_xlim(-4, width + 4)
    axes.set_ylim(height + 4, -4)
    axes.axis("off")
    return figure, axes


def _beam_figure(drawing: BeamDrawing, text: Text) -> "Figure":
    from matplotlib.patches import FancyBboxPatch, PathPatch
    from matplotlib.path import Path as Curve

    figure, axes = _canvas(drawing.width, drawing.height, scale=90)
    for label in drawing.steps:
        axes.text(label.x, label.y, label.text, ha="center", color="#57606a", fontsize=8)
    for edge in drawing.edges:
        axes.add_patch(
            PathPatch(
                Curve(np.array(edge.points), [Curve.MOVETO, *[Curve.CURVE4] * 3]),
                fill=False,
                **_beam_line(edge.kind),
            )
        )
    for number, node in enumerate(drawing.nodes, start=1):
        axes.add_patch(
            FancyBboxPatch(
                (node.x + 4, node.y + 4),
                NODE_WIDTH - 8,
                NODE_HEIGHT - 8,
                boxstyle="round,pad=4",
                facecolor="white",
                **_beam_line(node.kind),
            )
        )
        middle = node.x + NODE_WIDTH / 2
        axes.text(
            middle, node.y + 11, text(node.token, number), ha="center", va="center", fontsize=8
        )
        axes.text(
            middle, node.y + 24, node.value, ha="center", va="center", fontsize=7, color="#57606a"
        )
    return figure


def _beam_line(kind: str) -> dict[str, Any]:
    if "best" in kind:
        return {"edgecolor": "#116329", "linewidth": 2.2}
    if kind == "finished":
        return {"edgecolor": "black", "linewidth": 1.6}
    return {
        "edgecolor": "#57606a",
        "linewidth": 0.8,
        "linestyle": "--" if kind == "pruned" else "-",
    }


def _alignment_figure(trace: TranslationTrace, text: Text) -> "Figure":
    drawing = alignment_drawing(trace.src_words, trace.tgt_words, trace.alignment)
    figure, axes = _canvas(drawing.width, drawing.height, scale=80)
    for labels in (drawing.source, drawing.target):
        for number, label in enumerate(labels, start=1):
            axes.text(label.x, label.y - 6, text(label.text, number), ha="center", fontsize=11)
    for i, j in trace.alignment:
        ends = drawing.source[i], drawing.target[j]
        axes.plot([ends[0].x, ends[1].x], [34, drawing.height - 32], color=COLORS[0])
    return figure


def _layers_figure(trace: TranslationTrace, text: Text) -> "Figure":
    names = [f"{one.side} {one.layer}, {SUBLAYERS[one.sublayer]}" for one in trace.layers]
    figure, [[axes]] = subplots(1, 1, 6.5, 0.8 + 0.36 * len(names))
    rows = range(len(names))
    axes.barh(
        [row - 0.2 for row in rows],
        [one.residual_norm for one in trace.layers],
        height=0.38,
        color=COLORS[0],
        label="input, passed on by the residual connection",
    )
    axes.barh(
        [row + 0.2 for row in rows],
        [one.output_norm for one in trace.layers],
        height=0.38,
        color=COLORS[1],
        label="output of the sublayer, added to it",
    )
    axes.set_yticks(rows, names)
    axes.invert_yaxis()
    axes.set_xlabel("mean Euclidean norm")
    axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1))
    return figure
