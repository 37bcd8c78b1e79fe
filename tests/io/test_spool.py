import errno
import gzip
import io
import os
import shutil
import subprocess
import sys
import threading

import pytest

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.config.recipe import Recipe
from mtkit.corpus.read.pairs import describe_source, read_pairs, source_fingerprint
from mtkit.errors import MtkitError

READ_TWICE = """
from mtkit.config.data import CorpusSource, DataConfig
from mtkit.corpus.read.pairs import read_pairs, source_fingerprint

source = CorpusSource(**{source!r})
data = DataConfig(src_lang="ko", tgt_lang="en", train=(source,))
first = list(read_pairs(source, data))
source_fingerprint(source, data)
assert list(read_pairs(source, data)) == first
print([tuple(pair) for pair in first])
"""


def config(source):
    return DataConfig(src_lang="ko", tgt_lang="en", train=(source,))


def give_stdin(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.mark.parametrize(
    ("source", "data"),
    [
        ({"src": "-", "tgt": "a.en"}, "가\n나\n".encode()),
        ({"src": "-", "tgt": "a.en"}, gzip.compress("가\n나\n".encode(), mtime=0)),
        ({"file": "-", "format": "csv"}, "가,a\n나,b\n".encode()),
        (
            {"file": "-", "format": "jsonl"},
            b'{"ko": "\\uac00", "en": "a"}\n{"ko": "\\ub098", "en": "b"}\n',
        ),
    ],
)
def test_stdin_is_read_again_from_a_temporary_copy(tmp_path, source, data):
    (tmp_path / "a.en").write_text("a\nb\n", encoding="utf-8")
    spool = tmp_path / "spool"
    spool.mkdir()
    source = {key: value.replace("a.en", str(tmp_path / "a.en")) for key, value in source.items()}
    command = [sys.executable, "-c", READ_TWICE.format(source=source)]
    done = subprocess.run(
        command,
        input=data,
        capture_output=True,
        check=True,
        env={**os.environ, "TMPDIR": str(spool), "PYTHONIOENCODING": "utf-8"},
    )
    assert done.stdout.decode() == "[('가', 'a'), ('나', 'b')]\n"
    assert list(spool.iterdir()) == []


def test_a_pipe_is_read_again(tmp_path):
    (tmp_path / "a.en").write_text("a\nb\n", encoding="utf-8")
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(
        target=(tmp_path / "pipe").write_bytes, args=["가\n나\n".encode()], daemon=True
    )
    writer.start()
    source = CorpusSource(src=tmp_path / "pipe", tgt=tmp_path / "a.en")
    assert (
        list(read_pairs(source, config(source)))
        == list(read_pairs(source, config(source)))
        == [("가", "a"), ("나", "b")]
    )
    writer.join()


def test_errors_speak_of_stdin(tmp_path, monkeypatch):
    (tmp_path / "a.en").write_text("a\n", encoding="utf-8")
    source = CorpusSource(src="-", tgt=tmp_path / "a.en")  # pyright: ignore[reportArgumentType]
    assert describe_source(source) == f"stdin, {tmp_path}/a.en"
    for data, message in (
        (b"\xff\n", "`stdin`: invalid UTF-8 in line 1"),
        (b"x\ny\n", "`stdin` has 2 lines, but"),
    ):
        give_stdin(monkeypatch, data)
        with pytest.raises(MtkitError, match=message):
            list(read_pairs(source, config(source)))
    parquet = CorpusSource(file="-", format="parquet")  # pyright: ignore[reportArgumentType]
    with pytest.raises(MtkitError, match="`stdin`: broken Parquet"):
        list(read_pairs(parquet, config(parquet)))


def test_format_of_stdin_must_be_given(monkeypatch):
    give_stdin(monkeypatch, b"a\tb\n")
    source = CorpusSource(file="-")  # pyright: ignore[reportArgumentType]
    for use in (
        lambda: read_pairs(source, config(source)),
        lambda: source_fingerprint(source, config(source)),
    ):
        with pytest.raises(
            MtkitError, match="`stdin`: its name does not determine its format"
        ) as caught:
            use()
        assert "set `format`" in caught.value.hint


def test_stdin_cannot_be_both_sides(tmp_path):
    (tmp_path / "recipe.yaml").write_text(
        "data: {src_lang: ko, tgt_lang: en, train: {src: '-', tgt: '-'}}\n", encoding="utf-8"
    )
    with pytest.raises(MtkitError, match="src and tgt are both -, but stdin is one stream"):
        Recipe.load(tmp_path / "recipe.yaml")


def test_no_space_for_the_copy(monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    give_stdin(monkeypatch, b"a\tb\n")
    monkeypatch.setattr(shutil, "copyfileobj", fail)
    source = CorpusSource(file="-", format="tsv")  # pyright: ignore[reportArgumentType]
    with pytest.raises(MtkitError, match="cannot be written: no space left on device") as caught:
        read_pairs(source, config(source))
    assert "TMPDIR" in caught.value.hint
