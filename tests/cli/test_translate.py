from pathlib import Path

import pytest
import torch

from mtkit.errors import MtkitError
from mtkit.model.placement import choose_device
from mtkit.translation.result import Alternative, Translation


@pytest.fixture
def told(monkeypatch):
    """How the translator was loaded and asked; it answers in capitals, and stops at a line that says stop."""
    told = {}

    class UpperCase:
        @classmethod
        def load(cls, model_dirs, **options):
            told.update(model_dirs=model_dirs, **options)
            return cls()

        def stream(self, lines, on_lines=None, **search):
            told["search"] = search
            for line in lines:
                if line == "stop":
                    raise KeyboardInterrupt
                alternatives = (Alternative(line.upper(), -0.5), Alternative(line.title(), -1.25))
                yield Translation(*alternatives[0], alternatives[: search.get("n_best", 1)])

    monkeypatch.setattr("mtkit.translation.translator.Translator", UpperCase)
    return told


def test_lines_in_lines_out(mtkit, told):
    outcome = mtkit("translate", "-", "-m", "model", stdin="guten\x85 tag\n\nwelt")
    assert outcome == (0, "GUTEN\x85 TAG\n\nWELT\n", "")
    chosen = {"device": str(choose_device("auto")), "n_workers": torch.get_num_threads() if choose_device("auto").type == "cpu" else 1}
    assert told == {"model_dirs": [Path("model")], "precision": "auto", "tags": (), "tgt_tags": (), "search": {"chunk_lines": 3}} | chosen


def test_options_are_handed_on(mtkit, told):
    options = "--beam-size 4 --n-best 2 --length-penalty mean --alpha 0.6 --max-tokens 99 --chunk-lines 7 --device cpu --workers 2"
    options += " --precision bf16 --tag <2ko> --tag <bt> --tgt-tag <2en>"
    assert mtkit("translate", "-", "-m", "a", "-m", "b", *options.split(), stdin="x\n").status == 0
    assert told == {
        "model_dirs": [Path("a"), Path("b")],
        "device": "cpu",
        "precision": "bf16",
        "n_workers": 2,
        "tags": ("<2ko>", "<bt>"),
        "tgt_tags": ("<2en>",),
        "search": {"beam_size": 4, "n_best": 2, "length_penalty": "mean", "alpha": 0.6, "max_tokens": 99, "chunk_lines": 1},
    }


def test_n_best_lines_are_numbered_and_scored(mtkit, told):
    outcome = mtkit("translate", "-", "-m", "model", "--n-best", 2, stdin="ein\nzwei\n")
    assert outcome.out.splitlines() == ["1\t-0.5000\tEIN", "1\t-1.2500\tEin", "2\t-0.5000\tZWEI", "2\t-1.2500\tZwei"]


def test_to_a_file(mtkit, told, tmp_path):
    (tmp_path / "in.txt").write_bytes(b"ein\r\nzwei\r\n")
    assert mtkit("translate", tmp_path / "in.txt", "-m", "model", "-o", tmp_path / "out.txt") == (0, "", "")
    assert (tmp_path / "out.txt").read_bytes() == b"EIN\nZWEI\n"


def test_an_interrupted_file_is_not_written(mtkit, told, tmp_path):
    outcome = mtkit("translate", "-", "-m", "model", "-o", tmp_path / "out.txt", stdin="ein\nstop\n")
    assert outcome == (130, "", f"interrupted: `{tmp_path / 'out.txt'}` was not written\n")
    assert list(tmp_path.iterdir()) == []
    outcome = mtkit("translate", "-", "-m", "model", "--chunk-lines", 1, stdin="ein\nstop\n")
    assert outcome == (130, "EIN\n", "interrupted\n")


def test_a_missing_file_is_told_before_the_model_is_loaded(mtkit, told, tmp_path):
    outcome = mtkit("translate", tmp_path / "nothing.de", "-m", "model")
    assert outcome == (1, "", f"error: `{tmp_path / 'nothing.de'}`: no such file\nhint: check the path of the source text\n")
    assert told == {}


def test_invalid_utf8_is_told_with_what_came_before(mtkit, told):
    outcome = mtkit("translate", "-", "-m", "model", stdin=b"gut\nschlecht \xff\n")
    assert outcome.status == 1
    assert outcome.out == "GUT\n"
    assert "`stdin`: invalid UTF-8 in line 2, byte 10" in outcome.err


def test_a_model_that_is_none(mtkit, monkeypatch, tmp_path):
    def load(*args, **options):
        raise MtkitError("`model`: no model", "train one")

    monkeypatch.setattr("mtkit.translation.translator.Translator.load", load)
    assert mtkit("translate", "-", "-m", "model") == (1, "", "error: `model`: no model\nhint: train one\n")
