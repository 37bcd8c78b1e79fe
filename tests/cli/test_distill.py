"""`mtkit distill`: a small run with models, and a user's mistakes."""

import pytest

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.config.recipe import Recipe


@pytest.fixture(scope="module")
def model_dir(make_trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("distill") / "model"
    save_model_dir(path, make_trained())
    return path


@pytest.fixture
def folder(tmp_path, ko_en_pairs, monkeypatch):
    for lang, side in ("ko", "src"), ("en", "tgt"):
        text = "".join(f"{getattr(pair, side)}\n" for pair in ko_en_pairs[:6])
        (tmp_path / f"train.{lang}").write_text(text, encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(
        "data: {src_lang: ko, tgt_lang: en, train: {src: train.ko, tgt: train.en}}\n"
        "clean: {min_script: 0, max_char_ratio: 0}\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_ensemble_teaches_with_alignments(mtkit, folder, model_dir):
    outcome = mtkit(
        *("distill", "recipe.yaml", "-m", model_dir, "-m", model_dir, "-o", "out"),
        *("--alignments", "--beam-size", 1, "--student", "12+1", "--device", "cpu"),
    )
    assert outcome.status == 0, outcome.err
    assert "6 lines read, 6 to translate" in outcome.out
    sides = [
        (folder / f"out/train.{end}").read_text().splitlines() for end in ("ko", "en", "links")
    ]
    assert len(set(map(len, sides))) == 1
    for src, tgt, links in zip(*sides, strict=True):
        for link in links.split():
            i, j = map(int, link.split("-"))
            assert i < len(src.split()) and j < len(tgt.split())
    assert any(sides[2])
    found = Recipe.load("out/recipe.yaml")
    assert found.data.train[0].alignment == folder / "out/train.links"
    assert found.training.alignment_weight > 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "give either --model or --teacher-command"),
        (["-m", "{model}", "--teacher-command", "x"], "give either --model or --teacher-command"),
        (["--teacher-command", "x", "--alignments"], "are for --model"),
        (["--teacher-command", "x", "--beam-size", "3"], "are for --model"),
        (["--teacher-command", "x", "--tag", "<x>"], "are for --model"),
        (["--teacher-command", "x", "--processes", "2"], "are for --model"),
        (["--teacher-command", ""], "teacher ``: cannot be run"),
        (["--teacher-command", "nothing-here"], "teacher `nothing-here`: cannot be run"),
        (["-m", "{model}", "--alignments", "--interpolate", "2"], "only the best translation"),
        (["-m", "{model}", "--interpolate", "9", "--beam-size", "5"], "n_best (9) is more than"),
        (["-m", "nothing"], "`nothing`"),
        (["-m", "{model}", "--student", "3+3"], "6+2"),
    ],
)
def test_mistakes_are_named(mtkit, folder, model_dir, args, message):
    args = [arg.replace("{model}", str(model_dir)) for arg in args]
    outcome = mtkit("distill", "recipe.yaml", "-o", "out", *args)
    assert outcome.status != 0
    assert message in outcome.err
    assert not (folder / "out/report.json").exists()
