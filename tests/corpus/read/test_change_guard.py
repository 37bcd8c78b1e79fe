import os

import pytest

from mtkit.config.data import CorpusSource
from mtkit.corpus.read.change_guard import corpus_snapshot
from mtkit.errors import MtkitError


@pytest.fixture
def files(tmp_path):
    for name in ("a.ko", "a.en", "b.tmx", "d/train.jsonl", "d/deep/more.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{name}\n", encoding="utf-8")
    return tmp_path


def sources(folder):
    text = CorpusSource(src=folder / "a.ko", tgt=folder / "a.en")
    return (
        text,
        CorpusSource(file=folder / "b.tmx"),
        CorpusSource(dataset=str(folder / "d")),
        CorpusSource(dataset="somebody/something"),
    )


def append(path):
    with path.open("a") as stream:
        stream.write("x")


def rewrite_later(path):
    times = path.stat()
    path.write_bytes(bytes(times.st_size))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 1))


def replace(path):
    """As long as before, and with the old time."""
    times = path.stat()
    path.with_name("new").write_bytes(bytes(times.st_size))
    path.with_name("new").replace(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def remove(path):
    path.unlink()


@pytest.mark.parametrize("change", [append, rewrite_later, replace, remove])
@pytest.mark.parametrize("name", ["a.ko", "a.en", "b.tmx", "d/train.jsonl", "d/deep/more.jsonl"])
def test_a_change_is_noticed_and_named(files, name, change):
    snapshot = corpus_snapshot(sources(files))
    snapshot.check()
    change(files / name)
    with pytest.raises(MtkitError, match=f"{name}`: changed while it was read$") as caught:
        snapshot.check()
    assert caught.value.hint == "run it again when nothing else writes to it"


def test_a_file_more_in_a_dataset_is_noticed(files):
    snapshot = corpus_snapshot(sources(files))
    (files / "d" / "new.jsonl").touch()
    with pytest.raises(MtkitError, match=r"d/new.jsonl`: changed"):
        snapshot.check()


def test_missing_file_that_appears_is_detected(tmp_path):
    snapshot = corpus_snapshot([CorpusSource(file=tmp_path / "a.tsv")])
    snapshot.check()
    (tmp_path / "a.tsv").touch()
    with pytest.raises(MtkitError, match=r"a.tsv`: changed"):
        snapshot.check()


def test_reading_changes_nothing_and_stdin_has_no_file(files):
    stdin = CorpusSource(src="-", tgt=files / "a.en")  # pyright: ignore[reportArgumentType]
    snapshot = corpus_snapshot([*sources(files), stdin])
    for path in files.rglob("*"):
        if path.is_file():
            path.read_bytes()
    snapshot.check()
    assert files / "a.en" in snapshot.stamps
    assert len(snapshot.stamps) == 5
