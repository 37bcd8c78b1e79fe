import gzip
import io
import lzma
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_dir, atomic_write, clean_up_leftovers, is_leftover, remove_dir
from mtkit.io.text import read_lines, sha256_file, write_lines
from mtkit.translation.jobs.input_reader import LineReader
from tests.strategies import reads_as_text

# Everything that str.splitlines would split at, and what looks like it.
near_line_ends = st.text(
    st.one_of(
        st.sampled_from("\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\ufeff\x00\r\t 가é𝄞"),
        st.characters(codec="utf-8"),
    ),
    max_size=20,
)
any_lines = st.lists(
    near_line_ends.map(lambda text: text.replace("\n", "").rstrip("\r")), max_size=8
)
any_lines = any_lines.filter(lambda lines: reads_as_text("\n".join(lines).encode()))


def write_bytes(folder: Path, data: bytes, name: str = "text.de") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@given(lines=any_lines, suffix=st.sampled_from(["", ".gz", ".xz", ".zst"]))
def test_text_round_trip(tmp_path_factory, lines, suffix):
    path = tmp_path_factory.getbasetemp() / f"round-trip{suffix}"
    write_lines(path, lines)
    # A byte order mark belongs to the file and not to its first line.
    expected = [lines[0].removeprefix("\ufeff"), *lines[1:]] if lines else []
    assert list(read_lines(path)) == expected


@given(data=any_lines.map(lambda lines: "\n".join(lines).encode()))
def test_lines_are_those_between_line_feeds(tmp_path_factory, data):
    path = write_bytes(tmp_path_factory.getbasetemp(), data)
    bare = data.removeprefix(b"\xef\xbb\xbf")
    expected = bare.split(b"\n")[: None if bare and not bare.endswith(b"\n") else -1]
    assert [line.encode() for line in read_lines(path)] == [
        line.removesuffix(b"\r") for line in expected
    ]


@pytest.mark.parametrize("block_size", [1, 2, 3, 7, 1 << 18])
def test_result_does_not_depend_on_blocks(tmp_path, monkeypatch, block_size):
    monkeypatch.setattr("mtkit.io.text._BLOCK_SIZE", block_size)
    path = write_bytes(
        tmp_path,
        b"\xef\xbb\xbfGr\xc3\xbc\xc3\x9fe\r\n\r\n\n\xed\x95\x9c\xea\xb5\xad \x85".replace(
            b"\x85", b"\xc2\x85"
        ),
    )
    assert list(read_lines(path)) == ["Grüße", "", "", "한국 \x85"]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\n\n", ["a", ""]),
        (b"a\r\r\nb\r", ["a\r", "b"]),
        (b"\xef\xbb\xbf", []),
        (b"a\rb\n", ["a\rb"]),
    ],
)
def test_small_cases(tmp_path, data, lines):
    assert list(read_lines(write_bytes(tmp_path, data))) == lines


def test_newstest2009_has_as_many_lines_as_line_feeds(shared_data):
    path = shared_data / "wmt-news-de-en/newstest2009.de"
    lines = list(read_lines(path))
    assert len(lines) == 2525
    assert any("\x85" in line for line in lines)
    assert "".join(f"{line}\n" for line in lines).encode() == path.read_bytes()


@pytest.mark.parametrize(
    ("data", "name", "where"),
    [
        (b"gut\nschlecht \xe4\n", "a.de", "line 2, byte 10 of the line (0xe4)"),
        (b"x\n" * 200_000 + b"ab\xff", "a.de", "line 200001, byte 3 of the line (0xff)"),
        (gzip.compress(b"\n\xc3", mtime=0), "a.gz", "line 2, byte 1"),
    ],
)
def test_invalid_utf8_is_named_by_line_and_byte(tmp_path, data, name, where):
    path = write_bytes(tmp_path, data, name)
    with pytest.raises(MtkitError) as caught:
        list(read_lines(path))
    assert where in caught.value.message
    assert f"`{path}`" in caught.value.message
    assert "iconv" in caught.value.hint


