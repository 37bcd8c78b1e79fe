import pytest

from mtkit.inspection.views import figures
from tests.inspection.runs.made_runs import save_scores, write_run


def test_a_page_in_the_run_or_elsewhere(mtkit, tmp_path):
    run = write_run(tmp_path / "run")
    # Without its metrics, the page has no curves, which take a second to draw.
    (run / "metrics.jsonl").unlink()
    outcome = mtkit("report", run)
    assert (outcome.status, outcome.out) == (0, f"report: {run / 'report.html'}\n")
    page = (run / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>") and page.endswith("</html>\n")
    assert mtkit("report", run, "-o", tmp_path / "page.html").status == 0
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page
    assert mtkit("report", run, "-o", "-").out == page


def test_samples_by_checkpoint(mtkit, tiny_run, tmp_path):
    path = tmp_path / "page.html"
    assert mtkit("report", tiny_run, "-o", path, "--samples", 2, "--device", "cpu").status == 0
    page = path.read_text(encoding="utf-8")
    assert "By the kept checkpoints" in page and "Line 2" in page and "Line 3" not in page


@pytest.mark.parametrize("name", ["identity.json", "scores.json", "recipe.yaml"])
def test_files_of_the_run_are_not_replaced(mtkit, tmp_path, name):
    run = write_run(tmp_path / "run")
    save_scores(run / "scores.json", 3.0)
    before = (run / name).read_bytes()
    outcome = mtkit("report", run, "-o", run / name)
    assert outcome.status == 1 and (run / name).read_bytes() == before


def test_mistakes(mtkit, tmp_path, monkeypatch):
    run = write_run(tmp_path / "work" / "run")
    outcome = mtkit("report", tmp_path)
    assert outcome.status == 1 and f"hint: did you mean `{run}`?" in outcome.err
    monkeypatch.setattr(figures, "find_spec", lambda name: None)
    outcome = mtkit("report", run)
    assert outcome.status == 1 and "hint: pip install 'mtkit[plots]'" in outcome.err
    assert not (run / "report.html").exists()
