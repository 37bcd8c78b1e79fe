"""An imported model in every command: the result is a model directory like any other."""

import json
from pathlib import Path
from statistics import mean

import pytest

from mtkit.checkpoint.model_dir import load_model_dir
from tests.checkpoint.test_change_vocab import assert_equal_logits
from tests.conftest import write_tiny_recipe
from tests.interop.huggingface.conftest import Kind

TAGGED = Kind("swish", "shared", n_heads=3, tags=(">>eng<<", ">>deu<<"))


@pytest.fixture(scope="module")
def tagged_dir(make_folder):
    return make_folder(TAGGED)


@pytest.fixture
def imported(mtkit, tagged_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = mtkit("import", "huggingface", tagged_dir, "model")
    assert outcome.status == 0, outcome.err
    return outcome


@pytest.fixture
def corpus(tmp_path, ko_en_pairs):
    recipe_path = write_tiny_recipe(tmp_path, ko_en_pairs)
    for side in ("ko", "en"):
        lines = (tmp_path / f"validation.{side}").read_text(encoding="utf-8").splitlines()[:6]
        (tmp_path / f"test.{side}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return recipe_path


def test_import_and_info(imported, mtkit):
    assert imported.out.splitlines() == [
        "model: ko to en, 36,530 parameters",
        "2 target languages (--tgt-lang): >>eng<<, >>deu<<",
    ]
    info = mtkit("info", "model").out
    assert "ko to en" in info and "swish" in info
    assert "MarianMTModel of Hugging Face transformers" in info
    assert ">>eng<<, >>deu<< (each source needs one)" in info
    origin = json.loads(mtkit("info", "model", "--json").out)["config"]["origin"]
    assert origin["files"].keys() >= {"config.json", "model.safetensors", "vocab.json"}


def test_translate_to_a_language(imported, mtkit, corpus):
    cpu = ("--device", "cpu", "--beam-size", 2)
    english = mtkit("translate", "test.ko", "-m", "model", "--tgt-lang", "eng", *cpu)
    assert english.status == 0
    assert english.out == mtkit("translate", "test.ko", "-m", "model", "--tgt-lang", "en", *cpu).out
    assert english.out == mtkit("translate", "test.ko", "-m", "model", "--tag", ">>eng<<", *cpu).out
    german = mtkit("translate", "test.ko", "-m", "model", "--tgt-lang", "de", *cpu).out
    assert german != english.out
    unknown = mtkit("translate", "test.ko", "-m", "model", "--tgt-lang", "fr", *cpu)
    assert unknown.status == 1
    assert unknown.err == (
        "error: unknown tag fr: the model was trained with >>eng<<, >>deu<<\n"
        "hint: give one of these\n"
    )


def test_an_unknown_tag_in_a_line_is_refused(imported, mtkit, tmp_path):
    (tmp_path / "in.ko").write_text(">>eng<< 물\n>>fra<< 물\n", encoding="utf-8")
    outcome = mtkit("translate", "in.ko", "-m", "model", "--device", "cpu")
    assert outcome.status == 1
    assert "unknown tag >>fra<<: the model was trained with >>eng<<, >>deu<<" in outcome.err


def test_score_evaluate_and_shortlist(imported, mtkit, corpus):
    tag = ("--tgt-lang", "eng")
    scores = mtkit("score", "test.ko", "test.en", "-m", "model", *tag, "--device", "cpu")
    assert scores.status == 0 and len(scores.out.splitlines()) == 6
    evaluated = mtkit(
        *("evaluate", "-m", "model", "-s", "test.ko", "-r", "test.en", "--device", "cpu"),
        *("--beam-size", 1, *tag),
    )
    assert evaluated.status == 0 and "BLEU" in evaluated.out
    assert mtkit("shortlist", "train.ko", "train.en", "-m", "model").status == 0
    short = mtkit("translate", "test.ko", "-m", "model", "--shortlist", "--device", "cpu", *tag)
    assert short.status == 0 and len(short.out.splitlines()) == 6


def test_export_to_ctranslate2(imported, mtkit, corpus):
    pytest.importorskip("ctranslate2", reason="CTranslate2 is not installed")
    lines = Path("test.ko").read_text(encoding="utf-8").splitlines()
    tagged = "".join(f">>eng<< {line}\n" for line in lines)
    Path("tagged.ko").write_text(tagged, encoding="utf-8")
    outcome = mtkit("export", "ctranslate2", "model", "ct2", "--verify", "tagged.ko")
    assert outcome.status == 0, outcome.err
    assert "equal lines: 100.00%" in outcome.out


def test_a_pruned_model_goes_back_to_transformers(imported, mtkit, corpus):
    prune = ("vocab", "prune", "test.ko", "test.en", "-m", "model", "-o", "pruned")
    outcome = mtkit(*prune)
    assert outcome.status == 0, outcome.err
    assert "test: 6 of 6 pairs are split as before" in outcome.out
    model, pruned = (load_model_dir(Path(name)) for name in ("model", "pruned"))
    assert pruned.tokenizer.src.vocab_size < model.tokenizer.src.vocab_size
    assert pruned.tokenizer.src.user_symbols == TAGGED.tags
    texts = (Path(f"test.{name}").read_text(encoding="utf-8") for name in ("ko", "en"))
    assert_equal_logits(pruned, model, list(zip(*map(str.splitlines, texts), strict=True)))
    lines = Path("test.ko").read_text(encoding="utf-8").splitlines()
    tagged = "".join(f">>eng<< {line}\n" for line in lines)
    Path("tagged.ko").write_text(tagged, encoding="utf-8")
    exported = mtkit("export", "huggingface", "pruned", "hf", "--verify", "tagged.ko")
    assert exported.status == 0, exported.err
    assert "same translation, greedy: 6 of 6" in exported.out


@pytest.mark.parametrize("extend", [0, 30])
def test_fine_tuning(imported, mtkit, corpus, extend, tmp_path):
    recipe = corpus.read_text(encoding="utf-8")
    sections = recipe.split("tokenizer:")[0]
    text = sections.replace(
        "train: {src: train.ko, tgt: train.en}",
        "train: {src: train.ko, tgt: train.en, tags: ['>>eng<<']}",
    ).replace(
        "validation: {src: validation.ko, tgt: validation.en}",
        "validation: {src: validation.ko, tgt: validation.en, tags: ['>>eng<<']}",
    )
    text += "preprocess: {max_length: 60}\nbatches: {max_tokens: 256}\n"
    text += "training: {init_from: model, max_steps: 6, learning_rate: 0.01, warmup_steps: 1}\n"
    text += "validation: {every_steps: 6}\n"
    text += f"tokenizer: {{extend: {extend}}}\n"
    corpus.write_text(text, encoding="utf-8")
    outcome = mtkit("train", corpus, "--device", "cpu", "--threads", 1)
    assert outcome.status == 0, outcome.err
    old, new = load_model_dir(tmp_path / "model"), load_model_dir(tmp_path / "work/run/model")
    assert new.tokenizer.joint and not new.tokenizer.has_one_model
    n_old, n_new = old.tokenizer.src.vocab_size, new.tokenizer.src.vocab_size
    assert n_new == n_old if not extend else n_new > n_old
    files = ("validation.ko", "validation.en", "--tgt-lang", "eng", "--device", "cpu")
    # The search settings of the two differ, and with them the scores.
    files += ("--length-penalty", "none")
    before, after = (
        mean(map(float, mtkit("score", *files, "-m", model).out.split()))
        for model in ("model", "work/run/model")
    )
    assert after > before + 1.0
