"""`mtkit evaluate --terms`."""

import json

import pytest


@pytest.fixture
def files(tmp_path):
    texts = {
        "src": "나는 학교에 간다\n학교다\n집이다\n",
        "ref": "I go to school\nIt is a school\nIt is a house\n",
        "hyp": "I go to school\nIt is a yard\nIt is a house\n",
        "terms": "학교\tschool\n",
        "documents": "a\na\nb\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_terms_are_counted(mtkit, files):
    command = ["evaluate", files / "hyp", "-r", files / "ref", "-s", files / "src"]
    command += ["--terms", files / "terms", "--documents", files / "documents"]
    outcome = mtkit(*command)
    assert outcome.status == 0, outcome.err
    assert "terms" in outcome.out and "1 of 2" in outcome.out
    found = json.loads(mtkit(*command, "--json").out)
    assert found["terms"]["value"] == 50 and found["terms"]["n_bootstrap"] == 1000
    assert found["chrf_rest"]["value"] == 100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--terms", "terms"], "--terms needs --src"),
        (["--documents", "documents"], "--documents is for --terms"),
        (["-s", "src"], "--src is for"),
        (["-s", "src", "--terms", "hyp"], "line 1: has no TAB"),
    ],
)
def test_mistakes(mtkit, files, monkeypatch, options, message):
    monkeypatch.chdir(files)
    outcome = mtkit("evaluate", "hyp", "-r", "ref", *options)
    assert outcome.status != 0 and message in outcome.err
