import json
import subprocess
import sys

from mtkit.inspection.views import figures
from tests.inspection.runs.made_runs import write_run


def test_a_table_and_a_plot(mtkit, tmp_path):
    for seed in 1, 2, 3:
        write_run(tmp_path / "runs" / f"seed-{seed}", seed)
    outcome = mtkit("runs", tmp_path / "runs", "--plot", tmp_path / "runs" / "curves.svg")
    assert outcome.status == 0 and outcome.err == ""
    assert "mean of 3 seeds" in outcome.out
    assert (tmp_path / "runs" / "curves.svg").read_text().startswith("<?xml")
    tree = json.loads(mtkit("runs", tmp_path / "runs", "--json").out)
    assert [run["seed"] for run in tree["runs"]] == [1, 2, 3]


def test_mistakes(mtkit, tmp_path, monkeypatch):
    run = write_run(tmp_path / "run")
    outcome = mtkit("runs", run, "--plot", tmp_path / "curves.pdf")
    assert outcome.status == 2 and ".png or .svg" in outcome.err
    outcome = mtkit("runs", tmp_path / "missing")
    assert outcome.status == 1 and "no such directory" in outcome.err
    monkeypatch.setattr(figures, "find_spec", lambda name: None)
    outcome = mtkit("runs", run, "--plot", tmp_path / "curves.png")
    assert outcome.status == 1 and "hint: pip install 'mtkit[plots]'" in outcome.err
    assert mtkit("runs", run).status == 0


def test_runs_are_read_without_torch(tmp_path):
    run = write_run(tmp_path / "run")
    code = (
        "import sys; from mtkit.cli.runs import runs; from pathlib import Path;"
        f"runs([Path({str(run)!r})]); print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\nFalse False\n")
