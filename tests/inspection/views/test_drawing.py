"""Coordinates of the drawings."""

import pytest

from mtkit.inspection.trace.translation_trace import BeamHypothesis, BeamStep, Token
from mtkit.inspection.views.beam_drawing import STEPS_PER_DRAWING, beam_drawings
from mtkit.inspection.views.drawing import (
    alignment_drawing,
    line_chart,
    shade_of,
    tick_values,
    weights_map,
)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (1, 1600, [200, 400, 600, 800, 1000, 1200, 1400, 1600]),
        (0, 0.003, [0, 0.0005, 0.001, 0.0015, 0.002, 0.0025, 0.003]),
        (-3, 4, [-3, -2, -1, 0, 1, 2, 3, 4]),
        (5, 5, [5, 5.2, 5.4, 5.6, 5.8, 6]),
    ],
)
def test_ticks_are_round(low, high, expected):
    values = tick_values(low, high)
    assert [value for value in values if value <= max(high, low)] == pytest.approx(
        [value for value in expected if value <= max(high, low)]
    )


def test_shades():
    assert [shade_of(value) for value in (0, 0.004, 0.012, 0.5, 1, -1, -0.004)] == [
        "",
        "",
        "a1",
        "a10",
        "a20",
        "b20",
        "",
    ]


def test_numbers_only_in_small_maps():
    small = weights_map("", "", [[1.0, 0.0]], ["a"], ["b", "c"])
    assert [number.text for number in small.numbers] == ["100"]
    large = weights_map("", "", [[0.1] * 50], ["a"], ["b"] * 50)
    assert large.numbers == [] and large.cells_width < 500


def test_a_line_touches_the_edges_of_its_chart():
    chart = line_chart("", "", ("x", "y"), [("one", [0, 10], [0.0, 2.0])])
    assert chart.lines[0].path.startswith(f"M{chart.left:.1f} {chart.height - chart.bottom:.1f}L")
    assert [tick.text for tick in chart.y_ticks] == ["0", "0.5", "1", "1.5", "2"]


def hypothesis(token, parent=0, is_best=False):
    return BeamHypothesis(token, Token(token, 7), parent, -1.0, -1.0, is_best)


def test_a_beam_has_an_edge_for_each_continuation():
    steps = [
        BeamStep([hypothesis("a", is_best=True), hypothesis("b")], [], [hypothesis("c")]),
        BeamStep([hypothesis("d", 1)], [hypothesis("</s>", 0, True)], []),
    ]
    [drawing] = beam_drawings(steps)
    assert [node.token for node in drawing.nodes] == ["<s>", "a", "b", "c", "d", "</s>"]
    assert sorted(edge.kind for edge in drawing.edges) == [
        "finished best",
        "kept",
        "kept",
        "kept best",
        "pruned",
    ]
    # An edge ends at the left side of the node that continues its begin.
    ends = {edge.points[-1] for edge in drawing.edges}
    assert ends == {(node.x, node.y + 16) for node in drawing.nodes[1:]}


def test_a_long_search_has_several_drawings():
    steps = [BeamStep([hypothesis(str(i), is_best=True)], [], []) for i in range(16)]
    drawings = beam_drawings(steps)
    assert [drawing.title for drawing in drawings] == [
        "Steps 1 to 7",
        "Steps 7 to 14",
        "Steps 14 to 16",
    ]
    assert len(drawings[1].edges) == STEPS_PER_DRAWING


def test_an_alignment_links_words():
    drawing = alignment_drawing(["나는", "간다"], ["I", "go"], [(0, 0), (1, 1)])
    assert drawing.description == "Word alignment: 나는 - I; 간다 - go;"
    assert len(drawing.links) == 2
    assert drawing.source[0].x < drawing.source[1].x < drawing.width
    assert alignment_drawing(["가"], [], []).description == "Word alignment: no links"
