"""The page about comparing systems: its scorers keep the contract, and its code runs."""

import os
import shlex
import sys

import pytest

from mtkit.evaluation.scorer_command import run_scorer
from tests.pages import blocks, read_page

PAGE = read_page("docs/guides/comparing-systems.md")
COMET_SCORER, EXAMPLE = blocks(PAGE, "python")
[METRICX_SCORER] = blocks(PAGE, "bash")
SEGMENTS = [
    {"id": str(i), "source": "x", "hypothesis": "y" * i, "reference": "zz"} for i in (1, 2, 3)
]
COMET = """
import types

def download_model(name):
    print("fetching", name)
    return name

def load_from_checkpoint(path):
    class Model:
        def predict(self, data, batch_size, gpus):
            print("predicting")
            assert set(data[0]) == {"src", "mt", "ref"}
            return types.SimpleNamespace(scores=[len(row["mt"]) / 4 for row in data])
    return Model()
"""
METRICX = """
import argparse, json
parser = argparse.ArgumentParser()
for name in ("tokenizer", "model_name_or_path", "max_input_length", "batch_size", "input_file", "output_file"):
    parser.add_argument(f"--{name}", required=True)
args = parser.parse_args()
print("loading", args.model_name_or_path)
with open(args.input_file) as rows, open(args.output_file, "w") as out:
    for row in map(json.loads, rows):
        out.write(json.dumps(row | {"prediction": len(row["hypothesis"]) / 4}) + "\\n")
"""


def test_the_scorer_of_comet(tmp_path, monkeypatch):
    """With a stand-in for the library, which writes to stdout."""
    (tmp_path / "comet.py").write_text(COMET)
    (tmp_path / "scorer.py").write_text(COMET_SCORER)
    monkeypatch.chdir(tmp_path)
    assert run_scorer(shlex.join([sys.executable, "scorer.py"]), SEGMENTS) == [0.25, 0.5, 0.75]


def test_the_scorer_of_metricx(tmp_path, monkeypatch):
    """With a stand-in for its program, which reads and writes files."""
    (tmp_path / "metricx/metricx24").mkdir(parents=True)
    (tmp_path / "metricx/metricx24/predict.py").write_text(METRICX)
    python = tmp_path / "metricx-env/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    (tmp_path / "scorer.sh").write_text(METRICX_SCORER)
    (tmp_path / "tmp").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    assert run_scorer("bash scorer.sh", SEGMENTS) == [0.25, 0.5, 0.75]
    assert os.listdir(tmp_path / "tmp") == []  # noqa: PTH208


def test_the_example_in_python(capsys):
    exec(compile(EXAMPLE, "comparing-systems.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["bleu", "ter"]
    # The old system has 3 of 13 words wrong, the new one 1.
    assert float(lines[1].split()[1]) == pytest.approx(-100 / 13, abs=0.01)
