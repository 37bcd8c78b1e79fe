import contextlib
import io

import pytest

from mtkit.demo import run
from mtkit.demo.corpus import WORKED_EXAMPLE, DemoCorpus, demo_corpus
from mtkit.io.text import read_lines
from mtkit.translation.translator import Translator


def run_and_read(out_dir, **arguments):
    with contextlib.redirect_stdout(io.StringIO()) as stdout:
        result = run.run_demo(out_dir, **arguments)
    return result, stdout.getvalue()


@pytest.fixture
def small_demo(monkeypatch):
    """The demo with little text and a model of the smallest size."""
    train, validation, test = demo_corpus()
    monkeypatch.setattr(
        run, "demo_corpus", lambda: DemoCorpus(train[:400], validation[:20], test[:20])
    )
    sizes = {
        "tokenizer": {"vocab_size": 900},
        "model": {
            "n_encoder_layers": 1,
            "n_decoder_layers": 1,
            "d_model": 32,
            "n_heads": 2,
            "d_ff": 64,
        },
        "search": {"beam_size": 1},
    }
    monkeypatch.setattr(run, "SETTINGS", {**run.SETTINGS, **sizes})


def test_every_step_is_shown_as_the_command_that_does_it(small_demo, tmp_path):
    out = tmp_path / "my demo"
    _, printed = run_and_read(out, max_steps=3)
    commands = [line for line in printed.split("\n") if line.startswith("$ ")]
    assert [command.replace(str(tmp_path), "") for command in commands] == [
        "$ mtkit tokenizer train '/my demo/recipe.yaml'",
        "$ mtkit preprocess '/my demo/recipe.yaml'",
        "$ mtkit train '/my demo/recipe.yaml' --set training.max_steps=3",
        "$ mtkit average '/my demo/run' -o '/my demo/model'",
        "$ mtkit translate '/my demo/test.ko' -m '/my demo/model' -o '/my demo/test.translated.en'",
        "$ mtkit evaluate '/my demo/test.translated.en' -r '/my demo/test.en'",
        "$ echo '나는 학교에 간다' | mtkit translate - -m '/my demo/model'",
        "$ echo '우리는 내일 도서관에서 한국어를 공부할 것이다' | mtkit translate - -m '/my demo/model'",
    ]


def test_demo_leaves_a_corpus_a_recipe_and_a_model(small_demo, tmp_path):
    result, printed = run_and_read(tmp_path, max_steps=3)
    assert result.model_dir == tmp_path / "model"
    assert result.bleu.signature in printed and "tok:13a" in result.bleu.signature
    assert len(list(read_lines(tmp_path / "test.translated.en"))) == 20
    assert len(Translator.load(result.model_dir).translate(["나는 책을 읽는다"])) == 1


def test_second_run_trains_nothing_and_a_longer_one_resumes(small_demo, tmp_path):
    run_and_read(tmp_path, max_steps=3)
    written = [
        (path, path.stat().st_mtime_ns)
        for folder in ("tokenizer", "store", "run/checkpoints")
        for path in (tmp_path / folder).rglob("*")
    ]
    _, printed = run_and_read(tmp_path, max_steps=3)
    assert [(path, path.stat().st_mtime_ns) for path, _ in written] == written
    assert "tokenizer: up to date" in printed and "trained 3 steps" in printed
    _, printed = run_and_read(tmp_path, max_steps=5)
    assert "trained 5 steps" in printed


def test_a_recipe_that_was_edited_is_kept(small_demo, tmp_path):
    run_and_read(tmp_path, max_steps=1)
    path = tmp_path / "recipe.yaml"
    edited = path.read_text(encoding="utf-8").replace("beam_size: 1", "beam_size: 2", 1)
    path.write_text(edited, encoding="utf-8")
    _, printed = run_and_read(tmp_path, max_steps=1)
    assert path.read_text(encoding="utf-8") == edited and "recipe.yaml: kept" in printed


@pytest.mark.slow
def test_the_demo_reaches_its_goal(tmp_path):
    """Minutes on two cores."""
    result, _ = run_and_read(tmp_path)
    assert result.bleu.value >= 90
    assert result.worked_example == WORKED_EXAMPLE
    translator = Translator.load(result.model_dir)
    tried = {
        "나는 학교에 간다.": "I go to school.",
        "너는 학교에 가니?": "Do you go to school?",
        "그는 사과 세 개를 먹었다": "He ate three apples.",
        "민수는 어제 도서관에서 책을 읽었다": "Minsu read a book at the library yesterday.",
        "우리는 내일 도서관에서 한국어를 공부할 것이다": "We will study Korean at the library tomorrow.",
        "그녀는 커피를 마시지 않는다": "She does not drink coffee.",
    }
    assert {
        ko: t.text for ko, t in zip(tried, translator.translate(list(tried)), strict=True)
    } == tried
