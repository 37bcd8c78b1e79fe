"""Models on the hub, with a stand-in that speaks its protocol; large files go by Git LFS."""

import pytest

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.interop.sharing.push import push
from tests.interop.conftest import TOKEN
from tests.interop.sharing.test_archive import read_tree

# huggingface_hub sends large files in a way that its HTTP client deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def test_a_model_goes_to_the_hub_and_back(hub, model_dir, mtkit, tmp_path):
    outcome = mtkit("push", model_dir, "me/ko-en", "--upload", "--license", "mit")
    assert outcome.status == 0, outcome.err
    assert outcome.out.rstrip().endswith("/me/ko-en: 5 files, 0.3 MB")
    assert hub.private == {"me/ko-en": True}
    assert hub.tokens == {f"Bearer {TOKEN}"}
    assert len(hub.commits) == 1 and len(hub.lfs) == 1
    assert b"$ mtkit pull me/ko-en ko-en --download\n" in hub.models["me/ko-en"]["README.md"]
    outcome = mtkit("pull", "me/ko-en", tmp_path / "out", "--download", "--revision", hub.sha)
    assert outcome.status == 0, outcome.err
    pulled = read_tree(tmp_path / "out")
    assert pulled | {".gitattributes": b""} == hub.models["me/ko-en"]
    assert {name: pulled[name] for name in read_tree(model_dir)} == read_tree(model_dir)


def test_a_new_version_keeps_the_card_and_removes_old_files(hub, model_dir, make_trained, tmp_path):
    push(model_dir, "me/ko-en", upload=True, private=False)
    assert hub.private == {"me/ko-en": False}
    files = hub.models["me/ko-en"]
    files["README.md"] += b"\nBy us.\n"
    files |= {"shortlist.safetensors": b"old", "LICENSE": b"theirs"}
    save_model_dir(tmp_path / "new", make_trained(seed=2))
    push(tmp_path / "new", "me/ko-en", upload=True)
    assert files["README.md"].endswith(b"\nBy us.\n")
    assert "shortlist.safetensors" not in files and files["LICENSE"] == b"theirs"
    assert files["model.safetensors"] == (tmp_path / "new/model.safetensors").read_bytes()
    assert hub.private == {"me/ko-en": False}


def test_a_card_that_changed_in_the_meantime_is_not_overwritten(hub, model_dir, mtkit, monkeypatch):
    push(model_dir, "me/ko-en", upload=True)
    monkeypatch.setattr(
        "mtkit.interop.sharing.push.make_package",
        lambda *args: hub.commits.append([]) or {"README.md": b"new"},
    )
    outcome = mtkit("push", model_dir, "me/ko-en", "--upload")
    assert outcome.status == 1 and "cannot be uploaded" in outcome.err
    assert hub.models["me/ko-en"]["README.md"] != b"new"


def test_without_a_token_nothing_is_uploaded(hub, model_dir, mtkit, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    outcome = mtkit("push", model_dir, "me/ko-en", "--upload")
    assert outcome.status == 1
    assert "`me/ko-en`: cannot be uploaded: " in outcome.err
    assert outcome.err.endswith("log in with `hf auth login`\n")
    assert hub.models == {}


def test_nothing_is_sent_unless_asked(hub, model_dir, mtkit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert mtkit("push", model_dir, "me/ko-en").status == 1
    assert mtkit("pull", "me/ko-en", "out").status == 1
    assert hub.tokens == set() and hub.models == {}


@pytest.mark.parametrize("damaged", [False, True])
def test_a_model_that_is_missing_or_damaged(hub, model_dir, mtkit, tmp_path, damaged):
    if damaged:
        push(model_dir, "me/ko-en", upload=True)
        files = hub.models["me/ko-en"]
        files["config.json"] += b" "
    outcome = mtkit("pull", "me/ko-en", tmp_path / "out", "--download")
    expected = "me/ko-en/config.json`: has" if damaged else "`me/ko-en`: cannot be downloaded"
    assert outcome.status == 1 and expected in outcome.err
    assert not (tmp_path / "out").exists()
