"""Models in directories and archives: pushed, pulled, and refused if anything is wrong."""

import json
import os
import shutil

import pytest

from mtkit.checkpoint.model_dir import load_model_dir, save_model_dir
from mtkit.errors import MtkitError
from mtkit.interop.sharing.pull import pull
from mtkit.interop.sharing.push import push
from tests.conftest import fixture_lines
from tests.interop.sharing.test_archive import read_tree


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def pushed(model_dir, folder):
    """A pushed directory, to be changed."""
    push(model_dir, folder / "pushed")
    return folder / "pushed"


@pytest.mark.parametrize("destination", ["shared", "ko-en.tar", "ko-en.tar.gz"])
def test_a_pulled_model_is_the_pushed_one(model_dir, folder, mtkit, destination):
    outcome = mtkit("push", model_dir, destination, "--license", "mit")
    assert outcome.status == 0, outcome.err
    assert outcome.out.startswith(f"{destination}: 5 files, 0.3 MB")
    outcome = mtkit("pull", destination, "ko-en")
    assert outcome.status == 0, outcome.err
    assert outcome.out == "ko-en: ko to en, 15,168 parameters\n"
    original, pulled = read_tree(model_dir), read_tree(folder / "ko-en")
    assert {name: pulled[name] for name in original} == original
    assert pulled.keys() - original.keys() == {"README.md", "manifest.json"}
    (folder / "new.ko").write_text("안녕하세요.\n", encoding="utf-8")
    outputs = [
        mtkit("translate", "new.ko", "-m", path, "--device", "cpu").out
        for path in (model_dir, "ko-en")
    ]
    assert outputs[0] == outputs[1] != ""
    assert sorted(path.name for path in folder.iterdir() if path.name[0] == ".") == []


def test_measured_scores_reach_the_card(model_dir, folder, mtkit):
    for side in ("ko", "en"):
        lines = fixture_lines(f"ko_en.{side}")[:8]
        (folder / f"test.{side}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    args = ("-s", "test.ko", "-r", "test.en", "--metric", "chrf", "--bootstrap", 50, "--json")
    scores = mtkit("evaluate", "-m", model_dir, *args).out
    (folder / "scores.json").write_text(scores, encoding="utf-8")
    assert mtkit("push", model_dir, "out", "--scores", "scores.json").status == 0
    card = (folder / "out" / "README.md").read_text(encoding="utf-8")
    score = json.loads(scores)["chrf"]
    assert f"| test.en | 8 | chrF2 | {score['value']:.2f} | {score['low']:.2f} to " in card
    assert score["signature"] in card
    # Pushed again from there, the card stays with the model.
    assert mtkit("push", "out", "again").status == 0
    assert (folder / "again" / "README.md").read_text(encoding="utf-8") == card


def test_scores_of_another_model_are_refused(model_dir, folder, mtkit, make_trained):
    save_model_dir(folder / "other", make_trained(seed=2))
    for side in ("ko", "en"):
        (folder / side).write_text("안녕\n", encoding="utf-8")
    args = ("-s", "ko", "-r", "en", "--bootstrap", 0, "--json")
    scores = mtkit("evaluate", "-m", "other", *args).out
    (folder / "scores.json").write_text(scores, encoding="utf-8")
    outcome = mtkit("push", model_dir, "out", "--scores", "scores.json")
    assert outcome.status == 1 and "scores of another model" in outcome.err
    assert not (folder / "out").exists()


def test_an_edited_card_survives_the_next_push(model_dir, pushed):
    card = pushed / "README.md"
    card.write_text(card.read_text(encoding="utf-8") + "\nBy us.\n", encoding="utf-8")
    push(model_dir, pushed, license_name="mit")
    text = card.read_text(encoding="utf-8")
    assert text.endswith("\nBy us.\n") and "License: mit." in text


def test_a_given_card_replaces_it(model_dir, pushed, folder, mtkit):
    (folder / "mine.md").write_text("# Mine\n", encoding="utf-8")
    outcome = mtkit("push", model_dir, pushed, "--card", "mine.md")
    assert outcome.status == 0 and "only its header is updated" in outcome.err
    assert (pushed / "README.md").read_text(encoding="utf-8").endswith("\n# Mine\n")


def test_only_files_of_the_model_are_shared(model_dir, folder):
    model = shutil.copytree(model_dir, folder / "model")
    (model / "secrets.txt").write_text("secret", encoding="utf-8")
    (model / "tokenizer" / "notes").write_text("secret", encoding="utf-8")
    push(model, folder / "out")
    assert read_tree(folder / "out").keys() == {
        *("README.md", "manifest.json", "config.json", "model.safetensors"),
        "tokenizer/joint.model",
    }


def test_a_pulled_directory_is_replaced_only_by_a_push(pushed, make_trained):
    with pytest.raises(MtkitError, match=r"contains README\.md, which is not part of a model"):
        save_model_dir(pushed, make_trained(seed=2))
    push(pushed, pushed.with_name("copy"))
    assert load_model_dir(pushed.with_name("copy"))


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["model", "out", "--public"], 2, "--public needs --upload"),
        (["model", "me/model"], 1, "if it is the name of a model on the Hugging Face hub, give"),
        (["model", "m.zip"], 1, "archives of models are .tar or .tar.gz"),
        (["model", "m.tgz"], 1, "archives of models are .tar or .tar.gz"),
        (["model", "there.tar"], 1, "there.tar`: exists, and is not replaced"),
        (["model", "there"], 1, "contains notes, so it was not written by `mtkit push`"),
        (["model", "copy"], 1, "copy`: has no manifest.json, so it was not written by"),
        (["model", "model"], 1, "model`: is an input, and would be overwritten"),
        (["nothing", "out"], 1, "nothing`: no such directory"),
        (["exported", "out"], 1, "exported`: exported to another engine"),
        (["model", "out", "--scores", "nothing"], 1, "nothing`: no such file"),
        (["model", "out", "--card", "nothing"], 1, "nothing`: no such file"),
        (["model", "out", "--card", "binary"], 1, "binary`: not UTF-8"),
        (["linked", "out"], 1, "model.safetensors`: not a regular file"),
        (["model", "not a name", "--upload"], 1, "not the name of a model on the hub"),
    ],
)
def test_mistakes_of_a_push(model_dir, folder, mtkit, args, status, message):
    for name in ("model", "copy", "linked"):
        shutil.copytree(model_dir, folder / name)
    weights = folder / "linked" / "model.safetensors"
    weights.unlink()
    weights.symlink_to(model_dir / "model.safetensors")
    (folder / "exported").mkdir()
    for name in ("config.json", "mtkit.json"):
        (folder / "exported" / name).write_text("{}", encoding="utf-8")
    (folder / "there").mkdir()
    (folder / "there" / "notes").touch()
    (folder / "there.tar").touch()
    (folder / "binary").write_bytes(b"\xff\xfe\xff")
    before = read_tree(folder)
    outcome = mtkit("push", *args)
    assert outcome.status == status and message in outcome.err, outcome.err
    assert read_tree(folder) == before


