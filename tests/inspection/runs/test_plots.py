import re
from xml.etree import ElementTree

import pytest

from mtkit.errors import MtkitError
from mtkit.inspection.runs.groups import group_runs
from mtkit.inspection.runs.plots import Chart, Series, chart_svg, plot_validation
from mtkit.inspection.runs.run_record import read_run
from tests.inspection.runs.made_runs import write_run

CHART = Chart(
    "loss",
    "Loss <nats>",
    [Series("training", [(10, 3.0), (20, 1.5)]), Series("validation", [(20, 2.0)])],
    best_step=20,
)


def test_a_chart_takes_its_colors_from_the_page():
    svg = chart_svg(CHART)
    assert not re.search(r"#[0-9a-f]{6}\b", svg)
    for variable in ("chart-text", "chart-grid", "series-1", "series-2"):
        assert f"var(--{variable})" in svg
    assert "<style" not in svg and "<metadata" not in svg and "<?xml" not in svg


def test_a_chart_has_text_alternatives_and_identifiers_of_its_own():
    tree = ElementTree.fromstring(chart_svg(CHART).replace("xlink:href", "href"))
    assert tree.attrib["role"] == "img"
    title, desc = tree[0], tree[1]
    assert tree.attrib["aria-labelledby"].split() == [title.attrib["id"], desc.attrib["id"]]
    assert title.text == "Loss <nats>"
    assert desc.text == (
        "training: 3 at step 10, 1.5 at step 20; lowest 1.5 at step 20, highest 3 at step 10. "
        "validation: 2 at step 20, 2 at step 20; lowest 2 at step 20, highest 2 at step 20."
    )
    ids = [element.attrib["id"] for element in tree.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids)) and all(name.startswith("loss-") for name in ids)
    for reference in re.findall(r'(?:href="|url\()#([^")]+)', chart_svg(CHART)):
        assert reference in ids


def test_a_steep_start_is_left_out_of_the_axis():
    curve = [(step, 8.0 if step < 10 else 2.0 + (100 - step) / 90) for step in range(1, 101)]
    chart = Chart("loss", "Loss", [Series("training", curve)], cuts_start=True)
    # From 3 at step 10 to 2 at step 100, and a margin of 5 % of that.
    assert chart.top == pytest.approx(2 + 1.05 * 1)
    assert chart.note == "Higher values at the start are not shown."
    assert "8 at step 1," in chart.description
    flat = Chart("loss", "Loss", [Series("training", curve[9:])], cuts_start=True)
    assert flat.top is None and flat.note == ""
    assert Chart("loss", "Loss", [Series("training", curve)]).top is None
    constant = [(1, 2.0), (10, 1.0), (20, 1.0)]
    assert Chart("loss", "Loss", [Series("x", constant)], cuts_start=True).top is None


def test_a_logarithmic_chart():
    curve = [(1, 100.0), (2, 1.0)]
    chart = Chart("norm", "Norm", [Series("norm", curve)], is_logarithmic=True)
    assert chart.note == "Logarithmic axis." and ">100<" in chart_svg(chart)
    # Zero has no logarithm.
    zero = Chart("norm", "Norm", [Series("norm", [(1, 0.0), (2, 1.0)])], is_logarithmic=True)
    assert "<svg" in chart_svg(zero)


def test_a_chart_is_drawn_alike_each_time():
    assert chart_svg(CHART) == chart_svg(CHART)


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".SVG", b"<?xml")]
)
def test_curves_of_runs_are_written_by_suffix(tmp_path, suffix, start):
    runs = [
        write_run(tmp_path / f"한국어-{seed}", seed, dropout=seed / 10) for seed in range(1, 11)
    ]
    path = tmp_path / f"curves{suffix}"
    plot_validation(group_runs([read_run(run) for run in runs]), path)
    assert path.read_bytes().startswith(start)
    if suffix == ".svg":
        text = path.read_text(encoding="utf-8")
        assert all(f"한국어-{seed}" in text for seed in range(1, 11))
        assert all(f"validation {name}" in text for name in ("loss", "BLEU", "chrF"))


def test_nothing_to_plot(tmp_path):
    run = write_run(tmp_path / "run")
    (run / "metrics.jsonl").write_text("")
    with pytest.raises(MtkitError, match="no run has a validation"):
        plot_validation(group_runs([read_run(run)]), tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()
