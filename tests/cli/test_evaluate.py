import json
from types import SimpleNamespace
from typing import get_args

import pytest
import sacrebleu

from mtkit.cli.evaluate import Metric
from mtkit.evaluation.metrics import MetricName
from mtkit.translation.result import Translation

HYPOTHESES = ["the cat sat on the mat today", "a dog barks at night."]
REFERENCES = ["the cat sat on a mat today", "the dog barks at night."]


@pytest.fixture
def files(tmp_path):
    """A file of translations, and two of references."""
    for name, lines in {"hyp": HYPOTHESES, "ref1": REFERENCES, "ref2": HYPOTHESES}.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    return tmp_path


@pytest.fixture
def upper_case_model(monkeypatch, files):
    """In place of a model: one that writes in capitals; tells how it was loaded and asked."""
    told = {}
    for name in "model1", "model2":
        (files / name).mkdir()
        (files / name / "config.json").touch()

    class UpperCase:
        config = SimpleNamespace(tgt_lang="en", context=0)

        @classmethod
        def load(cls, model_dirs, **options):
            told.update(model_dirs=model_dirs, **options)
            return cls()

        def stream(self, lines, on_lines, **search):
            told.update(search)
            return (Translation(line.upper(), 0.0, ()) for line in lines)

    monkeypatch.setattr("mtkit.translation.translator.Translator", UpperCase)
    return told


def test_bleu_is_the_default(mtkit, files):
    outcome = mtkit("evaluate", files / "hyp", "-r", files / "ref1")
    expected = sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES])
    assert (outcome.status, outcome.err) == (0, "")
    assert f"{expected.score:.2f}" in outcome.out
    assert "tok:13a" in outcome.out


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\rb\rc", "its lines end in CR alone"),
        (b"PK\x03\x04....word/document.xml", "is a Word document (.docx), not text"),
        ("안녕\n하세요\n".encode("cp949"), "it looks like CP949 (안녕)"),
        ("hello\nworld\n".encode("utf-16-le"), "is UTF-16LE, not UTF-8"),
    ],
)
@pytest.mark.parametrize("role", ["hyp", "ref1"])
def test_invalid_utf8_names_the_file(mtkit, files, role, data, message):
    (files / role).write_bytes(data)
    outcome = mtkit("evaluate", files / "hyp", "-r", files / "ref1")
    assert outcome.status == 1
    assert str(files / role) in outcome.err
    assert message in outcome.err


def test_json_contains_every_requested_metric(mtkit, files):
    flags = ["--metric", "ter", "--metric", "chrf", "--metric", "bleu", "--json"]
    outcome = mtkit(
        "evaluate",
        "-",
        "-r",
        files / "ref1",
        "-r",
        files / "ref2",
        *flags,
        stdin=(files / "hyp").read_bytes(),
    )
    scores = json.loads(outcome.out)
    assert scores["bleu"]["value"] == pytest.approx(
        sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES, HYPOTHESES]).score
    )
    assert scores["chrf"]["value"] == pytest.approx(
        sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES, HYPOTHESES]).score
    )
    assert "nrefs:2" in scores["ter"]["signature"]
    assert scores["inputs"] == {
        "references": [str(files / "ref1"), str(files / "ref2")],
        "src": None,
        "translations": "stdin",
        "models": [],
        "search": {},
    }


def test_every_metric_can_be_requested():
    assert [metric.value for metric in Metric] == list(get_args(MetricName))


def test_a_model_on_a_source_file(mtkit, files, upper_case_model):
    (files / "ref1").write_text("THE CAT SAT ON THE MAT TODAY\nA DOG BARKS AT NIGHT.\n")
    options = ["--beam-size", 3, "--device", "cpu", "--tag", "<2en>"]
    outcome = mtkit(
        "evaluate",
        "-m",
        files / "model1",
        "-m",
        files / "model2",
        "--src",
        files / "hyp",
        "-r",
        files / "ref1",
        *options,
    )
    assert outcome.status == 0
    assert "100.00" in outcome.out
    assert upper_case_model["model_dirs"] == [files / "model1", files / "model2"]
    assert upper_case_model["beam_size"] == 3
    assert upper_case_model["device"] == "cpu"
    assert upper_case_model["tags"] == ("<2en>",)


