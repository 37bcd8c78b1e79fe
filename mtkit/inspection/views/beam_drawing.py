"""The beam of a search as a graph: one column for each step."""

from collections.abc import Sequence
from typing import NamedTuple

from mtkit.inspection.trace.translation_trace import BeamHypothesis, BeamStep
from mtkit.inspection.views.drawing import BeamDrawing, Edge, Label, Node

STEPS_PER_DRAWING = 7
NODE_WIDTH, NODE_HEIGHT = 96.0, 32.0
_STEP, _ROW, _TOP = 134.0, 40.0, 26.0
_MAX_KEPT, _MAX_PRUNED = 10, 2
_MAX_CHARS = 11


class _Placed(NamedTuple):
    hypothesis: BeamHypothesis
    kind: str
    index: int | None
    """Index among the kept hypotheses; None if it is not kept."""
    y: float


def beam_drawings(steps: Sequence[BeamStep]) -> list[BeamDrawing]:
    """Draw a search, in several drawings if it is long.

    The first column of a further drawing is the last one of the drawing before.
    """
    columns = [_column(step) for step in steps]
    drawings = []
    for begin in range(0, len(steps), STEPS_PER_DRAWING):
        end = min(begin + STEPS_PER_DRAWING, len(steps))
        first = max(0, begin - 1)
        drawings.append(_drawing(columns[first:end], first, is_start=begin == 0))
    return drawings


def _column(step: BeamStep) -> list[_Placed]:
    kept = [
        (one, "kept", i) for i, one in enumerate(step.kept) if i < _MAX_KEPT or one.is_best_path
    ]
    rows = [
        *kept,
        *((one, "finished", None) for one in step.finished),
        *((one, "pruned", None) for one in step.pruned[:_MAX_PRUNED]),
    ]
    return [
        _Placed(one, f"{kind} best" if one.is_best_path else kind, index, _TOP + row * _ROW)
        for row, (one, kind, index) in enumerate(rows)
    ]


def _drawing(columns: Sequence[list[_Placed]], first: int, *, is_start: bool) -> BeamDrawing:
    n_rows = max(map(len, columns))
    height = _TOP + n_rows * _ROW + 4
    nodes, edges, labels = [], [], []
    places: dict[int, tuple[float, float]] = {}
    shift = NODE_WIDTH + 38 if is_start else 0.0
    if is_start:
        nodes.append(Node(0.0, _TOP, "<s>", "0.00", "kept best"))
        places = {0: (NODE_WIDTH, _TOP + NODE_HEIGHT / 2)}
    for number, column in enumerate(columns):
        x = shift + number * _STEP
        labels.append(Label(x + NODE_WIDTH / 2, 14, f"step {first + number + 1}"))
        after: dict[int, tuple[float, float]] = {}
        for one in column:
            middle = one.y + NODE_HEIGHT / 2
            hypothesis = one.hypothesis
            nodes.append(
                Node(
                    x, one.y, _short(hypothesis.token.text), f"{hypothesis.log_prob:.2f}", one.kind
                )
            )
            if hypothesis.parent in places:
                from_x, from_y = places[hypothesis.parent]
                bend = (from_x + x) / 2
                points = ((from_x, from_y), (bend, from_y), (bend, middle), (x, middle))
                edges.append(Edge(points, one.kind))
            if one.index is not None:
                after[one.index] = (x + NODE_WIDTH, middle)
        places = after
    last = first + len(columns)
    return BeamDrawing(
        f"Steps {first + 1} to {last}",
        f"Graph of the beam from step {first + 1} to step {last}; the table below has the same"
        " hypotheses as text.",
        shift + (len(columns) - 1) * _STEP + NODE_WIDTH + 2,
        height,
        labels,
        nodes,
        sorted(edges, key=lambda edge: "best" in edge.kind),
    )


def _short(text: str) -> str:
    return text if len(text) <= _MAX_CHARS else f"{text[: _MAX_CHARS - 1]}…"
