"""A model of Marian in other commands: the result is a model directory like any other."""

from pathlib import Path

import pytest

from mtkit.checkpoint.model_dir import load_model_dir
from tests.checkpoint.test_change_vocab import assert_equal_logits
from tests.interop.marian.conftest import FIXTURES


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("workflow")


@pytest.fixture
def imported(mtkit, folder, monkeypatch):
    monkeypatch.chdir(folder)
    if not Path("model").exists():
        languages = ("--src-lang", "de", "--tgt-lang", "en")
        outcome = mtkit("import", "marian", FIXTURES / "opus", "model", *languages)
        assert outcome.status == 0, outcome.err
        assert outcome.out.startswith("model: de to en, ")
        for name, side in (("de", "sources"), ("en", "targets")):
            lines = (FIXTURES / f"{side}.txt").read_text(encoding="utf-8").splitlines()
            Path(f"test.{name}").write_text("\n".join(lines[:8]) + "\n", encoding="utf-8")
            Path(f"train.{name}").write_text("\n".join(lines[8:]) + "\n", encoding="utf-8")


def test_info(imported, mtkit):
    out = mtkit("info", "model").out
    assert "de to en" in out and "transformer of Marian v1.12" in out


def test_translate_and_score(imported, mtkit):
    cpu = ("-m", "model", "--device", "cpu")
    translated = mtkit("translate", "test.de", *cpu)
    assert translated.status == 0 and len(translated.out.splitlines()) == 8
    scored = mtkit("score", "test.de", "test.en", *cpu)
    assert scored.status == 0 and len(scored.out.splitlines()) == 8


def test_export_to_ctranslate2(imported, mtkit):
    pytest.importorskip("ctranslate2", reason="CTranslate2 is not installed")
    outcome = mtkit("export", "ctranslate2", "model", "ct2", "--verify", "test.de")
    assert outcome.status == 0, outcome.err
    assert "equal lines: 100.00%" in outcome.out


def test_the_vocabulary_can_be_pruned_and_extended(imported, mtkit):
    texts = ("test.de", "test.en")
    prune = ("vocab", "prune", *texts, "-m", "model", "-o", "pruned", "--characters", "corpus")
    outcome = mtkit(*prune)
    assert outcome.status == 0, outcome.err
    assert "test: 8 of 8 pairs are split as before" in outcome.out
    extend = ("vocab", "extend", "train.de", "train.en", "-m", "pruned", "-o", "extended")
    assert mtkit(*extend, "--add", 20).status == 0
    model, pruned, extended = map(load_model_dir, map(Path, ("model", "pruned", "extended")))
    assert pruned.tokenizer.tgt.vocab_size < model.tokenizer.tgt.vocab_size
    pairs = list(zip(*(Path(name).read_text().splitlines() for name in texts), strict=True))
    assert_equal_logits(pruned, model, pairs)
    assert_equal_logits(pruned, extended, pairs)


def test_fine_tuning(imported, mtkit):
    Path("recipe.yaml").write_text(
        "data: {src_lang: de, tgt_lang: en, train: {src: train.de, tgt: train.en}, "
        "validation: {src: test.de, tgt: test.en}, work_dir: work}\n"
        "preprocess: {max_length: 60}\nbatches: {max_tokens: 256}\n"
        "training: {init_from: model, max_steps: 4, learning_rate: 0.001, warmup_steps: 1}\n"
        "validation: {every_steps: 4}\n",
        encoding="utf-8",
    )
    outcome = mtkit("train", "recipe.yaml", "--device", "cpu", "--threads", 1)
    assert outcome.status == 0, outcome.err
    assert Path("work/run/model/model.safetensors").exists()


def test_a_missing_model(mtkit, tmp_path):
    languages = ("--src-lang", "de", "--tgt-lang", "en")
    outcome = mtkit("import", "marian", tmp_path / "none", tmp_path / "out", *languages)
    assert outcome.status == 1 and "no such file or directory" in outcome.err
