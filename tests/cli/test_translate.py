import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mtkit.errors import MtkitError
from mtkit.model.device import choose_device
from mtkit.translation.result import Alternative, Translation


@pytest.fixture
def told(monkeypatch, tmp_path_factory):
    """How the translator was loaded and asked; it answers in capitals, and stops at a line that
    says stop.
    """
    told = {}

    class UpperCase:
        placement = "thumbs on the table"
        config = SimpleNamespace(context=0)

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
    monkeypatch.chdir(tmp_path_factory.mktemp("models"))
    for name in ("model", "a", "b"):
        Path(name).mkdir()
        Path(name, "config.json").touch()
    return told


def after_start(outcome):
    """An outcome without the line that tells at the start how it is translated, which has to be
    there once.
    """
    err, n = re.subn(
        r"^\d\d:\d\d:\d\d translating with thumbs on the table, (one worker|\d+ workers|one process)\n",
        "",
        outcome.err,
    )
    assert n == 1
    return outcome._replace(err=err)


def test_lines_in_lines_out(mtkit, told):
    outcome = mtkit("translate", "-", "-m", "model", stdin="guten\x85 tag\n\nwelt")
    assert after_start(outcome) == (0, "GUTEN\x85 TAG\n\nWELT\n", "")
    chosen = {
        "device": str(choose_device("auto")),
        "n_workers": torch.get_num_threads() if choose_device("auto").type == "cpu" else 1,
    }
    assert (
        told
        == {
            "model_dirs": [Path("model")],
            "precision": "auto",
            "tags": (),
            "tgt_tags": (),
            "search": {"chunk_lines": 3},
        }
        | chosen
    )


def test_options_are_handed_on(mtkit, told):
    options = "--beam-size 4 --n-best 2 --length-penalty mean --alpha 0.6 --batch-tokens 99 --chunk-lines 7 --device cpu --workers 2"
    options += " --precision bf16 --tag <2ko> --tag <bt> --tgt-tag <2en>"
    assert mtkit("translate", "-", "-m", "a", "-m", "b", *options.split(), stdin="x\n").status == 0
    assert told == {
        "model_dirs": [Path("a"), Path("b")],
        "device": "cpu",
        "precision": "bf16",
        "n_workers": 2,
        "tags": ("<2ko>", "<bt>"),
        "tgt_tags": ("<2en>",),
        "search": {
            "beam_size": 4,
            "n_best": 2,
            "length_penalty": "mean",
            "alpha": 0.6,
            "max_tokens": 99,
            "chunk_lines": 1,
        },
    }


def test_n_best_lines_are_numbered_and_scored(mtkit, told):
    outcome = mtkit("translate", "-", "-m", "model", "--n-best", 2, stdin="ein\nzwei\n")
    assert outcome.out.splitlines() == [
        "1\t-0.5000\tEIN",
        "1\t-1.2500\tEin",
        "2\t-0.5000\tZWEI",
        "2\t-1.2500\tZwei",
    ]


def test_output_file(mtkit, told, tmp_path):
    (tmp_path / "in.txt").write_bytes(b"ein\r\nzwei\r\n")
    outcome = after_start(
        mtkit("translate", tmp_path / "in.txt", "-m", "model", "-o", tmp_path / "out.txt")
    )
    assert (outcome.status, outcome.out) == (0, "")
    assert re.fullmatch(rf"\d\d:\d\d:\d\d wrote {tmp_path}/out.txt: 2 lines in 0 s\n", outcome.err)
    assert (tmp_path / "out.txt").read_bytes() == b"EIN\nZWEI\n"


def test_an_interrupted_file_is_not_written(mtkit, told, tmp_path):
    outcome = mtkit(
        "translate", "-", "-m", "model", "-o", tmp_path / "out.txt", stdin="ein\nstop\n"
    )
    assert after_start(outcome) == (
        130,
        "",
        f"interrupted: `{tmp_path / 'out.txt'}` was not written\n",
    )
    assert list(tmp_path.iterdir()) == []
    outcome = mtkit("translate", "-", "-m", "model", "--chunk-lines", 1, stdin="ein\nstop\n")
    assert after_start(outcome) == (130, "EIN\n", "interrupted\n")


def test_missing_file_is_reported_before_the_model_is_loaded(mtkit, told, tmp_path):
    outcome = mtkit("translate", tmp_path / "nothing.de", "-m", "model")
    assert outcome == (
        1,
        "",
        f"error: `{tmp_path / 'nothing.de'}`: no such file\nhint: check the path of the source text\n",
    )
    assert told == {}