def test_robustness_of_a_model(mtkit, tmp_path, tiny_run, ko_en_pairs):
    for side in ("src", "tgt"):
        (tmp_path / side).write_text(
            "".join(f"{getattr(pair, side)}\n" for pair in ko_en_pairs[:6])
        )
    args = (
        "evaluate",
        "-m",
        tiny_run / "model",
        "-s",
        tmp_path / "src",
        "-r",
        tmp_path / "tgt",
        "--metric",
        "chrf",
        "--robustness",
        "--device",
        "cpu",
    )
    table, told = mtkit(*args), mtkit(*args, "--json")
    assert (table.status, told.status) == (0, 0)
    scores = json.loads(told.out)
    assert list(scores) == [
        "clean",
        "upper_case",
        "title_case",
        "typos",
        "drop_end_punctuation",
        "noise",
        "merge",
    ]
    assert scores["merge"]["n_segments"] == scores["merge"]["n_altered"] == 3
    value, difference = (scores["typos"]["chrf"][key] for key in ("value", "difference"))
    assert [line.split() for line in table.out.splitlines() if line.startswith("typos")] == [
        ["typos", "6", f"{value:.2f}", f"{difference:+.2f}"]
    ]


@pytest.mark.parametrize("option", [("--scorer", "x:higher:true"), ("--segment-scores", "y")])
def test_robustness_refuses_what_it_does_not_compute(mtkit, files, option):
    args = ("-m", files / "model", "-s", files / "hyp", "-r", files / "ref1", "--robustness")
    outcome = mtkit("evaluate", *args, *option)
    assert outcome.status == 2 and f"{option[0]} does not go with --robustness" in outcome.err


def test_robustness_needs_a_model(mtkit, files):
    outcome = mtkit("evaluate", files / "hyp", "-r", files / "ref1", "--robustness")
    assert outcome.status == 2 and "--model" in outcome.err


@pytest.mark.parametrize(
    "args", [[], ["-m", "model"], ["hyp", "-m", "model", "--src", "x"], ["hyp", "--src", "x"]]
)
def test_either_translations_or_a_model(mtkit, files, args):
    outcome = mtkit("evaluate", *args, "-r", files / "ref1")
    assert outcome.status == 2
    assert "--model" in outcome.err


@pytest.mark.parametrize(
    "option",
    [("--beam-size", 3), ("--sampling",), ("--tag", "<x>"), ("--tgt-tag", "<x>"), ("--device", "cpu"), ("--workers", 1), ("--precision", "bf16"),
     ("--engine", "torch"), ("--compiled",), ("--robustness",)],
)  # fmt: skip
def test_options_of_a_model_are_refused_without_one(mtkit, files, option):
    outcome = mtkit("evaluate", files / "hyp", "-r", files / "ref1", *option)
    assert outcome.status == 2 and f"{option[0]}: only with --model" in " ".join(
        outcome.err.split()
    )


def test_tokenize_without_bleu_is_refused(mtkit, files):
    outcome = mtkit(
        "evaluate", files / "hyp", "-r", files / "ref1", "--metric", "chrf", "--tokenize", "char"
    )
    assert outcome.status == 1 and "tokenize char is for BLEU" in outcome.err


def test_stdin_is_one_stream(mtkit, files):
    outcome = mtkit("evaluate", "-", "-r", "-", stdin=b"a\n")
    assert outcome.status == 1 and "stdin is read by two inputs" in outcome.err


def test_stdin_is_named(mtkit, files):
    outcome = mtkit("evaluate", "-", "-r", files / "ref1", stdin=b"a\n")
    assert "1 translation in `stdin`, but 2 references" in outcome.err
    args = ("-r", files / "ref1", "--format", "markdown", "--bootstrap", 0)
    outcome = mtkit("evaluate", "-", *args, stdin="\n".join(HYPOTHESES))
    assert "| stdin | " in outcome.out


def test_blank_lines_are_named(mtkit, files):
    (files / "ref1").write_text("the cat sat on a mat today\n \nthree\n")
    (files / "hyp").write_text("the cat sat on a mat today\nsomething\n\n")
    outcome = mtkit("evaluate", files / "hyp", "-r", files / "ref1")
    assert outcome.status == 0
    assert "the references: line 2 is blank" in outcome.err
    assert "the translations: line 3 is blank" in outcome.err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ((), "2 lines to translate, but 1 reference"),
        (("--tokenize", "ko-mecab"), "needs an extra"),
    ],
)
def test_scoring_errors_are_reported_before_translating(
    mtkit, files, upper_case_model, monkeypatch, option, message
):
    from sacrebleu.tokenizers import tokenizer_ko_mecab

    monkeypatch.setattr(tokenizer_ko_mecab, "MeCab", None)
    (files / "short").write_text("one\n")
    outcome = mtkit(
        "evaluate", "-m", files / "model1", "--src", files / "hyp", "-r", files / "short", *option
    )
    assert outcome.status == 1 and message in outcome.err
    assert upper_case_model == {}


