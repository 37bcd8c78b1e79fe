import json

import pytest


@pytest.fixture
def corpus(tiny_recipe_path, monkeypatch):
    """train.ko, train.en, validation.ko, validation.en and recipe.yaml in the current directory."""
    monkeypatch.chdir(tiny_recipe_path.parent)
    return tiny_recipe_path.parent


def test_good_corpus(mtkit, corpus):
    outcome = mtkit("data", "check", "train.ko", "train.en")
    assert (outcome.status, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0] == "train.ko, train.en"
    assert lines[1].startswith("180 pairs, ko to en, ")
    assert lines[-1] == "Training would accept this."


def test_json(mtkit, corpus):
    found = json.loads(mtkit("data", "check", "train.ko", "train.en", "--json", "--no-shift").out)
    assert found["can_train"] is True
    assert found["corpora"][0]["n_pairs"] == 180
    assert found["corpora"][0]["not_looked_for"] == ["shift", "overlap"]


def test_corpus_that_training_refuses_exits_with_status_1(mtkit, corpus):
    with (corpus / "train.en").open("a") as stream:
        stream.write("One more.\n")
    for flags in ([], ["--json"]):
        outcome = mtkit("data", "check", "train.ko", "train.en", *flags)
        assert outcome.status == 1
        assert "181 of the target" in outcome.out
    assert mtkit("preprocess", "recipe.yaml").status == 1


def test_line_shift_exits_with_status_1_here_and_in_training(mtkit, corpus):
    lines = (corpus / "train.ko").read_text().splitlines(keepends=True)
    (corpus / "train.ko").write_text("".join(lines[:90] + lines[91:]))
    (corpus / "train.en").write_text(
        "".join((corpus / "train.en").read_text().splitlines(keepends=True)[:-1])
    )
    outcome = mtkit("data", "check", "train.ko", "train.en")
    assert outcome.status == 1
    assert "error    shift: 1 place" in outcome.out
    assert outcome.out.endswith("\nTraining would reject this.\n")
    for command in ("preprocess", "train"):
        outcome = mtkit(command, "recipe.yaml")
        assert outcome.status == 1
        assert "on, line N of the source corresponds to line N + 1 of the target" in outcome.err
        assert "hint: " in outcome.err and "preprocess.check_alignment" in outcome.err
    dry_run = mtkit("train", "recipe.yaml", "--dry-run")
    assert dry_run.status == 1
    assert "line N of the source corresponds to" in dry_run.out + dry_run.err


def test_invalid_utf8_ends_with_status_1(mtkit, corpus):
    (corpus / "train.en").write_bytes((corpus / "train.en").read_bytes().replace(b"a", b"\xe4", 1))
    outcome = mtkit("data", "check", "train.ko", "train.en")
    assert outcome.status == 1
    assert "error    invalid utf8: 1 target line" in outcome.out
    assert "\\xe4" in outcome.out


def test_missing_file_is_in_the_report(mtkit, corpus):
    outcome = mtkit("data", "check", "train.ko", "nothing.en")
    assert outcome.status == 1
    assert "`nothing.en`: no such file" in outcome.out
    assert outcome.err == ""


def test_validation_and_test_sets_with_files(mtkit, corpus):
    args = [
        "train.ko",
        "train.en",
        "--validation",
        "validation.ko",
        "validation.en",
        "--test",
        "train.ko",
        "train.en",
    ]
    found = json.loads(
        mtkit("data", "check", *args, "--test", "validation.ko", "validation.en", "--json").out
    )
    assert [(corpus["role"], corpus["name"]) for corpus in found["corpora"]] == [
        *(
            ("train", "train"),
            ("validation", "validation"),
            ("test", "train"),
            ("test", "validation"),
        )
    ]
    overlap = {
        corpus["name"]: finding["n"]
        for corpus in found["corpora"][2:]
        for finding in corpus["findings"]
        if finding["name"] == "overlap"
    }
    assert overlap["train"] == 180


def test_a_recipe_with_all_its_corpora(mtkit, corpus):
    outcome = mtkit("data", "check", "recipe.yaml", "--test", "validation.ko", "validation.en")
    assert outcome.status == 0
    for line in (
        "train corpus train: ",
        "validation corpus validation: ",
        "test corpus validation: ",
    ):
        assert line in outcome.out


def test_one_file_with_both_sides(mtkit, corpus):
    pairs = zip(
        *((corpus / f"train.{language}").read_text().splitlines() for language in ("ko", "en")),
        strict=True,
    )
    (corpus / "all.ko-en.tsv").write_text("".join(f"{src}\t{tgt}\n" for src, tgt in pairs))
    outcome = mtkit("data", "check", "all.ko-en.tsv", "--show", 0)
    assert outcome.status == 0
    assert "180 pairs, ko to en" in outcome.out
    assert "  src  " not in outcome.out


def test_stdin_is_a_side_too(mtkit, corpus):
    outcome = mtkit(
        "data",
        "check",
        "-",
        "train.en",
        "--src-lang",
        "ko",
        stdin=(corpus / "train.ko").read_bytes(),
    )
    assert outcome.status == 0
    assert outcome.out.startswith("stdin, train.en\n180 pairs, ko to en")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["train.ko", "train.en", "recipe.yaml"], "two aligned text files"),
        (["recipe.yaml", "--src-lang", "ko"], "a recipe specifies its languages"),
        (["train.ko", "train.en", "--test", "validation.ko"], "--test takes two files"),
        (["train.ko", "train.en", "--show", "-1"], "--show"),
        ([], "needs SRC TGT | FILE | RECIPE"),
    ],
)
def test_wrong_usage(mtkit, corpus, args, told):
    outcome = mtkit("data", "check", *args)
    assert outcome.status == 2
    assert told in outcome.err
