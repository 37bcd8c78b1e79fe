"""The page of a run, parsed: it is self-contained, accessible, and has the figures of the run."""

import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from mtkit.inspection.runs.page import make_charts, report_page, sample_histories
from mtkit.inspection.runs.run_record import Sample, read_run
from tests.inspection.runs.made_runs import SIGNATURE, save_scores, write_run

VOID = {"meta", "link", "br", "img", "hr", "input"}
URL_ATTRIBUTES = ("href", "src", "xlink:href", "action", "data", "poster", "srcset", "style")


class Page(HTMLParser):
    """Elements, identifiers, headings and texts of a page; checks that tags are balanced."""

    def __init__(self, html):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), [name for name, _ in self.open]))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), [name for name, _ in self.open]))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1][0] if self.open else "", data))

    def all(self, *tags):
        return [attrs for tag, attrs, _ in self.elements if tag in tags]

    def text(self, *tags):
        return [text.strip() for tag, text in self.texts if not tags or tag in tags]


@pytest.fixture(scope="module")
def complete_run(tmp_path_factory):
    """A run with everything that a page can show."""
    tmp_path = tmp_path_factory.mktemp("runs")
    samples = [(100, "The <b>dog</b>."), (200, "A dog.")]
    run = write_run(tmp_path / "base & co", 3, bleu=(10.0, 20.0), samples=samples)
    save_scores(run / "scores-news.json", 30.5, low=29.25, high=31.75)
    session = {"step": 0, "mtkit": "0.1.0", "commit": "c" * 40 + "+changes", "torch": "2.13.0"}
    session |= {
        "started": "2026-11-29T08:54:50+00:00",
        "device": "cpu",
        "processor": "Xeon <x>",
        "n_cores": 2,
        "memory_gb": 23.5,
    }
    text = "".join(json.dumps(session | {"step": step}) + "\n" for step in (0, 100))
    (run / "sessions.jsonl").write_text(text)
    return run


@pytest.fixture(scope="module")
def pages(complete_run, tiny_run, tmp_path_factory):
    """The page of each run, made once."""
    empty_run = tmp_path_factory.mktemp("empty")
    (empty_run / "checkpoints").mkdir()
    runs = {"complete": complete_run, "real": tiny_run, "empty": empty_run}
    return {name: report_page(read_run(run)) for name, run in runs.items()}


@pytest.fixture(params=["complete", "real", "empty"])
def html(request, pages):
    return pages[request.param]


def test_nothing_is_loaded(html):
    page = Page(html)
    assert {"script", "link", "iframe", "object", "embed", "base"}.isdisjoint(
        tag for tag, _, _ in page.elements
    )
    for tag, attrs, _ in page.elements:
        for name in URL_ATTRIBUTES:
            value = attrs.get(name) or ""
            if name != "style":
                assert value == "" or value.startswith("#"), (tag, name, value)
            assert "//" not in value
    # Not in style sheets either.
    assert not re.search(r"@import|url\((?!#)", html)
    assert not re.search(r"https?://", html)