def test_lines_before_invalid_utf8_are_written(tmp_path):
    lines = read_lines(write_bytes(tmp_path, b"a\nb\n\xff\n"))
    assert [next(lines), next(lines)] == ["a", "b"]


def read_replacing(path):
    with LineReader(path, "replace") as reader:
        return reader.take(sys.maxsize)


@pytest.mark.parametrize(
    ("data", "lines", "n_places"),
    [
        (b"a\xffb\nc\n", ["a\ufffdb", "c"], 1),
        (
            b"\xe4\n\xed\x95\n",
            ["\ufffd", "\ufffd"],
            2,
        ),  # a Latin-1 letter; two of three bytes of a Korean one
        (b"\xed\xa0\xbd\xed", ["\ufffd" * 4], 4),  # half a surrogate pair is three wrong bytes
        ("\ufffd war schon da \n".encode() + b"\x80", ["\ufffd war schon da ", "\ufffd"], 1),
        (b"ganz gut\n", ["ganz gut"], 0),
        (b"\xff\r\n", ["\ufffd"], 1),
    ],
)
@pytest.mark.parametrize("block_size", [1, 1 << 18])
def test_invalid_utf8_may_be_replaced_and_is_counted(
    tmp_path, monkeypatch, caplog, data, lines, n_places, block_size
):
    monkeypatch.setattr("mtkit.io.text._BLOCK_SIZE", block_size)
    path = write_bytes(tmp_path, data)
    assert read_replacing(path) == lines
    told = (
        f"`{path}`: invalid UTF-8 in {n_places} place{'' if n_places == 1 else 's'}, read as U+FFFD"
    )
    assert caplog.messages == ([told] if n_places else [])


@given(
    data=st.lists(st.one_of(st.binary(max_size=4), any_lines.map("\n".join).map(str.encode)))
    .map(b"".join)
    .filter(reads_as_text)
)
def test_number_of_lines_equals_number_of_line_feeds_for_any_bytes(tmp_path_factory, data):
    path = write_bytes(
        tmp_path_factory.mktemp("bytes"), b"x" + data
    )  # so that no byte order mark is in front
    expected = [
        line.decode(errors="replace").removesuffix("\r")
        for line in (b"x" + data).removesuffix(b"\n").split(b"\n")
    ]
    assert read_replacing(path) == expected


def test_a_missing_file_is_an_error_at_the_call(tmp_path):
    with pytest.raises(MtkitError, match="no such file") as caught:
        read_lines(tmp_path / "x.de", what="the source side")
    assert caught.value.hint == "check the path of the source side"
    with pytest.raises(MtkitError, match="is a directory"):
        read_lines(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path):
    path = write_bytes(tmp_path, b"x")
    path.chmod(0)
    with pytest.raises(MtkitError, match="permission denied"):
        list(read_lines(path))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, zstandard.compress])
def test_stdin_and_stdout(pack):
    code = "from mtkit.io.text import read_lines, write_lines; write_lines('-', (line[::-1] for line in read_lines('-')))"
    given = pack("\ufeffab\r\n한국\x85\n\n".encode())
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=given,
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.stdout == "ba\n\x85국한\n\n".encode()


def test_lines_go_through_a_pipe_one_by_one():
    code = "from mtkit.io.text import read_lines, write_lines; write_lines(None, read_lines('-'))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in (b"one\n", b"two\n"):
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline() == line
        process.stdin.close()


def test_stdout_without_a_file_behind_it(monkeypatch):
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stdout)
    write_lines(None, ["a"])
    assert stdout.buffer.getvalue() == b"a\n"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("line", ["a\nb", "a\r"])
def test_a_line_end_within_a_line_is_a_bug(tmp_path, line):
    with pytest.raises(ValueError, match="line end"):
        write_lines(tmp_path / "x", ["good", line])
    assert list(tmp_path.iterdir()) == []


