import json
import shlex
import sys
from types import SimpleNamespace

import pytest

from mtkit.translation.result import Translation
from tests.evaluation import sacrebleu_numbers
from tests.evaluation.perturbed import perturb


@pytest.fixture
def english(ko_en_pairs):
    return [pair.tgt for pair in ko_en_pairs][:60]


@pytest.fixture
def files(tmp_path, monkeypatch, ko_en_pairs, english):
    """The current directory, with a source, a reference, and translations of several systems."""
    monkeypatch.chdir(tmp_path)
    texts = {
        "src.ko": [pair.src for pair in ko_en_pairs][:60],
        "ref.en": english,
        "old.en": perturb(english, 0.2, 1),
        "new.en": perturb(english, 0.2, 2),
        "worse.en": perturb(english, 0.4, 3),
    }
    for name, lines in texts.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return texts


FAST = ("--trials", "50", "--bootstrap", "50")


def test_the_p_value_is_that_of_sacrebleu(mtkit, files, english):
    outcome = mtkit("compare", "old.en", "new.en", "-r", "ref.en", "--json")
    report = json.loads(outcome.out)
    signatures, expected = sacrebleu_numbers.paired_test(
        {"old": files["old.en"], "new": files["new.en"]}, ["bleu"], [english], n_ar_confidence=1000
    )
    assert (outcome.status, outcome.err) == (0, "")
    assert (report["baseline"], report["n_segments"]) == ("old", 60)
    for system, theirs in zip(report["systems"], expected["bleu"], strict=True):
        bleu = system["metrics"]["bleu"]
        assert bleu["value"] == theirs.score
        assert bleu["low"] < bleu["value"] < bleu["high"]
        assert {"mean", "seed", "version", "n_bootstrap"} <= bleu.keys()
        assert "bs:1000|seed:12345" in bleu["signature"]
    difference = report["differences"][0]
    assert difference["p"] == difference["p_holm"] == expected["bleu"][1].p_value
    assert difference["signature"] == str(signatures["bleu"])
    assert (difference["test"], difference["n_trials"], difference["seed"]) == ("ar", 10000, 12345)
    assert difference["low"] < difference["value"] < difference["high"]
    assert [pair["metric"] for pair in report["differences"]] == ["bleu", "chrf"]


def test_three_systems_are_compared_in_pairs(mtkit, files):
    args = ("compare", "old.en", "new.en", "worse.en", "-r", "ref.en", "--metric", "ter", *FAST)
    outcome = mtkit(*args)
    assert outcome.status == 0
    assert "TER (lower is better)" in outcome.out and "p (Holm)" in outcome.out
    for pair in ("new - old", "worse - old", "worse - new"):
        assert f"TER     {pair}" in outcome.out
    markdown = mtkit(*args, "--format", "markdown").out
    assert "| system | TER (lower is better) |\n| --- | ---: |" in markdown
    assert "\\begin{tabular}{lr}" in mtkit(*args, "--format", "latex").out


def test_the_same_output_under_two_names_is_reported(mtkit, files):
    outcome = mtkit("compare", "old.en", "./old.en", "-r", "ref.en", *FAST)
    assert outcome.status == 0
    assert "the outputs are equal" in outcome.out
    assert "./old.en - old.en" in outcome.out
    outcome = mtkit("compare", "old.en", "old.en", "-r", "ref.en")
    assert outcome.status == 2 and "old.en is given twice" in outcome.err


def test_several_files_are_runs_of_one_system(mtkit, files):
    args = ("compare", "a=old.en,new.en", "b=new.en,old.en", "-r", "ref.en", *FAST)
    report = json.loads(mtkit(*args, "--json").out)
    bleu = [system["metrics"]["bleu"] for system in report["systems"]]
    values = [
        sacrebleu_numbers.metric("bleu").corpus_score(files[name], [files["ref.en"]]).score
        for name in ("old.en", "new.en")
    ]
    assert bleu[0]["runs"] == values and bleu[1]["runs"] == values[::-1]
    assert (bleu[0]["min"], bleu[0]["max"]) == (min(values), max(values))
    assert bleu[0]["value"] == pytest.approx(sum(values) / 2)
    text = mtkit(*args).out
    assert "below the deviation of the runs" in text and "Runs of each system" in text
    unequal = mtkit("compare", "a=old.en,new.en", "b=new.en", "-r", "ref.en", *FAST)
    assert unequal.status == 1 and "--test bs" in unequal.err
    assert (
        mtkit(
            "compare", "a=old.en,new.en", "b=new.en", "-r", "ref.en", *FAST, "--test", "bs"
        ).status
        == 0
    )


