import json
import shutil
from hashlib import sha256

import pytest

from mtkit.checkpoint.model_dir import load_model_dir
from mtkit.translation.translator import Translator


@pytest.fixture
def here(tmp_path, monkeypatch, tiny_run, ko_en_pairs):
    """A folder with a model, and with references that are its translations at alpha 3."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_run / "model", "model")
    src = [pair.src for pair in ko_en_pairs[:12]]
    translations = Translator.load("model").translate(src, alpha=3.0, beam_size=3)
    for name, lines in (("dev.ko", src), ("dev.en", [one.text for one in translations])):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return tmp_path


ARGS = ("tune", "-m", "model", "-s", "dev.ko", "-r", "dev.en", "--metric", "chrf")


def settings(path):
    return json.loads((path / "config.json").read_text(encoding="utf-8"))


def test_the_best_settings_are_kept_in_a_copy(mtkit, here):
    (here / "model/shortlist.safetensors").write_bytes(b"kept as it is")
    values = ("--alpha", "0.5", "--alpha", "3", "--beam-size", "1", "--beam-size", "3")
    (here / "model/tokenizer").chmod(0o555)
    outcome = mtkit(*ARGS, *values, "-o", "tuned")
    assert outcome.status == 0, outcome.err
    assert "best: alpha 3, beam size 3: +" in outcome.out and "wrote tuned" in outcome.err
    old, new = settings(here / "model"), settings(here / "tuned")
    assert new["search"] == old["search"] | {"alpha": 3.0, "beam_size": 3}
    assert new | {"search": None} == old | {"search": None}
    assert (here / "tuned/tokenizer").stat().st_mode & 0o200, "could not be replaced otherwise"
    for name in ("model.safetensors", "shortlist.safetensors", "tokenizer/joint.model"):
        before, after = ((here / folder / name).read_bytes() for folder in ("model", "tuned"))
        assert sha256(before).digest() == sha256(after).digest()
    (here / "tuned/shortlist.safetensors").unlink()
    assert load_model_dir(here / "tuned").config.search.alpha == 3.0
    src = (here / "dev.ko").read_text(encoding="utf-8").splitlines()
    texts = [one.text for one in Translator.load(here / "tuned").translate(src)]
    assert texts == (here / "dev.en").read_text(encoding="utf-8").splitlines()


def test_without_output_it_says_how_to_keep_them(mtkit, here):
    outcome = mtkit(*ARGS, "--alpha", "3", "--beam-size", "3", "--json")
    assert outcome.status == 0
    assert json.loads(outcome.out)["best"] == {"beam_size": 3, "alpha": 3.0}
    assert "`search: {beam_size: 3, alpha: 3}` in the recipe" in outcome.err
    assert settings(here / "model")["search"]["alpha"] == 1.0


@pytest.mark.parametrize(
    ("change", "args", "message"),
    [
        (None, ("-o", "model"), "`model`: is an input"),
        (None, ("-o", "dev.ko"), "`dev.ko`: is an input"),
        (None, ("-o", "short.en", "-r", "dev.en"), "`short.en`: is a file, not a directory"),
        (None, ("--beam-size", "1", "--alpha", "2"), "has no length penalty"),
        ({"beam_size": 1}, (), "greedy search (beam size 1) has no length penalty"),
        ({"beam_size": 4, "n_groups": 2}, ("--beam-size", "3"), "does not divide beam_size (3)"),
        (None, ("-o", "other"), "`other`: contains file, which is not part of a model"),
        (None, ("-r", "short.en"), "12 lines to translate, but 1 line in references 2"),
        ({"length_penalty": "none"}, (), "its search settings have length_penalty: none"),
        ({"sampling": True}, (), "its search settings have sampling"),
    ],
)
def test_errors(mtkit, here, change, args, message):
    (here / "short.en").write_text("one\n")
    (here / "other").mkdir()
    (here / "other/file").touch()
    tree = settings(here / "model")
    tree["search"] |= change or {}
    (here / "model/config.json").write_text(json.dumps(tree))
    before = sorted(here.rglob("*"))
    outcome = mtkit(*ARGS, *args)
    assert outcome.status == 1 and message in outcome.err and "chrF" not in outcome.err
    assert outcome.out == ""
    assert sorted(here.rglob("*")) == before
    assert settings(here / "model") == tree


def test_an_exported_model_is_tuned_but_not_changed(mtkit, here):
    (here / "model/mtkit.json").write_text("{}")
    outcome = mtkit(*ARGS, "-o", "tuned")
    assert outcome.status == 1 and "tune the original model and export it again" in outcome.err