def test_atomic_write_leaves_the_old_file_when_it_fails(tmp_path):
    path = write_bytes(tmp_path, b"old")
    with pytest.raises(RuntimeError), atomic_write(path) as stream:
        stream.write(b"new")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_write_keeps_permissions_links_and_devices(tmp_path):
    path = write_bytes(tmp_path, b"old")
    path.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(path)
    with atomic_write(link) as stream:
        stream.write(b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    write_lines("/dev/null", ["x"])
    assert Path("/dev/null").is_char_device()


def test_atomic_write_creates_directories_and_names_obstacles(tmp_path):
    write_lines(tmp_path / "a/b.txt", ["x"])
    with pytest.raises(MtkitError, match="a part of its path is a file"):
        write_lines(tmp_path / "a/b.txt/c.txt", ["x"])
    with pytest.raises(MtkitError, match="is a directory"):
        write_lines(tmp_path / "a", ["x"])


def test_atomic_dir_replaces_whole_directories(tmp_path):
    target = tmp_path / "deep/target"
    for content in ("first", "second"):
        with atomic_dir(target) as folder:
            (folder / content).write_text(content)
            if content == "second":
                assert (target / "first").exists()
    assert [path.name for path in target.iterdir()] == ["second"]
    assert list(target.parent.iterdir()) == [target]


def test_atomic_dir_leaves_the_old_directory_on_failure(tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(KeyboardInterrupt), atomic_dir(target) as folder:
        (folder / "new").touch()
        raise KeyboardInterrupt
    assert [path.name for path in target.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [target]


KILLED = """\
import os, signal, sys
from pathlib import Path
from mtkit.io.atomic import atomic_dir

left = int(sys.argv[2])

def hook(event, args):
    global left
    if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir") and str(args[0]).startswith(sys.argv[1]):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
with atomic_dir(Path(sys.argv[1]) / "target") as folder:
    (folder / "new").write_text("new")
"""


def test_killed_atomic_dir_leaves_the_old_or_new_directory_after_cleanup(tmp_path):
    target = tmp_path / "target"
    found, n_moved_aside = [], 0
    for n_operations in range(100):
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        (target / "old").write_text("old")
        outcome = subprocess.run(
            [sys.executable, "-c", KILLED, tmp_path, str(n_operations)], check=False
        )
        n_moved_aside += not target.exists()
        clean_up_leftovers(tmp_path)
        assert list(tmp_path.iterdir()) == [target]
        found.append([(path.name, path.read_text()) for path in target.iterdir()])
        if outcome.returncode == 0:
            break
        assert outcome.returncode == -signal.SIGKILL
    old, new = [("old", "old")], [("new", "new")]
    assert found == [old] * found.count(old) + [new] * found.count(new)
    assert found.count(old) > 3
    assert found.count(new) > 1
    assert n_moved_aside == 1


def test_cleanup_keeps_complete_files(tmp_path):
    names = [
        ".hidden",
        ".model.tmp",
        "model.0123abcd.tmp",
        ".model.0123abcd.new",
        ".model.0123ABCD.tmp",
        ".other.0123abcd.tmp",
        ".gone.0123abcd.old",
    ]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / ".model.0123abcd.tmp").touch()
    clean_up_leftovers(tmp_path, {"model"})
    assert {path.name for path in tmp_path.iterdir()} == set(names)
    assert [name for name in names if is_leftover(tmp_path / name)] == [
        ".other.0123abcd.tmp",
        ".gone.0123abcd.old",
    ]
    clean_up_leftovers(tmp_path / "nowhere")


def test_removed_directory_is_gone(tmp_path):
    (tmp_path / "folder/deep").mkdir(parents=True)
    (tmp_path / "folder/deep/file").touch()
    remove_dir(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []


def test_atomic_dir_does_not_replace_a_file(tmp_path):
    with pytest.raises(MtkitError, match="is a file"), atomic_dir(write_bytes(tmp_path, b"x")):
        pass


def test_sha256_of_a_known_text(tmp_path):
    # FIPS 180-2, appendix B.1.
    assert (
        sha256_file(write_bytes(tmp_path, b"abc"))
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