def test_a_file_may_have_separators_in_its_name(mtkit, files, tmp_path):
    (tmp_path / "beam=4,5.en").write_bytes((tmp_path / "new.en").read_bytes())
    outcome = mtkit("compare", "old.en", "beam=4,5.en", "-r", "ref.en", *FAST)
    assert outcome.status == 0 and "beam=4,5 - old" in outcome.out


def test_analyses(mtkit, files, tmp_path):
    (tmp_path / "labels").write_text("news\ntalk\n" * 30)
    lines = files["new.en"][:]
    lines[6] = ""
    (tmp_path / "new.en").write_text("".join(f"{line}\n" for line in lines))
    options = ["--by-length", "--by-label", "labels", "--by-frequency", "old.en", "--examples", 2]
    args = ("compare", "old.en", "new.en", "-r", "ref.en", "-s", "src.ko", *options, *FAST)
    outcome = mtkit(*args)
    assert outcome.status == 0
    for title in (
        "Faults (segments)",
        "By length of the source",
        "By label of `labels`",
        "Words by their frequency in `old.en`",
        "Segments that differ most in BLEU: old, new",
    ):
        assert f"\n{title}" in outcome.out
    assert "\nempty " in outcome.out
    report = json.loads(mtkit(*args, "--json").out)
    assert report["systems"][1]["faults"]["empty"] == {"n": 1, "lines": [7], "p": 1.0}
    assert [bucket["n"] for bucket in report["buckets"]["By label of `labels`"]] == [30, 30]
    assert len(report["segments"]) == 2 and report["segments"][0]["systems"] == ["old", "new"]


def test_scores_of_segments_and_of_another_program(mtkit, files, tmp_path):
    (tmp_path / "scorer.py").write_text(
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    fields = json.loads(line)\n"
        "    assert fields['source'] and fields['reference']\n"
        "    print(json.dumps(fields | {'prediction': len(fields['hypothesis'])}))\n"
    )
    scorer = f"Length:lower:{shlex.join([sys.executable, 'scorer.py'])}"
    outcome = mtkit(
        "compare", "old.en", "new.en", "-r", "ref.en", "-s", "src.ko", "--scorer", scorer,
        "--segment-scores", "scores.tsv", *FAST,
    )  # fmt: skip
    assert outcome.status == 0
    header, *rows = [
        line.split("\t") for line in (tmp_path / "scores.tsv").read_text().splitlines()
    ]
    assert header == [
        "line",
        "old:bleu",
        "old:chrf",
        "old:Length",
        "new:bleu",
        "new:chrf",
        "new:Length",
    ]
    assert [float(row[3]) for row in rows] == list(map(len, files["old.en"]))
    assert "scorer:Length|better:lower" in outcome.out
    evaluated = mtkit(
        "evaluate", "old.en", "-r", "ref.en", "-s", "src.ko", "--scorer", scorer, "--json"
    )
    value = json.loads(evaluated.out)["Length"]["value"]
    assert value == sum(map(len, files["old.en"])) / 60


