"""`mtkit backtranslate`: a small run with models, and a user's mistakes."""

import json
import shutil
from dataclasses import replace

import pytest

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.config.recipe import Recipe

RECIPE = """\
data:
  src_lang: ko
  tgt_lang: en
  train: {src: train.ko, tgt: train.en}
  test: {src: test.ko, tgt: test.en}
clean: {min_script: 0}
"""


@pytest.fixture(scope="module")
def models(make_trained, tmp_path_factory):
    """A model from English to Korean, and one from Korean to English."""
    folder = tmp_path_factory.mktemp("models")
    backward = make_trained(1)
    config = backward.config.model_copy(update={"src_lang": "en", "tgt_lang": "ko"})
    save_model_dir(folder / "en-ko", replace(backward, config=config))
    save_model_dir(folder / "ko-en", make_trained(2))
    return folder


@pytest.fixture
def folder(tmp_path, ko_en_pairs, monkeypatch):
    for name, pairs in ("train", ko_en_pairs[:5]), ("test", ko_en_pairs[5:7]):
        for lang, side in ("ko", "src"), ("en", "tgt"):
            text = "".join(f"{getattr(pair, side)}\n" for pair in pairs)
            (tmp_path / f"{name}.{lang}").write_text(text, encoding="utf-8")
    text = "".join(f"{pair.tgt}\n" for pair in ko_en_pairs[5:15])
    (tmp_path / "mono.en").write_text(text, encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_corpus_recipe_and_report(mtkit, folder, models):
    common = ("backtranslate", "mono.en", "-m", models / "en-ko", "--recipe", "recipe.yaml")
    common += ("-o", "bt", "--device", "cpu", "--beam-size", 1)
    outcome = mtkit(*common, "--dry-run")
    assert outcome.status == 0
    assert "10 lines read, 8 to translate, duplicates included" in outcome.out
    assert not (folder / "bt").exists()
    # As in a second round, with the model that was trained on the corpus of the first one.
    forward_dir = folder / "bt/work/run/model"
    outcome = mtkit(*common, "--forward-model", models / "ko-en", "--keep", "0.5")
    assert outcome.status == 0, outcome.err
    shutil.copytree(models / "ko-en", forward_dir)
    outcome = mtkit(*common, "--forward-model", forward_dir, "--keep", "0.5", "--json")
    assert outcome.status == 0, outcome.err
    assert (forward_dir / "config.json").exists()
    report = json.loads(outcome.out)
    assert json.loads((folder / "bt/report.json").read_text()) == {
        "command": "backtranslate",
        **report,
    }
    counts = report["corpus"]["pairs"]
    assert counts["n_read"] == 8
    lines = [(folder / f"bt/bt.{lang}").read_text().splitlines() for lang in ("ko", "en")]
    assert len(lines[0]) == len(lines[1]) == counts["n_kept"] > 0
    assert set(lines[1]) <= set((folder / "mono.en").read_text().splitlines()[2:])
    assert Recipe.load("bt/recipe.yaml").data.train[1].tags == ("<bt>",)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["-m", "{ko-en}"], "translates from ko to en, but here a model from en to ko is needed"),
        (["-m", "{en-ko}", "--forward-model", "{en-ko}"], "translates from en to ko, but here"),
        (["-m", "nothing"], "`nothing`"),
        (["-m", "{en-ko}", "--keep", "0.5"], "--keep needs the scores of --forward-model"),
        (["-m", "x", "--forward-model", "x", "--keep", "1.5"], "--keep 1.5: give a share"),
        (["-m", "x", "--forward-model", "x", "--keep", "most"], "--keep most: give a share"),
        (["-m", "{en-ko}", "--ratio", "0"], "--ratio must be more than 0"),
        (["-m", "{en-ko}", "--documents"], "the recipe trains without context"),
        (["-m", "{en-ko}", "--held-out", "missing"], "`missing`: no such file"),
        (["-m", "{en-ko}", "-o", "."], "contains the input"),
        (["-m", "{en-ko}", "--top-k", "3"], "top_k has no effect without sampling"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(mtkit, folder, models, args, message):
    before = sorted(path.name for path in folder.iterdir())
    args = [arg.replace("{", f"{models}/").replace("}", "") for arg in args]
    command = ["backtranslate", "mono.en", "--recipe", "recipe.yaml", "-o", "bt", *args]
    outcome = mtkit(*command, "--device", "cpu")
    assert outcome.status != 0
    assert message in outcome.err
    assert not (folder / "bt" / "report.json").exists()
    assert [
        name for name in sorted(path.name for path in folder.iterdir()) if name != "bt"
    ] == before


def test_a_stream_is_refused(mtkit, folder, models):
    outcome = mtkit(
        *("backtranslate", "-", "-m", models / "en-ko", "--recipe", "recipe.yaml", "-o", "bt")
    )
    assert "can be read only once" in outcome.err
