"""Figures: files, texts that stay texts, and labels in fonts that have them."""

import logging
import re
import xml.etree.ElementTree as ET

import pytest

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.inspection.recipe.facts import recipe_facts
from mtkit.inspection.trace.trace import trace_translation
from mtkit.inspection.views import figures, fonts
from mtkit.inspection.views.figures import write_figures
from mtkit.inspection.views.recipe_figures import recipe_figures
from mtkit.inspection.views.trace_figures import trace_figures
from mtkit.training.optimizer import learning_rate

TEXT = "나는 간다"


@pytest.fixture(scope="module")
def trace(make_trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("figures") / "model"
    save_model_dir(path, make_trained())
    return trace_translation(path, TEXT, beam_size=2, max_length=4)


def texts_of(path):
    return [
        element.text or "" for element in ET.parse(path).iter() if element.tag.endswith("}text")
    ]


def test_figures_of_a_translation(trace, tmp_path):
    paths = write_figures(tmp_path, trace_figures(trace))
    names = {f"attention-{kind}-1" for kind in ("encoder", "decoder", "cross")}
    names |= {"beam", "alignment", "layers"}
    assert {path.name for path in paths} == {
        f"{name}.{suffix}" for name in names for suffix in ("svg", "png")
    }
    texts = texts_of(tmp_path / "attention-cross-1.svg")
    for token in (*trace.src_tokens, *trace.tgt_tokens):
        assert token.text in texts
    assert "head 1" in texts and "head 2" in texts
    for path in paths:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")


def test_svg_files_are_the_same_each_time(trace, tmp_path):
    [alignment] = [one for one in trace_figures(trace) if one.name == "alignment"]
    for name in ("a", "b"):
        write_figures(tmp_path / name, [alignment])
    first, second = (next((tmp_path / name).glob("*.svg")).read_bytes() for name in ("a", "b"))
    assert first == second


def test_one_layer_and_one_head(trace):
    assert not [one for one in trace_figures(trace, layer=2) if one.name.startswith("attention")]
    [encoder, *_] = trace_figures(trace, layer=1, head=2)
    figure = encoder.draw(lambda label, number: label)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["head 2"]


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary", "learned"])
def test_figures_of_a_recipe(tiny_recipe_path, tmp_path, positions):
    recipe = Recipe.load(tiny_recipe_path, [f"model.positions={positions}"])
    facts = recipe_facts(
        tiny_recipe_path, recipe, lambda step: learning_rate(step, recipe.training)
    )
    drawn = list(recipe_figures(facts))
    expected = {"learning-rate", "parameters", "label-smoothing"}
    expected |= {"positions", "position-products"} if positions != "learned" else set()
    assert {one.name for one in drawn} == expected
    [path, _] = write_figures(tmp_path, [one for one in drawn if one.name == "label-smoothing"])
    assert "loss in nats" in texts_of(path)


def test_labels_without_a_font_are_numbers_and_said_so(trace, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(fonts, "_candidates", list)
    drawn = []
    one = next(trace_figures(trace))
    spied = one._replace(draw=lambda text: drawn.append(text) or one.draw(text))
    with caplog.at_level(logging.WARNING):
        [svg, _] = write_figures(tmp_path, [spied])
    for_svg, for_png = drawn
    assert for_svg("▁나는", 3) == "▁나는" and "나" in "".join(texts_of(svg))
    assert for_png("▁나는", 3) == "3" and for_png("</s>", 4) == "</s>"
    [record] = caplog.records
    assert re.search("no installed font has .*; apt install fonts-nanum", record.getMessage())


def test_a_font_is_found_for_what_it_has(monkeypatch):
    names, missing = fonts.find_fonts(["abc é λ Ж"])
    assert (names, missing) == (["DejaVu Sans"], set())
    _, missing = fonts.find_fonts(["a\u0378"])  # a code point that is not assigned
    assert missing in ({"\u0378"}, set())


def test_missing_matplotlib(monkeypatch):
    monkeypatch.setattr(figures, "find_spec", lambda name: None)
    with pytest.raises(MtkitError, match="matplotlib") as caught:
        figures.require_matplotlib()
    assert caught.value.hint == "pip install 'mtkit[plots]'"
