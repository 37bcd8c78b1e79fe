"""`mtkit score`, on a model in a folder."""

import json
import math
from pathlib import Path

import pytest

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.cli.common.corpus_arguments import refuse_other_order
from mtkit.errors import MtkitError


@pytest.fixture(scope="module")
def model_dir(make_trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("score") / "model"
    save_model_dir(folder, make_trained())
    return folder


@pytest.fixture
def files(tmp_path, ko_en_pairs):
    """Eight pairs, one of them blank."""
    pairs = [(pair.src, pair.tgt) for pair in ko_en_pairs[:7]]
    pairs.insert(3, ("", ""))
    for side, name in enumerate(("src", "tgt")):
        (tmp_path / name).write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8")
    return tmp_path / "src", tmp_path / "tgt"


def test_three_formats_agree(mtkit, model_dir, files, tmp_path):
    found = {}
    for output_format in ("text", "tsv", "jsonl"):
        outcome = mtkit(
            "score", *files, "-m", model_dir, "--format", output_format, "--device", "cpu"
        )
        assert outcome.status == 0
        found[output_format] = outcome.out.splitlines()
    assert [line.split(" ") for line in found["text"]] == [
        line.split("\t") for line in found["tsv"]
    ]
    trees = [json.loads(line) for line in found["jsonl"]]
    assert [list(map(float, line.split())) for line in found["text"]] == [
        pytest.approx([tree["log_prob"], tree["score"], tree["n_tokens"]], abs=1e-4)
        for tree in trees
    ]
    assert found["text"][3] == "0.0000 0.0000 0"
    assert (
        mtkit("score", *files, "-m", model_dir, "-o", tmp_path / "out", "--chunk-lines", 3).out
        == ""
    )
    assert (tmp_path / "out").read_text().splitlines() == found["text"]


def test_last_line_reports_perplexities(mtkit, model_dir, files):
    outcome = mtkit("score", *files, "-m", model_dir, "--format", "jsonl", "--per-token")
    trees = [json.loads(line) for line in outcome.out.splitlines()]
    for tree in trees:
        assert sum(token["log_prob"] for token in tree["tokens"]) == pytest.approx(
            tree["log_prob"], abs=1e-4
        )
        assert len(tree["tokens"]) == tree["n_tokens"]
    total, n_tokens = (
        sum(tree["log_prob"] for tree in trees),
        sum(tree["n_tokens"] for tree in trees),
    )
    n_words = len(files[1].read_text().split())
    last = outcome.err.splitlines()[-1]
    assert last.startswith(
        f"8 lines (1 blank), {n_tokens} tokens, {n_words} words: log-probability "
    )
    assert float(last.split("perplexity ")[1].split(",")[0]) == pytest.approx(
        math.exp(-total / n_tokens), rel=1e-4
    )
    assert float(last.split("per word ")[1]) == pytest.approx(
        math.exp(-total / (n_words + 7)), rel=1e-4
    )


def test_first_line_reports_device_and_precision(mtkit, model_dir, files):
    outcome = mtkit(
        "score", *files, "-m", model_dir, "--device", "cpu", "--precision", "bf16", "--workers", 3
    )
    assert [line.partition(" ")[2] for line in outcome.err.splitlines() if "scoring" in line] == [
        "scoring with bf16 on the CPU, 3 workers"
    ]


def test_the_length_penalty_can_be_chosen(mtkit, model_dir, files):
    rows = [
        line.split()
        for line in mtkit(
            "score", *files, "-m", model_dir, "--length-penalty", "mean", "--alpha", "1"
        ).out.splitlines()
    ]
    for log_prob, score, n_tokens in rows:
        assert float(score) == pytest.approx(float(log_prob) / max(int(n_tokens), 1), abs=1e-3)


@pytest.mark.parametrize("short", [0, 1])
def test_unequal_files_are_refused(mtkit, files, short, tmp_path):
    lines = files[short].read_text().splitlines(keepends=True)
    files[short].write_text("".join(lines[:-2]))
    outcome = mtkit("score", *files, "-m", tmp_path / "no-model")
    assert outcome.status == 1
    assert (
        outcome.err.splitlines()[0]
        == f"error: `{files[short]}` ends after line 6, but `{files[1 - short]}` continues"
    )


def test_a_side_from_stdin_that_ends_too_early(mtkit, model_dir, files, tmp_path):
    outcome = mtkit(
        "score", files[0], "-", "-m", model_dir, "-o", tmp_path / "out", stdin="one\ntwo\n"
    )
    assert outcome.status == 1
    assert f"error: `-` ends after line 2, but `{files[0]}` continues" in outcome.err
    assert not (tmp_path / "out").exists()
    assert mtkit("score", "-", "-", "-m", model_dir).err.startswith(
        "error: stdin is read by two inputs"
    )


def test_a_missing_file(mtkit, files, tmp_path):
    assert mtkit("score", files[0], tmp_path / "nothing", "-m", "model") == (
        1,
        "",
        f"error: `{tmp_path / 'nothing'}`: no such file\nhint: check the path of the translations\n",
    )


@pytest.mark.parametrize(
    "command",
    [
        "score {en} {ko} -m {model}",
        "evaluate -m {model} -s {en} -r {ko}",
        "tune -m {model} -s {en} -r {ko}",
        "shortlist {en} {ko} -m {model} -o {out}",
        "vocab prune {en} {ko} -m {model} -o {out}",
        "vocab extend {en} {ko} -m {model} -o {out} --add 10",
    ],
)
def test_files_in_the_other_order_are_refused(mtkit, model_dir, tmp_path, command):
    """By their names, before anything is computed; the model translates from Korean to English."""
    ko, en = tmp_path / "test.ko", tmp_path / "test.en"
    ko.write_text("나는 간다\n", encoding="utf-8")
    en.write_text("I go\n", encoding="utf-8")
    paths = {"ko": ko, "en": en, "model": model_dir, "out": tmp_path / "out"}
    outcome = mtkit(*(word.format(**paths) for word in command.split()))
    assert outcome.status == 1
    assert "the names of the files say the opposite" in outcome.err
    assert f"give the source first: {ko} {en}" in outcome.err
    assert not (tmp_path / "out").exists()


def test_several_pairs_of_files_are_each_in_an_order():
    first, second = [Path("a.ko"), Path("a.en")], [Path("b.ko"), Path("b.en")]
    refuse_other_order([*first, Path("c.tsv"), *second], ("ko", "en"))
    with pytest.raises(MtkitError, match=r"`b\.en`, `b\.ko`: the model translates from ko to en"):
        refuse_other_order([*first, *reversed(second)], ("ko", "en"))
