"""The pages: well formed, self-contained, accessible, and safe whatever the text is."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.config.recipe import Recipe
from mtkit.inspection.recipe.facts import recipe_facts
from mtkit.inspection.trace.trace import trace_translation
from mtkit.inspection.views.html import recipe_to_html, traces_to_html
from mtkit.training.optimizer import learning_rate

TEXT = "나는 학교에 간다"
VOID = {"meta", "link", "br", "img", "input", "hr", "path", "rect", "line"}


class Page(HTMLParser):
    """Elements and texts of a page; fails if tags are not balanced."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def model_dir(make_trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("html") / "model"
    save_model_dir(path, make_trained(n_decoder_layers=2, norm="pre", max_length=60))
    return path


@pytest.fixture(scope="module")
def trace(model_dir):
    return trace_translation(model_dir, TEXT)


@pytest.fixture(scope="module")
def trace_page(trace):
    return traces_to_html([trace])


@pytest.fixture(params=[[], ["model.positions=rotary"], ["model.positions=learned"]], ids=str)
def recipe_page(request, tiny_recipe_path):
    recipe = Recipe.load(tiny_recipe_path, request.param)
    facts = recipe_facts(
        tiny_recipe_path, recipe, lambda step: learning_rate(step, recipe.training)
    )
    return recipe_to_html(facts)


def check_self_contained(page):
    for _, attributes in page.elements:
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "#").startswith("#")
    assert page.of("script") == [] and page.of("link") == []
    [policy] = [one for one in page.of("meta") if "http-equiv" in one]
    assert policy["content"].startswith("default-src 'none'")


def check_accessible(page):
    assert page.of("html")[0]["lang"] == "en"
    for svg in page.of("svg"):
        assert svg.get("aria-hidden") == "true" or (svg["role"] == "img" and svg["aria-label"])
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    linked = {one["href"].removeprefix("#") for one in page.of("a")}
    assert linked == ids
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    scrolls = [one for one in page.of("div") if one.get("class") == "scroll"]
    assert scrolls and all(one["tabindex"] == "0" and one["aria-label"] for one in scrolls)
    tables, captions = page.of("table"), page.of("th")
    assert tables and all("scope" in one for one in captions)


def test_the_page_of_a_translation(trace, trace_page):
    page = Page(trace_page)
    check_self_contained(page)
    check_accessible(page)
    maps = [one["aria-label"] for one in page.of("svg") if "head" in one.get("aria-label", "")]
    assert len(maps) == 2 * (1 + 2 + 2)
    assert maps[0].startswith("Encoder self-attention, layer 1, head 1; largest weight of each row")
    for token in (*trace.src_tokens, *trace.tgt_tokens):
        assert token.text in page.texts and str(token.id) in page.texts
    assert {one.get("lang") for _, one in page.elements} >= {"ko", "en"}


def test_the_page_of_several_translations(trace):
    page = Page(traces_to_html([trace, trace]))
    check_self_contained(page)
    check_accessible(page)
    assert "2 sentences" in page.texts
    ids = [one["id"] for one in page.of("section")]
    assert len(ids) == len(set(ids)) == 2 * 8


def test_the_page_of_a_recipe(recipe_page):
    page = Page(recipe_page)
    check_self_contained(page)
    check_accessible(page)
    assert "Learning rate" in page.texts and "Label smoothing" in page.texts


def test_markup_in_a_text_is_text(model_dir):
    trace = trace_translation(model_dir, "<script>alert('가')</script> & <b>\"나\"")
    page = Page(traces_to_html([trace]))
    check_self_contained(page)
    assert page.of("b") == [] and any("alert" in text for text in page.texts)


def test_shades_and_their_paths(trace, trace_page):
    """One path for each shade of a map: its boxes are the cells with that weight."""
    one = trace.attention[0]
    weights = one.weights[0]
    [svg] = re.findall(
        r'aria-label="Encoder self-attention, layer 1, head 1;.*?</svg>', trace_page, re.DOTALL
    )
    boxes = {}
    for level, path in re.findall(r'class="cells a(\d+)" d="([^"]*)"', svg):
        for x, y in re.findall(r"M(\S+) (\S+?)h", path):
            boxes[round(float(y) / 26), round(float(x) / 26)] = int(level)
    assert boxes == {
        (y, x): max(1, round(20 * weight))
        for y, row in enumerate(weights.tolist())
        for x, weight in enumerate(row)
        if weight >= 0.01
    }


def test_a_long_sentence_has_no_tables_and_is_not_large(make_trained, tmp_path):
    save_model_dir(tmp_path / "model", make_trained(max_length=100, n_encoder_layers=2))
    text = " ".join(["나는 학교에 가서 친구를 만나고"] * 4)
    trace = trace_translation(tmp_path / "model", text, split_sentences="never")
    assert len(trace.src_tokens) > 40
    page = traces_to_html([trace])
    assert "as tables" not in page and len(page) < 2_000_000
    Page(page)
