"""Traces and facts in a terminal."""

import re

import pytest
from rich.cells import cell_len

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.config.recipe import Recipe
from mtkit.inspection.recipe.facts import recipe_facts
from mtkit.inspection.trace.trace import trace_translation
from mtkit.inspection.views.recipe_text import facts_to_text
from mtkit.inspection.views.text_table import percent_map, wrap
from mtkit.inspection.views.trace_text import trace_to_text
from mtkit.training.optimizer import learning_rate

TEXT = "나는 학교에 간다"


@pytest.fixture(scope="module")
def trace(make_trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "model"
    save_model_dir(path, make_trained(n_encoder_layers=2))
    return trace_translation(path, TEXT)


def test_percentages_and_numbers_for_wide_columns():
    weights = [[0.999, 0.001], [0.25, 0.75]]
    assert percent_map(weights, ["가", "b"], ["나", "다라"], 40) == [
        "     나  다라",
        "가  100     .",
        "b    25    75",
    ]
    assert percent_map(weights, ["가", "b"], ["나" * 20, "다라"], 40) == [
        "columns: 1 " + "나" * 20,
        "2 다라",
        "     1  2",
        "가 100  .",
        "b   25 75",
    ]


def test_wrapping():
    assert wrap("a 1  b 2  c 3", 8, indent="  ") == ["a 1  b 2", "  c 3"]
    assert wrap("one", 2) == ["one"]


def test_a_trace_in_a_terminal(trace):
    text = trace_to_text(trace, 200)
    assert text.startswith(f"{TEXT} -> {trace.translation}\n")
    for title in ("Subwords", "Shapes", "Attention", "Next token", "Beam search", "Word alignment"):
        assert f"\n\n{title}" in text
    assert text.count(", the most focused one") == 3
    layer, head = trace.focused_head("encoder")
    assert f"encoder self-attention, layer {layer}, head {head}, the most focused one" in text
    [steps] = [part for part in text.split("\n\n") if part.startswith("Beam search")]
    assert steps.count("*") - 1 == len(trace.predictions)
    assert [line for line in text.split("\n") if line != line.rstrip()] == []


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [
        ({"layer": 2}, {"encoder": [(2, 1), (2, 2)], "cross": []}),
        ({"head": 2}, {"encoder": [(1, 2), (2, 2)], "cross": [(1, 2)]}),
        ({"layer": 1, "head": 1}, {"encoder": [(1, 1)], "cross": [(1, 1)]}),
    ],
)
def test_chosen_heads(trace, chosen, shown):
    text = trace_to_text(trace, 200, **chosen)
    for kind, places in shown.items():
        lines = re.findall(rf"^  {kind}.*, layer (\d+), head (\d+)$", text, re.MULTILINE)
        assert lines == [(str(layer), str(head)) for layer, head in places]


def test_lines_fit_a_terminal_where_they_can(trace):
    [section] = [
        part for part in trace_to_text(trace, 60).split("\n\n") if part.startswith("Subwords")
    ]
    assert all(cell_len(line) <= 60 for line in section.split("\n"))


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary", "learned"])
def test_a_recipe_in_a_terminal(tiny_recipe_path, positions):
    recipe = Recipe.load(tiny_recipe_path, [f"model.positions={positions}"])
    facts = recipe_facts(
        tiny_recipe_path, recipe, lambda step: learning_rate(step, recipe.training)
    )
    text = facts_to_text(facts)
    assert f"{facts.n_parameters:,} parameters" in text.split("\n")[0]
    assert f"Positions: {positions}" in text
    assert ("k = 64" in text) == (positions != "learned")
    assert f"{facts.label_smoothing.floor:.4f}" in text