def damage_weights(directory):
    path = directory / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_weights, "pushed/model.safetensors`: has changed since it was written"),
        (lambda d: (d / "model.safetensors").unlink(), "pushed/model.safetensors`"),
        (lambda d: (d / "manifest.json").unlink(), "pushed`: has no manifest.json"),
        (lambda d: (d / "shortlist.safetensors").touch(), "shortlist.safetensors`: is not in"),
        (lambda d: os.replace(d / "README.md", d / "config.json"), "pushed/config.json`"),
        (lambda d: (d / "config.json").write_text('{"model_type": "marian"}'), "marian"),
    ],
)
@pytest.mark.parametrize("kind", ["directory", "archive"])
def test_a_damaged_model_is_not_pulled(pushed, folder, damage, message, kind):
    damage(pushed)
    source = pushed
    if kind == "archive":
        source = shutil.make_archive("pushed", "gztar", pushed)
        message = message.replace("pushed/", "pushed.tar.gz/").replace("pushed`", "pushed.tar.gz`")
    with pytest.raises(MtkitError) as caught:
        pull(source, folder / "out")
    assert message in caught.value.message
    assert ".tmp" not in caught.value.message
    assert not [path for path in folder.iterdir() if "out" in path.name]


def test_an_interrupted_pull_leaves_nothing(pushed, folder, monkeypatch):
    def interrupt(path):
        assert read_tree(path) == read_tree(pushed)
        raise KeyboardInterrupt

    monkeypatch.setattr("mtkit.interop.sharing.pull.load_model_dir", interrupt)
    with pytest.raises(KeyboardInterrupt):
        pull(pushed, folder / "out")
    assert [path.name for path in folder.iterdir()] == ["pushed"]


def test_links_are_not_followed(pushed, folder):
    (folder / "secret").write_text("secret", encoding="utf-8")
    (pushed / "README.md").unlink()
    (pushed / "README.md").symlink_to(folder / "secret")
    with pytest.raises(MtkitError, match="not a regular file"):
        pull(pushed, folder / "out")
    assert not (folder / "out").exists()


def test_other_files_of_a_directory_are_left_out(pushed, folder, caplog):
    (pushed / "setup.py").touch()
    (pushed / ".gitattributes").touch()
    caplog.set_level("INFO")
    pull(pushed, folder / "out")
    assert read_tree(folder / "out").keys() == read_tree(pushed).keys() - {
        "setup.py",
        ".gitattributes",
    }
    assert "not part of a model: setup.py" in caplog.text


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["pushed", "there"], 1, "there`: exists, and is not replaced"),
        (["pushed", "file"], 1, "file`: exists, and is not replaced"),
        (["nothing", "out"], 1, "nothing`: no such file or directory\nhint: check the path"),
        (["me/model", "out"], 1, "if it is the name of a model on the Hugging Face hub, give"),
        (["pipe", "out"], 1, "pipe`: not a file or directory"),
        (["file", "out"], 1, "file`: not a readable .tar or .tar.gz archive"),
        (["pushed", "out", "--revision", "v1"], 2, "--revision needs --download"),
        (["pushed", "pushed"], 1, "is an input, and would be overwritten"),
    ],
)
def test_mistakes_of_a_pull(pushed, folder, mtkit, args, status, message):
    (folder / "there").mkdir()
    (folder / "there" / "notes").touch()
    (folder / "file").write_text("text", encoding="utf-8")
    os.mkfifo(folder / "pipe")
    outcome = mtkit("pull", *args)
    assert outcome.status == status and message in outcome.err, outcome.err
    assert not (folder / "out").exists()