def test_an_exported_model_scores_as_the_one_it_was_made_from(
    mtkit, tmp_path, tiny_run, ko_en_pairs
):
    pytest.importorskip("ctranslate2")
    for side in ("src", "tgt"):
        (tmp_path / side).write_text(
            "".join(f"{getattr(pair, side)}\n" for pair in ko_en_pairs[:6])
        )
    assert mtkit("export", "ctranslate2", tiny_run / "model", tmp_path / "exported").status == 0
    args = (
        "-s",
        tmp_path / "src",
        "-r",
        tmp_path / "tgt",
        "--metric",
        "chrf",
        "--device",
        "cpu",
        "--beam-size",
        1,
    )
    exported, own = (
        mtkit("evaluate", "-m", folder, *args)
        for folder in (tmp_path / "exported", tiny_run / "model")
    )
    assert (exported.status, exported.out) == (0, own.out)


@pytest.mark.parametrize("form", ["markdown", "latex"])
def test_tables_are_those_of_compare(mtkit, files, form):
    args = (files / "hyp", "-r", files / "ref2", "--metric", "bleu", "--format", form)
    evaluated, compared = mtkit("evaluate", *args), mtkit("compare", *args)
    assert evaluated.status == 0 and "hyp" in evaluated.out
    assert evaluated.out == compared.out
    refused = mtkit("evaluate", *args, "--json")
    assert refused.status == 2 and "--json has no tables to format" in refused.err


def test_the_system_of_a_table_is_named_after_its_models(mtkit, files, upper_case_model):
    models = ("-m", files / "model1", "-m", files / "model2")
    args = ("-s", files / "hyp", "-r", files / "ref1", "--format", "markdown", "--bootstrap", 0)
    assert "**Scores**\n\n| system | BLEU |" in (out := mtkit("evaluate", *models, *args).out)
    assert "| model1 + model2 | " in out


def test_unequal_counts_are_reported(mtkit, files):
    (files / "hyp").write_text("one\n")
    outcome = mtkit("evaluate", files / "hyp", "-r", files / "ref1")
    assert outcome.status == 1
    assert f"1 translation in `{files / 'hyp'}`, but 2 references" in outcome.err


def test_a_model_is_no_file_of_translations(mtkit, files):
    model = files / "run" / "model"
    model.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (model / name).touch()
    for path, what in ((model, "model"), (files / "run", "training run")):
        for command in ("evaluate", "compare"):
            outcome = mtkit(command, path, "-r", files / "ref1")
            assert outcome.status == 1
            assert outcome.err == (
                f"error: `{path}`: is a {what}, not translations\n"
                f"hint: to translate with it: -m {model} --src FILE\n"
            )


def test_a_missing_file(mtkit, files):
    outcome = mtkit("evaluate", files / "nothing", "-r", files / "ref1")
    assert outcome == (
        1,
        "",
        f"error: `{files / 'nothing'}`: no such file\nhint: check the path of the translations\n",
    )


def test_a_source_for_a_scorer_has_as_many_lines(mtkit, files):
    (files / "src").write_text("eins\n")
    args = ("evaluate", files / "hyp", "-r", files / "ref1", "-s", files / "src")
    outcome = mtkit(*args, "--scorer", "x:higher:true")
    assert outcome.status == 1
    assert f"1 line in `{files / 'src'}`, but 2 references" in outcome.err


def test_the_interval_is_that_of_sacrebleu(mtkit, files):
    outcome = mtkit("evaluate", files / "hyp", "-r", files / "ref1", "--json", "--bootstrap", 200)
    metric = sacrebleu.BLEU(force=True)
    expected = metric.corpus_score(HYPOTHESES, [REFERENCES], n_bootstrap=200)
    bleu = json.loads(outcome.out)["bleu"]
    assert bleu["signature"] == str(metric.get_signature())
    assert bleu["mean"] == pytest.approx(expected._mean)
    assert (bleu["high"] - bleu["low"]) / 2 == pytest.approx(expected._ci)
    assert (bleu["n_bootstrap"], bleu["seed"], bleu["version"]) == (
        200,
        12345,
        sacrebleu.__version__,
    )
    text = mtkit("evaluate", files / "hyp", "-r", files / "ref1", "--bootstrap", 200).out
    assert f"95 % interval [{bleu['low']:.2f}, {bleu['high']:.2f}]" in text
    plain = json.loads(
        mtkit("evaluate", files / "hyp", "-r", files / "ref1", "--json", "--bootstrap", 0).out
    )
    assert plain["bleu"]["value"] == bleu["value"] and "low" not in plain["bleu"]
