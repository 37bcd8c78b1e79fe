"""`mtkit inspect`: outputs, and what it refuses."""

import json

import pytest

from mtkit.checkpoint.model_dir import save_model_dir

TEXT = "나는 학교에 간다"


@pytest.fixture(scope="module")
def model_dir(make_trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("inspect") / "model"
    save_model_dir(path, make_trained())
    return path


def test_text_is_the_default(mtkit, model_dir, tiny_recipe_path):
    outcome = mtkit("inspect", model_dir, TEXT, "--beam-size", 2)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith(f"{TEXT} -> ") and "Beam search: beam 2" in outcome.out
    outcome = mtkit("inspect", tiny_recipe_path, "--set", "training.warmup_steps=7")
    assert outcome.status == 0 and "warmup of 7 updates" in outcome.out


def test_json(mtkit, model_dir, tiny_recipe_path):
    trace = json.loads(mtkit("inspect", model_dir, TEXT, "--json").out)
    assert trace["text"] == TEXT and len(trace["attention"]) == 3
    facts = json.loads(mtkit("inspect", tiny_recipe_path, "--json").out)
    assert facts["languages"] == "ko to en" and facts["schedule"]["max_steps"] == 20


def test_several_sentences(mtkit, model_dir, tmp_path, monkeypatch):
    args = ("inspect", model_dir, f"{TEXT}. {TEXT}.", TEXT, "--beam-size", 1, "--max-length", 2)
    traces = [json.loads(line) for line in mtkit(*args, "--json").out.splitlines()]
    assert [trace["text"] for trace in traces] == [f"{TEXT}.", f"{TEXT}.", TEXT]
    text = mtkit(*args).out
    assert text.startswith("Sentence 1 of 3\n") and f"\n\nSentence 3 of 3\n{TEXT} -> " in text
    monkeypatch.setattr(
        "mtkit.inspection.views.figures.write_figures",
        lambda path, figures: print(*(figure.name for figure in figures)),
    )
    names = mtkit(*args, "--figures", tmp_path).out.split()
    assert {"1-layers", "2-alignment", "3-attention-cross-1"} <= set(names)
    assert len(set(names)) == len(names)


def test_texts_that_are_not_meant_as_they_are(mtkit, model_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "물.txt").touch()
    fast = ("--beam-size", 1, "--max-length", 2)
    outcome = mtkit("inspect", model_dir, "물.txt", "물" * 300, *fast)
    assert outcome.status == 0
    assert "`물.txt` is a file; its name was translated, not its text" in outcome.err
    assert "put quotes around a sentence" in outcome.err
    assert mtkit("inspect", model_dir, TEXT, "물", *fast).err == ""


def test_a_page_and_figures(mtkit, model_dir, tiny_recipe_path, tmp_path):
    pytest.importorskip("matplotlib")
    page, directory = tmp_path / "page.html", tmp_path / "figures"
    outcome = mtkit("inspect", tiny_recipe_path, "-o", page, "--figures", directory)
    assert (outcome.status, outcome.out) == (0, "")
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert (directory / "learning-rate.png").is_file()
    outcome = mtkit("inspect", model_dir, TEXT, "-o", "-")
    assert outcome.out.startswith("<!DOCTYPE html>") and outcome.out.endswith("</html>\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{model}"], "TEXT is missing"),
        (["{model}", ""], "the text is empty"),
        (["{model}", TEXT, " "], "the text is empty"),
        (["{model}", *[TEXT] * 21], "21 sentences, and at most 20 can be inspected at a time"),
        (["{model}", TEXT, "--device", "cuda:99"], "device cuda:99 is not available"),
        (["{model}x", TEXT], "no such directory"),
        ([TEXT, "{model}"], "the model comes first"),
        (["{model}", TEXT, "--layer", "2"], "--layer 2: the model has 1"),
        (["{model}", TEXT, "--head", "3", "-o", "page.html"], "--head 3: the model has 2"),
        (["{model}", TEXT, "--tag", "<2ko>"], "unknown tag <2ko>"),
        (["{model}", TEXT, "--set", "model.dropout=0"], "--set goes with a recipe"),
        (["{model}", TEXT, "-o", "{model}/config.json"], "is inside the input"),
        (["{model}", TEXT, "--figures", "{model}"], "is an input, and would be overwritten"),
        (["{model}", TEXT, "-o", "{recipe}"], "is a recipe, and is not overwritten"),
        (["{model}", TEXT, "-o", "-", "--json"], "stdout is named for two outputs"),
        (["{model}", TEXT, "--figures", "{corpus}"], "is a file, not a directory"),
        (["{recipe}", TEXT], "TEXT goes with a model"),
        (["{recipe}", "--device", "auto"], "--device goes with a model"),
        (["{recipe}", "--head", "1"], "--head goes with a model"),
        (["{recipe}", "--alpha", "1"], "--alpha goes with a model"),
        (["{recipe}", "-o", "{recipe}"], "is an input, and would be overwritten"),
        (["{recipe}", "--set", "model.dropot=0"], "model.dropot: no such key"),
        (["{recipe}", "--set", "model.n_heads=5"], "is not a multiple of model.n_heads"),
        (["{recipe}x.yaml"], "no such file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mistakes(mtkit, model_dir, tiny_recipe_path, arguments, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    corpus = tiny_recipe_path.parent / "train.ko"
    names = {"model": model_dir, "recipe": tiny_recipe_path, "corpus": corpus}
    before = tiny_recipe_path.read_bytes(), (model_dir / "config.json").read_bytes()
    outcome = mtkit("inspect", *(argument.format(**names) for argument in arguments))
    assert outcome.status in (1, 2) and outcome.out == ""
    error, hint, *others = outcome.err.rstrip("\n").split("\n")
    assert error.startswith("error: ") and message in error
    assert hint.startswith("hint: ") and others == []
    assert before == (tiny_recipe_path.read_bytes(), (model_dir / "config.json").read_bytes())
    assert not (tmp_path / "page.html").exists()


def test_a_model_for_another_engine(mtkit, make_trained, tmp_path):
    pytest.importorskip("ctranslate2")
    save_model_dir(tmp_path / "model", make_trained())
    mtkit("export", "ctranslate2", tmp_path / "model", tmp_path / "exported")
    outcome = mtkit("inspect", tmp_path / "exported", TEXT)
    assert outcome.status == 1 and "exported to another engine" in outcome.err
    assert "the original model" in outcome.err


def test_figures_without_matplotlib(mtkit, model_dir, monkeypatch, tmp_path):
    from mtkit.inspection.views import figures

    monkeypatch.setattr(figures, "find_spec", lambda name: None)
    outcome = mtkit("inspect", model_dir, TEXT, "--figures", tmp_path / "figures")
    assert outcome.status == 1 and "pip install 'mtkit[plots]'" in outcome.err