@pytest.fixture
def models(monkeypatch, files, tmp_path):
    """Two model directories, whose models write in upper and in lower case."""
    for name in ("one/model", "two/model"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").touch()

    class Changer:
        config = SimpleNamespace(tgt_lang="en", context=0)

        def __init__(self, model_dirs):
            self.change = str.upper if "one" in str(model_dirs[0]) else str.lower

        @classmethod
        def load(cls, model_dirs, **options):
            return cls(model_dirs)

        def stream(self, lines, on_lines, **search):
            return (Translation(self.change(line), 0.0, ()) for line in lines)

    monkeypatch.setattr("mtkit.translation.translator.Translator", Changer)


def test_models_translate_the_source(mtkit, models):
    outcome = mtkit(
        "compare", "-m", "one/model", "-m", "lower=two/model", "-s", "old.en", "-r", "ref.en", *FAST
    )
    assert outcome.status == 0 and "lower - one" in outcome.out


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["-r", "ref.en"], 2, "give either files of translations, or --model"),
        (["old.en", "-m", "one/model", "-r", "ref.en"], 2, "give either files of translations, or"),
        (["-m", "one/model", "-r", "ref.en"], 2, "--model needs --src"),
        (["-m", "nothing", "-r", "ref.en", "-s", "src.ko"], 1, "nothing"),
        (["old.en", "new.en", "-r", "ref.en", "--beam-size", "3"], 2, "--beam-size: only with --model"),
        (["old.en", "short", "-r", "ref.en"], 1, "2 translations in `short`, but 60 references"),
        (["old.en", "new.en", "-r", "ref.en", "-s", "short"], 1, "2 lines in `short`, but 60 references"),
        (["old.en", "new.en", "-r", "ref.en", "-r", "short"], 1, "60 translations in `old.en`, but 2 lines in references 2"),
        (["old.en", "new.en", "-r", "ref.en", "--by-label", "short"], 1, "2 lines in `short`, but 60"),
        (["old.en", "nothing", "-r", "ref.en"], 1, "`nothing`: no such file"),
        (["old.en", "new=", "-r", "ref.en"], 2, "new= has an empty path"),
        (["old.en", "new.en,", "-r", "ref.en"], 2, "new.en, has an empty path"),
        (["old.en", f"new={'x' * 300}", "-r", "ref.en"], 1, "file name too long"),
        (["old.en", "new.en", "-r", "ref.en", "--tokenize", "moses"], 1, "unknown tokenize: moses"),
        (["old.en", "new.en", "-r", "ref.en", "--scorer", "x"], 1, "not of the form NAME:higher"),
        (["old.en", "new.en", "-r", "ref.en", "--bootstrap", "0"], 1, "a comparison needs resamples"),
        (["old.en", "new.en", "-r", "ref.en", "--by-frequency", "empty"], 1, "no token store found"),
        (["old.en", "new.en", "-r", "ref.en", "--segment-scores", "new.en"], 1, "`new.en`: is an input"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(mtkit, models, tmp_path, args, status, message):
    (tmp_path / "short").write_text("a\nb\n")
    (tmp_path / "empty").mkdir()
    before = (tmp_path / "new.en").read_bytes()
    outcome = mtkit("compare", *args)
    assert (outcome.status, outcome.out) == (status, "")
    assert message in " ".join(outcome.err.split())
    assert (tmp_path / "new.en").read_bytes() == before


@pytest.mark.parametrize(("lang", "tokenizer"), [("de", "13a"), ("zh-Hant", "zh"), ("zho", "zh")])
def test_the_language_selects_the_tokenizer_and_it_is_named(mtkit, files, lang, tokenizer):
    outcome = mtkit("compare", "old.en", "new.en", "-r", "ref.en", "--lang", lang, *FAST)
    assert outcome.status == 0 and f"|tok:{tokenizer}|" in outcome.out
    assert f"tokenizer of BLEU for {lang}: {tokenizer}" in outcome.err


def test_a_tokenizer_is_never_replaced(mtkit, files, monkeypatch, tmp_path):
    import sacrebleu.utils
    from sacrebleu.tokenizers import tokenizer_ko_mecab

    monkeypatch.setattr(tokenizer_ko_mecab, "MeCab", None)
    outcome = mtkit("compare", "old.en", "new.en", "-r", "ref.en", "--lang", "ko")
    assert outcome.status == 1 and "sacrebleu[ko]" in outcome.err
    monkeypatch.setattr(sacrebleu.utils, "SACREBLEU_DIR", str(tmp_path / "none"))
    for name in ("flores200", "flores101", "spm"):
        outcome = mtkit("compare", "old.en", "new.en", "-r", "ref.en", "--tokenize", name)
        assert outcome.status == 1 and f"the model of tokenize {name} is missing" in outcome.err
