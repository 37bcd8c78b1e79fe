"""`mtkit adapt`: a run with a model, and a user's mistakes."""

import json
from functools import partial

import pytest

from mtkit.adaptation import report as report_module
from mtkit.checkpoint.model_dir import load_model_dir, save_model_dir
from mtkit.config.recipe import Recipe
from mtkit.evaluation.metrics import compare
from mtkit.evaluation.resampling import Resampling
from mtkit.translation.translator import Translator


@pytest.fixture(scope="module")
def model_dir(make_trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("adapt") / "model"
    save_model_dir(path, make_trained())
    return path


@pytest.fixture
def folder(tmp_path, ko_en_pairs, monkeypatch):
    """A memory of 60 pairs, and 142 pairs of general text."""
    for name, pairs in ("memory", ko_en_pairs[:60]), ("general", ko_en_pairs[60:]):
        for lang, texts in zip(("ko", "en"), zip(*pairs, strict=True), strict=True):
            text = "".join(f"{line}\n" for line in texts)
            (tmp_path / f"{name}.{lang}").write_text(text, encoding="utf-8")
    rows = "".join(f"{pair.src}\t{pair.tgt}\n" for pair in ko_en_pairs[:60])
    (tmp_path / "memory.tsv").write_text(rows, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_adapts_resumes_and_reports(mtkit, folder, model_dir, monkeypatch):
    resampling = Resampling(n_bootstrap=100, n_trials=100)
    monkeypatch.setattr(report_module, "compare", partial(compare, resampling=resampling))
    args = ("adapt", model_dir, "memory.tsv", "--general", "general.ko", "general.en")
    args += ("-o", "out", "--device", "cpu", "--threads", 1, "--max-epochs", 1)
    before = {path: path.read_bytes() for path in model_dir.rglob("*") if path.is_file()}
    outcome = mtkit(*args)
    assert outcome.status == 0, outcome.err
    assert "memory: 60 segments read, 60 kept" in outcome.out
    assert "held out from the general text" in outcome.out
    # It translates, with the same vocabulary, and is not the original, which has not changed.
    adapted = load_model_dir(folder / "out/model")
    original = load_model_dir(model_dir)
    assert adapted.tokenizer.sha256 == original.tokenizer.sha256
    assert adapted.config.search == original.config.search
    assert any(
        not one.equal(other)
        for one, other in zip(adapted.model.parameters(), original.model.parameters(), strict=True)
    )
    assert {path: path.read_bytes() for path in before} == before
    held_out = [line for path in (folder / "out/texts").glob("*.t*st.ko") for line in lines(path)]
    held_out += lines(folder / "out/texts/memory.validation.ko")
    train = lines(folder / "out/texts/memory.train.ko") + lines(
        folder / "out/texts/general.train.ko"
    )
    assert held_out and not set(held_out) & set(train)
    report = json.loads((folder / "out/report.json").read_text())
    after = lines(folder / "out/steps/after/memory.txt")
    references = lines(folder / "out/texts/memory.test.en")
    memory = report["domains"]["memory"]
    assert memory["n_segments"] == len(after) == len(references)
    assert report["n_steps"] == 100
    found = Translator.from_models([adapted]).translate(lines(folder / "out/texts/memory.test.ko"))
    assert [one.text for one in found] == after
    recipe = Recipe.load("out/recipe.yaml")
    assert recipe.training.init_from == model_dir
    assert recipe.clean.test_overlap == "either"
    # Again: nothing is made a second time, and the report is the same.
    trained_at = (folder / "out/model/model.safetensors").stat().st_mtime_ns
    again = mtkit(*args, "--json")
    assert again.status == 0, again.err
    assert json.loads(again.out)["domains"] == report["domains"]
    assert (folder / "out/model/model.safetensors").stat().st_mtime_ns == trained_at
    # Other settings are not mixed with these.
    other = mtkit(*args, "--ratio", 2)
    assert other.status == 1
    assert "was made from something else: ratio (1.0 then, 2.0 now)" in other.err
    assert json.loads((folder / "out/report.json").read_text()) == report


def test_dry_run_writes_nothing(mtkit, folder, model_dir):
    before = sorted(folder.rglob("*"))
    args = ("adapt", model_dir, "memory.ko", "memory.en", "-o", "out", "--dry-run")
    outcome = mtkit(*args, "--device", "cpu", "--threads", 1)
    assert outcome.status == 0, outcome.err
    assert "nothing written" in outcome.out
    assert "no general text" in outcome.err
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nowhere", "memory.tsv"], "`nowhere`: no such directory"),
        (["{model}", "nothing.tsv"], "nothing.tsv"),
        (["{model}", "memory.ko"], "memory.ko is one text file"),
        (["{model}", "memory.en", "memory.ko"], "the names of the files say the opposite"),
        (["{model}", "empty.tsv"], "`empty.tsv`: no segment is left"),
        (["{model}", "few.tsv"], "the memory is too small: 8 sources"),
        (["{model}", "other.tmx"], "the model translates from ko to en"),
        (["{model}", "memory.tsv", "--general", "nothing.ko", "nothing.en"], "nothing.ko"),
        (["{model}", "memory.tsv", "--general", "empty.tsv"], "`empty.tsv`: no general text"),
        (["{model}", "memory.tsv", "--general", "other.tmx"], "the model translates from ko to en"),
        (["{model}", "memory.tsv", "--general-test", "empty.tsv"], "`empty.tsv`: no general text"),
        (["{model}", "memory.tsv", "--general", "de.yaml"], "`de.yaml`: is for de to en"),
        (["{model}", "memory.tsv", "--general", "de.yaml", "--general", "x.tsv"], "not both"),
        (["{model}", "memory.tsv", "--ratio", "-1"], "--ratio"),
        (["{model}", "memory.tsv", "--tgt-lang", "de"], "any language to de, but from ko to en"),
        (["{model}", "memory.tsv", "--src-lang", "en"], "from en to any language, but from ko"),
        (["{model}", "memory.tsv", "--tag", "<x>"], "unknown tag <x>"),
        (["{model}", "memory.tsv", "--learning-rate", "0"], "between 0 and 1"),
        (["{model}", "memory.tsv", "-o", "memory.tsv"], "is an input"),
        (["{model}", "memory.tsv", "-o", "{model}"], "is an input"),
        (["{model}", "-"], "- is one text file"),
    ],
)
def test_mistakes_are_named(mtkit, folder, model_dir, args, message):
    (folder / "empty.tsv").write_text("")
    (folder / "few.tsv").write_text("".join(lines_of(folder / "memory.tsv")[:8]))
    (folder / "de.yaml").write_text(
        "data: {src_lang: de, tgt_lang: en, train: {file: memory.tsv}}\n"
    )
    (folder / "other.tmx").write_text(
        '<tmx version="1.4"><header srclang="de"/><body><tu>'
        '<tuv xml:lang="de"><seg>Ja</seg></tuv><tuv xml:lang="fr"><seg>Oui</seg></tuv>'
        "</tu></body></tmx>"
    )
    args = [arg.replace("{model}", str(model_dir)) for arg in args]
    out = [] if "-o" in args else ["-o", "out"]
    outcome = mtkit("adapt", *args, *out)
    assert outcome.status != 0
    assert message in outcome.err
    assert not (folder / "out/report.json").exists()


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines(keepends=True)