def test_references_lead_to_elements_and_identifiers_are_unique(html):
    page = Page(html)
    ids = [attrs["id"] for _, attrs, _ in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    for _, attrs, _ in page.elements:
        for reference in (attrs.get("href") or "").split():
            assert reference.removeprefix("#") in ids
        for reference in (attrs.get("aria-labelledby") or "").split():
            assert reference in ids


def test_every_picture_has_a_text_alternative(html):
    page = Page(html)
    for tag, attrs, _ in page.elements:
        if tag == "img":
            assert attrs.get("alt")
        if tag == "svg":
            assert attrs["role"] == "img" and len(attrs["aria-labelledby"].split()) == 2


def test_headings_are_in_order(html):
    levels = [int(tag[1]) for tag, _, _ in Page(html).elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_tables_have_headers_and_names(html):
    page = Page(html)
    assert all(attrs.get("scope") in ("col", "row") for attrs in page.all("th"))
    for table in re.findall(r"<table.*?</table>", html, re.DOTALL):
        assert "<th " in table and ("<caption>" in table or "aria-labelledby" in table)
    assert Page(html).all("html")[0]["lang"] == "en" and page.text("title")[0]


def test_both_color_schemes_are_readable(html):
    """Contrast by WCAG 2: 4.5 for text, 3 for lines of charts."""
    style = html[html.index("<style>") : html.index("</style>")]
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    )
    assert light.keys() == dark.keys()
    for colors in light, dark:
        for name in ("text", "muted", "link", "chart-text"):
            assert contrast(colors[name], colors["background"]) >= 4.5, name
        for name in ("text", "muted"):
            assert contrast(colors[name], colors["surface"]) >= 4.5, name
        for background in ("warning", "best"):
            assert contrast(colors["text"], colors[background]) >= 4.5
        for number in range(1, 7):
            assert contrast(colors[f"series-{number}"], colors["background"]) >= 3, number
    assert "@media (prefers-color-scheme: dark)" in style and "@media print" in style


def luminance(color):
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_of_black_and_white():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_the_figures_of_the_run(pages):
    html = pages["complete"]
    page = Page(html)
    cells = page.text("td", "th", "dd", "code")
    assert page.text("h1") == ["Training run base & co"]
    for text in (
        "2026-11-29 08:54",
        "complete",
        "200, epoch 2",
        "30.50",
        "[29.25, 31.75]",
        "1,000",
        SIGNATURE,
    ):
        assert text in cells
    assert "step 200: loss 2.000, BLEU 20.00, chrF 40.00" in cells
    assert "c" * 40 + ", with local changes" in cells and "Xeon <x>" in cells
    assert "The <b>dog</b>." in cells and "200 (best)" in cells
    assert len(page.all("svg")) == 6
    assert "No test scores" not in html and "This report is not complete" not in html
    german = [attrs for attrs in page.all("dd") if attrs.get("lang") == "de"]
    assert len(german) == 1
    changed = html[html.index("Settings that differ") : html.index("settings with their default")]
    assert "training.max_steps" in changed and "attention_dropout" not in changed
    assert "model.attention_dropout" in html


def test_a_run_without_a_name_of_its_own_is_named_after_its_project(tmp_path):
    run = write_run(tmp_path / "de-en" / "work" / "run")
    assert Page(report_page(read_run(run))).text("h1") == ["Training run de-en/work/run"]


def test_the_page_of_an_empty_run_says_what_is_missing(pages):
    for sentence in (
        "recipe.yaml is missing",
        "No test scores are saved",
        "The log has no validation",
        "The log has no metrics",
        "The log has no translations",
        "The recipe of the run cannot be read",
        "Not recorded",
    ):
        assert sentence in pages["empty"]


def test_the_corpus_of_a_real_run(tiny_run, pages):
    manifest = json.loads((tiny_run.parent / "work" / "store" / "manifest.json").read_text())
    cells = Page(pages["real"]).text("td", "dd")
    assert f"{manifest['n_read']:,}" in cells and f"{manifest['n_pairs']:,}" in cells
    for side in "src", "tgt":
        assert f"{manifest['n_tokens'][side]:,}" in cells
    assert "preprocessed again" not in pages["real"]


def test_charts(tmp_path):
    run = write_run(tmp_path / "run", bleu=(10.0, 20.0, 15.0), loss=(3.0, 2.0, 1.0))
    charts = {chart.key: chart for chart in make_charts(read_run(run))}
    assert list(charts) == ["loss", "bleu", "chrf", "lr", "norm", "speed"]
    assert [(one.name, one.curve[-1]) for one in charts["loss"].series] == [
        ("training", (300, 1.5)),
        ("validation", (300, 1.0)),
        ("training, smoothed labels", (300, 2.5)),
    ]
    assert (charts["bleu"].best_step, charts["lr"].best_step) == (200, None)


def test_each_validation_corpus_has_a_line(tmp_path):
    run = write_run(tmp_path / "run")
    line = {"step": 100, "kind": "validation/news", "loss": 1.0, "bleu": 5.0, "chrf": 6.0}
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    charts = {chart.key: chart for chart in make_charts(read_run(run))}
    assert [one.name for one in charts["bleu"].series] == ["validation", "validation, news"]


def test_equal_translations_are_one_version():
    texts = ["x", "x", "y", "x"]
    samples = [Sample(step, "s", "r", text) for step, text in enumerate(texts, 1)]
    [history] = sample_histories(samples, best_step=3)
    assert [(one.steps, one.hypothesis, one.is_best) for one in history.versions] == [
        ("1 to 2", "x", False),
        ("3", "y", True),
        ("4", "x", False),
    ]
    many = [Sample(step, "s", "r", str(step)) for step in range(1, 101)]
    [history] = sample_histories(many, best_step=42)
    shown = [one.hypothesis for one in history.versions]
    assert history.n_versions == 100 and len(shown) == 8
    assert shown[0] == "1" and "42" in shown and shown[-1] == "100"
