import re
import shlex

import pytest

from mtkit.config.presets import PRESETS
from mtkit.config.recipe import Recipe


@pytest.mark.parametrize("preset", PRESETS)
def test_the_recipe_loads_and_is_the_preset(mtkit, tmp_path, preset):
    outcome = mtkit("init", preset, tmp_path / "new/system", "--src-lang", "de", "--tgt-lang", "en")
    assert outcome.status == 0
    assert "mtkit train" in outcome.out
    recipe = Recipe.load(tmp_path / "new/system/recipe.yaml")
    data = {"src_lang": "de", "tgt_lang": "en", "train": {"src": "a", "tgt": "b"}}
    assert recipe.model_copy(update={"data": None}) == Recipe.model_validate(
        {"data": data, **PRESETS[preset]}
    ).model_copy(update={"data": None})
    assert recipe.data.train[0].src == tmp_path / "new/system/train.de"
    assert recipe.data.validation


def test_the_help_explains_each_preset(mtkit):
    text = " ".join(mtkit("init", "--help").out.split())
    assert all(re.search(rf"\b{name}\b", text) for name in PRESETS)


def test_files_are_named_from_the_current_directory(mtkit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--train-src", "text/a.ko", "--train-tgt", tmp_path / "text/a.en"]
    assert mtkit("init", "tiny", "sub/system", *options).status == 0
    text = (tmp_path / "sub/system/recipe.yaml").read_text()
    assert "train: {src: ../../text/a.ko, tgt: " in text
    recipe = Recipe.load("sub/system/recipe.yaml")
    assert recipe.data.src_lang == "ko"
    assert recipe.data.train[0].src is not None
    assert recipe.data.train[0].src.resolve() == tmp_path / "text/a.ko"
    assert recipe.data.train[0].tgt == tmp_path / "text/a.en"
    assert recipe.data.validation == ()


def test_a_missing_file_is_named(mtkit, tmp_path, monkeypatch):
    """The recipe may be written before its files, but a typing error does not wait for training."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.ko").touch()
    outcome = mtkit("init", "tiny", "system", "--train-src", "a.ko", "--train-tgt", "a.en")
    assert outcome.status == 0
    assert "warning: `a.en`: no such file" in outcome.err and "a.ko" not in outcome.err


def test_validation_files(mtkit, tmp_path):
    assert (
        mtkit(
            "init", "tiny", tmp_path, "--validation-src", "/v.de", "--validation-tgt", "/v.en"
        ).status
        == 0
    )
    (validation,) = Recipe.load(tmp_path / "recipe.yaml").data.validation
    assert str(validation.src) == "/v.de"


def test_one_side_alone_is_a_usage_error(mtkit, tmp_path):
    outcome = mtkit("init", "tiny", tmp_path, "--train-src", "a.de")
    assert outcome.status == 2
    assert "--train-src and --train-tgt go together" in outcome.err


def test_nothing_is_overwritten(mtkit, tmp_path):
    (tmp_path / "recipe.yaml").write_text("mine")
    outcome = mtkit("init", "tiny", tmp_path, "--src-lang", "de", "--tgt-lang", "en")
    assert outcome.status == 1
    assert "exists" in outcome.err
    assert (tmp_path / "recipe.yaml").read_text() == "mine"


@pytest.mark.parametrize("form", [[], ["--full"]])
@pytest.mark.parametrize(
    "files",
    [
        ["--train-src", "t.ko", "--train-tgt", "t.en"],
        ["--train-src", "t.ko.gz", "--train-tgt", "corpus.ko-en.en"],
        ["--train-src", "t.ko.txt", "--train-tgt", "t.en.txt.xz"],
        ["--train-src", "t.txt", "--train-tgt", "t.en", "--src-lang", "ko"],
        ["--validation-src", "v.ko", "--validation-tgt", "v.en"],
        ["--src-lang", "ko", "--tgt-lang", "en"],
    ],
)
def test_languages_come_from_the_names_or_from_options(mtkit, tmp_path, monkeypatch, files, form):
    monkeypatch.chdir(tmp_path)
    outcome = mtkit("init", "tiny", "d", *files, *form)
    assert outcome.status == 0, outcome.err
    assert "wrote d/recipe.yaml: ko to en\n" in outcome.out
    data = Recipe.load("d/recipe.yaml").data
    assert (data.src_lang, data.tgt_lang) == ("ko", "en")


@pytest.mark.parametrize(
    ("files", "message", "hint"),
    [
        ([], "the languages are not known", "--src-lang CODE and --tgt-lang CODE"),
        (["--src-lang", "ko"], "the languages are not known", "give --tgt-lang CODE,"),
        (
            ["--train-src", "a.txt", "--train-tgt", "b.txt"],
            "`a.txt` and `b.txt`",
            "--src-lang CODE and --tgt-lang CODE",
        ),
        (["--train-src", "t.ko", "--train-tgt", "t.txt"], "`t.txt`", "give --tgt-lang CODE,"),
        (
            ["--train-src", "t.en", "--train-tgt", "t.de", "--src-lang", "de", "--tgt-lang", "en"],
            "their names say the opposite",
            "exchange",
        ),
        (
            ["--train-src", "t.en", "--train-tgt", "./t.en"],
            "as source and as target",
            "source first",
        ),
        (
            ["--train-src", "-", "--train-tgt", "t.en", "--src-lang", "de"],
            "read only once",
            "save it",
        ),
    ],
)
def test_languages_are_never_guessed(mtkit, tmp_path, monkeypatch, files, message, hint):
    monkeypatch.chdir(tmp_path)
    outcome = mtkit("init", "tiny", "d", *files)
    assert (outcome.status, outcome.out) == (1, "")
    error, how = outcome.err.splitlines()
    assert error.startswith("error: ") and message in error
    assert how.startswith("hint: ") and hint in how
    assert not (tmp_path / "d").exists()


def test_the_same_language_on_both_sides_has_two_files(mtkit, tmp_path):
    assert mtkit("init", "tiny", tmp_path, "--src-lang", "en", "--tgt-lang", "en").status == 0
    train = Recipe.load(tmp_path / "recipe.yaml").data.train[0]
    assert [path and path.name for path in (train.src, train.tgt)] == ["train.src", "train.tgt"]


def test_directory_behind_a_symbolic_link(mtkit, tmp_path, monkeypatch):
    (tmp_path / "far/away").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    (tmp_path / "here/link").symlink_to(tmp_path / "far/away")
    (tmp_path / "here/t.ko").write_text("")
    monkeypatch.chdir(tmp_path / "here")
    assert mtkit("init", "tiny", "link", "--train-src", "t.ko", "--train-tgt", "t.en").status == 0
    source = Recipe.load("link/recipe.yaml").data.train[0].src
    assert source is not None and source.samefile("t.ko")


def test_full_writes_every_key(mtkit, tmp_path):
    languages = ["--src-lang", "de", "--tgt-lang", "en"]
    for name, options in ("short", []), ("full", ["--full"]):
        assert mtkit("init", "small", tmp_path / name, *languages, *options).status == 0
    texts = [(tmp_path / name / "recipe.yaml").read_text() for name in ("short", "full")]
    assert "ema_decay" not in texts[0] and "ema_decay" in texts[1]
    short, full = (
        Recipe.load(tmp_path / name / "recipe.yaml").model_copy(update={"data": None})
        for name in ("short", "full")
    )
    assert short == full


def printed_commands(out):
    """The commands that a program has printed, as the shell reads them."""
    lines = [line.partition("mtkit ")[2] for line in out.splitlines() if "then: mtkit " in line]
    return [shlex.split(line) for line in lines]


@pytest.mark.parametrize("folder", ["my dir's", "./-x", "a;b $HOME"])
def test_printed_command_can_be_pasted(mtkit, tmp_path, monkeypatch, ko_en_pairs, folder):
    monkeypatch.chdir(tmp_path)
    for side, lang in enumerate(("ko", "en")):
        (tmp_path / f"t.{lang}").write_text(
            "".join(f"{pair[side]}\n" for pair in ko_en_pairs), encoding="utf-8"
        )
    outcome = mtkit("init", "tiny", folder, "--train-src", "t.ko", "--train-tgt", "t.en")
    assert outcome.status == 0
    [command] = printed_commands(outcome.out)
    shown = mtkit(*command, "--show-recipe")
    assert shown.status == 0, shown.err
    assert Recipe.load(tmp_path / folder / "recipe.yaml").data.src_lang == "ko"
