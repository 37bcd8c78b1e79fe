"""A model directory with a manifest is checked when it is loaded."""

import hashlib
import json
import os

import pytest

from mtkit.checkpoint.model_dir import load_model_dir, save_model_dir
from mtkit.checkpoint.model_manifest import find_model_files, model_manifest
from mtkit.errors import MtkitError
from tests.conftest import fixture_lines


@pytest.fixture
def model_dir(make_trained, tmp_path):
    save_model_dir(tmp_path / "model", make_trained())
    write_manifest(tmp_path / "model")
    return tmp_path / "model"


def write_manifest(model_dir):
    text = model_manifest(find_model_files(model_dir))
    (model_dir / "manifest.json").write_text(text, encoding="utf-8")


def test_a_manifest_lists_size_and_sha256_of_each_file(model_dir):
    manifest = json.loads((model_dir / "manifest.json").read_bytes())
    assert set(manifest["files"]) == {
        "config.json",
        "model.safetensors",
        "tokenizer/joint.model",
    }
    for name, entry in manifest["files"].items():
        content = (model_dir / name).read_bytes()
        assert entry == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    load_model_dir(model_dir)


def flip_last_byte(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def edit(change):
    def damage(model_dir):
        path = model_dir / "manifest.json"
        manifest = json.loads(path.read_bytes())
        change(manifest)
        path.write_text(json.dumps(manifest), encoding="utf-8")

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: flip_last_byte(d / "model.safetensors"), "model.safetensors`: has changed"),
        (lambda d: (d / "shortlist.safetensors").touch(), "shortlist.safetensors`: is not in"),
        (lambda d: (d / "tokenizer/src.model").touch(), "src.model`: is not in manifest.json"),
        (lambda d: (d / "shortlist.safetensors").symlink_to("x"), "not a regular file"),
        (lambda d: (d / "manifest.json").write_text("{"), "not valid JSON"),
        (lambda d: (d / "manifest.json").write_text("[]"), "not a manifest"),
        (edit(lambda m: m.update(format_version=2)), "format 2 is newer"),
        (
            edit(lambda m: m["files"].update({"../x": {"size": 1, "sha256": "0" * 64}})),
            "lists ../x",
        ),
        (edit(lambda m: m["files"]["config.json"].update(size=-1)), "not a manifest"),
        (edit(lambda m: m["files"].pop("config.json")), "config.json`: is not in manifest.json"),
    ],
)
def test_what_does_not_match_is_refused(model_dir, damage, message):
    damage(model_dir)
    with pytest.raises(MtkitError) as caught:
        load_model_dir(model_dir)
    assert message in caught.value.message


def test_a_listed_file_that_is_missing_is_refused(model_dir):
    (model_dir / "shortlist.safetensors").touch()
    write_manifest(model_dir)
    (model_dir / "shortlist.safetensors").unlink()
    with pytest.raises(MtkitError, match=r"shortlist\.safetensors`: missing"):
        load_model_dir(model_dir)


def test_a_pipe_in_place_of_a_manifest_is_refused(model_dir):
    (model_dir / "manifest.json").unlink()
    os.mkfifo(model_dir / "manifest.json")
    with pytest.raises(MtkitError, match="not a regular file"):
        load_model_dir(model_dir)


def test_a_model_that_replaces_another_has_no_manifest(model_dir, make_trained):
    save_model_dir(model_dir, make_trained(seed=2))
    assert not (model_dir / "manifest.json").exists()
    load_model_dir(model_dir)


def test_a_shortlist_is_entered(model_dir, mtkit, tmp_path):
    for side in ("ko", "en"):
        lines = fixture_lines(f"ko_en.{side}")[:30]
        (tmp_path / side).write_text("\n".join(lines) + "\n", encoding="utf-8")
    outcome = mtkit("shortlist", tmp_path / "ko", tmp_path / "en", "-m", model_dir)
    assert outcome.status == 0, outcome.err
    manifest = json.loads((model_dir / "manifest.json").read_bytes())
    assert "shortlist.safetensors" in manifest["files"]
    load_model_dir(model_dir)
    flip_last_byte(model_dir / "model.safetensors")
    outcome = mtkit("shortlist", tmp_path / "ko", tmp_path / "en", "-m", model_dir)
    assert outcome.status == 1 and "model.safetensors`: has changed" in outcome.err