def test_invalid_utf8_is_reported_after_earlier_lines_are_written(mtkit, told):
    outcome = mtkit("translate", "-", "-m", "model", stdin=b"gut\nschlecht \xff\n")
    assert outcome.status == 1
    assert outcome.out == "GUT\n"
    assert "`stdin`: invalid UTF-8 in line 2, byte 10" in outcome.err


def test_a_model_that_cannot_be_loaded(mtkit, told, monkeypatch):
    def load(*args, **options):
        raise MtkitError("`model`: damaged", "copy it again")

    monkeypatch.setattr("mtkit.translation.translator.Translator.load", load)
    assert mtkit("translate", "-", "-m", "model") == (
        1,
        "",
        "error: `model`: damaged\nhint: copy it again\n",
    )


def test_table_format_is_taken_from_the_file_name(mtkit, told, tmp_path):
    (tmp_path / "in.tsv").write_text("id\tde\n1\tein\n2\tzwei\n", encoding="utf-8")
    outcome = mtkit(
        "translate", tmp_path / "in.tsv", "-m", "model", "--field", "de", "-o", tmp_path / "out.tsv"
    )
    assert (outcome.status, outcome.out) == (0, "")
    assert outcome.err.endswith(f" wrote {tmp_path}/out.tsv: 2 lines in 0 s\n")
    assert (tmp_path / "out.tsv").read_text(
        encoding="utf-8"
    ) == "id\tde\ttranslation\n1\tein\tEIN\n2\tzwei\tZWEI\n"
    assert (
        mtkit("translate", tmp_path / "in.tsv", "-m", "model", "--input-format", "text").out
        == "ID\tDE\n1\tEIN\n2\tZWEI\n"
    )


def test_json_lines_in_and_out(mtkit, told):
    outcome = mtkit(
        "translate",
        "-",
        "-m",
        "model",
        "--input-format",
        "jsonl",
        "--field",
        "de",
        "--field-out",
        "en",
        "--details",
        stdin='{"de": "grün"}\n\n',
    )
    assert after_start(outcome) == (
        0,
        '{"de": "grün", "en": {"text": "GRÜN", "score": -0.5, "flags": []}}\n\n',
        "",
    )


def test_details_of_text(mtkit, told):
    outcome = mtkit(
        "translate", "-", "-m", "model", "--format", "jsonl", "--n-best", 2, stdin="ein\n"
    )
    best = '[{"text": "EIN", "score": -0.5}, {"text": "Ein", "score": -1.25}]'
    assert outcome.out == f'{{"text": "EIN", "score": -0.5, "n_best": {best}, "flags": []}}\n'
    assert (
        mtkit("translate", "-", "-m", "model", "--format", "tsv", stdin="ein\n").out
        == "EIN\t-0.5000\t\n"
    )


@pytest.mark.parametrize("options", [["--input-format", "tsv"], ["--field", "1"], ["--details"]])
def test_invalid_formats_are_reported_before_the_model_is_loaded(mtkit, told, options):
    outcome = mtkit("translate", "-", "-m", "model", *options, stdin="ein\n")
    assert (
        outcome.status == 1
        and outcome.out == ""
        and outcome.err.startswith("error: ")
        and "\nhint: " in outcome.err
    )
    assert told == {}


@pytest.mark.parametrize("is_file", [True, False])
def test_invalid_utf8_is_replaced_if_asked_to(mtkit, told, tmp_path, is_file):
    data = b"gut\nschl\xffecht \xc3\nende"
    (tmp_path / "in.txt").write_bytes(data)
    name = str(tmp_path / "in.txt") if is_file else "-"
    outcome = mtkit("translate", name, "-m", "model", "--errors", "replace", stdin=data)
    assert (outcome.status, outcome.out) == (0, "GUT\nSCHL\ufffdECHT \ufffd\nENDE\n")
    assert outcome.err.count("invalid UTF-8 in 2 places, read as U+FFFD") == 1


def test_loop_guard_is_on_by_default(mtkit, told):
    for options, given in (
        ([], {}),
        (["--no-loop-guard"], {"loop_guard": False}),
        (["--loop-guard"], {"loop_guard": True}),
    ):
        assert mtkit("translate", "-", "-m", "model", *options, stdin="ein\n").status == 0
        assert {
            name: value for name, value in told["search"].items() if name == "loop_guard"
        } == given
