"""`mtkit rerank` and `mtkit flag`: files in, files out, and the mistakes of users."""

import json
import logging
from pathlib import Path

import pytest
from sacrebleu.metrics.chrf import CHRF

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.cli.common.pair_score_options import PairScoreOptions
from mtkit.errors import MtkitError


@pytest.fixture(scope="module")
def model_dir(make_trained, tmp_path_factory):
    directory = tmp_path_factory.mktemp("rerank") / "model"
    save_model_dir(directory, make_trained())
    return directory


@pytest.fixture
def files(tmp_path, ko_en_pairs):
    """Three lines, one of them blank, and two candidates for each: that of another line first."""
    (src, tgt), (other_src, other) = ((pair.src, pair.tgt) for pair in ko_en_pairs[:2])
    lists = [(src, other, tgt), ("", "", ""), (other_src, tgt, other)]
    paths = tmp_path / "src", tmp_path / "nbest", tmp_path / "reference"
    paths[0].write_text("".join(f"{src}\n" for src, *_ in lists), encoding="utf-8")
    nbest = [
        f"{number}\t-{rank}\t{text}\n"
        for number, (_, *texts) in enumerate(lists, 1)
        for rank, text in enumerate(texts)
    ]
    paths[1].write_text("".join(nbest), encoding="utf-8")
    paths[2].write_text("".join(f"{texts[-1]}\n" for texts in lists), encoding="utf-8")
    return paths


def test_the_features_are_those_of_mtkit_score(mtkit, model_dir, files, tmp_path):
    src, nbest, _ = files
    out = tmp_path / "out.jsonl"
    weights = "--weight", "score=0", "--weight", "forward=1", "--weight", "mbr=0"
    options = "--forward-model", model_dir, "--device", "cpu", *weights, "--format", "jsonl"
    assert mtkit("rerank", src, nbest, *options, "-o", out).status == 0
    chosen = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [one["text"] == "" for one in chosen] == [False, True, False]
    (tmp_path / "tgt").write_text("".join(f"{one['text']}\n" for one in chosen), encoding="utf-8")
    score = mtkit("score", src, tmp_path / "tgt", "-m", model_dir, "--device", "cpu")
    rows = [line.split(" ") for line in score.out.splitlines()]
    expected = [float(total) / max(1, int(n)) for total, _, n in rows]
    assert [one["score"] for one in chosen] == pytest.approx(expected, abs=1e-4)
    flags = mtkit(
        *("flag", src, tmp_path / "tgt", "--forward-model", model_dir),
        *("--device", "cpu", "--share", "0.5"),
    )
    assert flags.status == 0
    columns = [line.split("\t") for line in flags.out.splitlines()]
    assert [float(one) for _, one in columns] == pytest.approx(expected, abs=1e-4)
    assert sum("low forward" in names for names, _ in columns) == 1
    assert "of 3 lines flagged" in flags.err


def test_weights_are_tuned_and_used(mtkit, files, tmp_path):
    src, nbest, reference = files
    path = tmp_path / "w.json"
    outcome = mtkit("rerank", src, nbest, "--tune", path, "-r", reference, "--trials", 5)
    assert outcome.status == 0
    score = CHRF().corpus_score
    outputs = [
        mtkit("rerank", src, nbest, *options).out.splitlines()
        for options in (["--weight", "score=1"], ["--weights", path])
    ]
    expected = [
        score(lines, [reference.read_text("utf-8").splitlines()]).score for lines in outputs
    ]
    assert expected[0] <= expected[1]
    printed = [line.rpartition(" ")[2] for line in outcome.out.splitlines()[:2]]
    assert printed == [f"{value:.2f}" for value in expected]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tune", "w.json"], "--tune needs --reference"),
        (["--metric", "bleu"], "--metric is for --tune"),
        (["--weight", "x"], "not of the form NAME=W"),
        (["--weight", "score=1", "--weight", "score=2"], "--weight score: is given twice"),
        (["--weight", "reverse=1"], "there is a weight for reverse, but no such feature"),
        (["--scorer", "LM:higher:cat"], "have a scale of their own"),
        (["--scorer", "mbr:higher:cat", "--weight", "mbr=1"], "the name mbr is taken"),
        (["--weights", "src"], "is not a file of weights"),
        (["--tune", "src", "-r", "reference"], "is an input, and would be overwritten"),
        (["--tune", "w.json", "-r", "reference", "-o", "x"], "--tune writes no translations"),
        (["--reverse-model", "."], "not a model directory"),
    ],
)
def test_mistakes(mtkit, files, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    outcome = mtkit("rerank", "src", "nbest", *options)
    assert outcome.status in (1, 2)
    assert message in outcome.err
    assert {path.name for path in tmp_path.iterdir()} == {"src", "nbest", "reference"}


def test_a_language_of_unknown_scripts_is_said_to_be_one(mtkit, files):
    outcome = mtkit("flag", files[0], files[2], "--src-lang", "klingon", "--tgt-lang", "en")
    assert outcome.status == 0
    assert outcome.err.count("not known") == 1
    assert "the scripts of `klingon` are not known" in outcome.err


def test_a_share_is_at_most_one(mtkit, files):
    outcome = mtkit("flag", files[0], files[2], "--share", "5")
    assert outcome.status == 2
    assert "--share 5.0: give a share" in outcome.err


@pytest.mark.parametrize(
    ("langs", "is_reverse", "name", "text", "message"),
    [
        ("ko en", False, "a.ko", "하나", ""),
        ("en ko", True, "a.ko", "하나", ""),
        ("ko en", False, "a.en", "one", "the name of the source text says en"),
        ("ko en", True, "a.ko", "하나", "the name of the source text says ko"),
        ("ko en", False, "a", "one", "this source text is in the script of en"),
        ("ko en", True, "a", "하나", "this source text is in the script of ko"),
        # The scripts say nothing of these.
        *(("de en", False, "a", "one", ""), ("ja zh", False, "a", "一", "")),
        *(("ko en", False, "a", "", ""), ("ko en", False, "a", "1", "")),
        # A model with tags may translate in both directions.
        ("ko en <2ko>", False, "a.en", "one", ""),
    ],
)
def test_models_of_the_other_direction(
    tmp_path, monkeypatch, caplog, langs, is_reverse, name, text, message
):
    src_lang, tgt_lang, *tags = langs.split()
    config = {"src_lang": src_lang, "tgt_lang": tgt_lang, "tags": tags}
    (tmp_path / "config.json").write_text(json.dumps(config))
    options = PairScoreOptions(**{"reverse_dirs" if is_reverse else "forward_dirs": [tmp_path]})
    monkeypatch.setattr(logging.getLogger("mtkit"), "propagate", True)
    try:
        options.check_direction(Path(name), [text])
        found = caplog.text
    except MtkitError as exc:
        found = exc.message
    assert message in found
    assert bool(found) == bool(message)
