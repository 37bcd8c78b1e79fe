"""Archives from strangers: nothing but the files of a model is ever written."""

import gzip
import io
import os
import random
import tarfile
import time
import tracemalloc
from contextlib import suppress

import pytest

from mtkit.errors import MtkitError
from mtkit.interop.sharing import archive
from mtkit.interop.sharing.archive import extract_archive, write_archive

CONTENTS = {
    "config.json": b"{}",
    "model.safetensors": os.urandom(3000),
    "tokenizer/joint.model": b"tokens",
    "README.md": b"card",
    "manifest.json": b"{}",
}


def member(name, content=b"x", **attributes):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info, content


def write_tar(path, members):
    with tarfile.open(path, "w") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def out(tmp_path):
    (tmp_path / "inner" / "out").mkdir(parents=True)
    return tmp_path / "inner" / "out"


def read_tree(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("name", ["m.tar", "m.tar.gz", "m.TAR.GZ"])
def test_an_archive_is_read_by_tar_and_by_us(tmp_path, out, name):
    write_archive(tmp_path / name, CONTENTS)
    with tarfile.open(tmp_path / name) as tar:
        assert tar.getnames() == [f"m/{member}" for member in CONTENTS]
    extract_archive(tmp_path / name, out)
    assert read_tree(out) == CONTENTS


def test_equal_contents_make_equal_archives(tmp_path):
    for folder in ("a", "b"):
        write_archive(tmp_path / folder / "m.tar.gz", CONTENTS)
        time.sleep(0.01)
    assert (tmp_path / "a/m.tar.gz").read_bytes() == (tmp_path / "b/m.tar.gz").read_bytes()


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("top", ["", "./", "any name/"])
def test_archives_of_other_programs_are_read(tmp_path, out, top, tar_format):
    folder = member(top.rstrip("/") or ".", b"", type=tarfile.DIRTYPE)
    files = [member(top + name, content) for name, content in CONTENTS.items()]
    inner = member(f"{top}tokenizer", b"", type=tarfile.DIRTYPE)
    with tarfile.open(tmp_path / "m.tar", "w", format=tar_format) as tar:
        for info, content in (folder, inner, *files):
            tar.addfile(info, io.BytesIO(content))
    extract_archive(tmp_path / "m.tar", out)
    assert read_tree(out) == CONTENTS


LINK = {"linkname": "/etc/passwd"}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([member("../config.json")], "contains '../config.json', which is not part of a model"),
        ([member("m/../../config.json")], "is not part of a model"),
        ([member("/config.json")], "contains '/config.json', which is not part of a model"),
        ([member("/etc/config.json")], "is not part of a model"),
        ([member("m/tokenizer/../config.json")], "is not part of a model"),
        ([member("m/setup.py")], "contains 'm/setup.py', which is not part of a model"),
        ([member("m/sub/config.json")], "is not part of a model"),
        ([member("m/config.json", b"", type=tarfile.SYMTYPE, **LINK)], "is a link, a device"),
        ([member("m/config.json", b"", type=tarfile.LNKTYPE, **LINK)], "is a link, a device"),
        ([member("m/config.json", b"", type=tarfile.CHRTYPE)], "is a link, a device"),
        ([member("m/config.json", b"", type=tarfile.FIFOTYPE)], "is a link, a device"),
        ([member("m/config.json", b"", type=tarfile.DIRTYPE)], "is a link, a device"),
        ([member("m/tokenizer", b"", type=tarfile.SYMTYPE, **LINK)], "is not part of a model"),
        ([member("m", b"", type=tarfile.SYMTYPE, **LINK)], "is not part of a model"),
        ([member("m/config.json"), member("m/config.json")], "contains 'm/config.json' twice"),
        ([member("m/config.json"), member("n/README.md")], "more than one directory"),
        ([member("m", b"", type=tarfile.DIRTYPE)] * 30, "more than 16 files and directories"),
    ],
)
def test_other_members_are_refused(tmp_path, out, members, message):
    path = write_tar(tmp_path / "m.tar", members)
    before = read_tree(tmp_path)
    with pytest.raises(MtkitError, match=message) as caught:
        extract_archive(path, out)
    assert str(path) in caught.value.message
    written = read_tree(tmp_path).keys() - before.keys()
    assert written <= {"inner/out/config.json"}


def test_sparse_files_are_refused(tmp_path, out):
    info, content = member("m/config.json", b"\0" * 512)
    info.pax_headers = {"GNU.sparse.map": "0,512", "GNU.sparse.size": "99999999999"}
    with pytest.raises(MtkitError, match="is a link, a device"):
        extract_archive(write_tar(tmp_path / "m.tar", [(info, content)]), out)


def compress(path, *blocks):
    """Write blocks, each as often as it says."""
    with gzip.open(path, "wb", compresslevel=9) as stream:
        for block, n in blocks:
            for _ in range(n):
                stream.write(block)
    return path


def test_a_decompression_bomb_is_refused(tmp_path, out, monkeypatch):
    monkeypatch.setattr(archive, "_FREE_BYTES", 1 << 20)
    n = 24 << 20
    info, _ = member("m/model.safetensors")
    info.size = n
    header = info.tobuf(tarfile.GNU_FORMAT)
    path = compress(tmp_path / "m.tar.gz", (header, 1), (b"\0" * (1 << 20), n >> 20))
    assert path.stat().st_size < 100_000
    with pytest.raises(MtkitError, match="grows to more than 16 times its size"):
        extract_archive(path, out)
    assert sum(map(len, read_tree(out).values())) < 3 << 20


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
@pytest.mark.parametrize("size", [3 << 20, 1 << 60])
def test_headers_do_not_fill_the_memory(tmp_path, out, kind, size):
    info, _ = member("m/config.json", type=kind)
    info.size = size
    header = info.tobuf(tarfile.GNU_FORMAT)
    path = compress(tmp_path / "m.tar.gz", (header, 1), (b"a" * (1 << 20), 3))
    tracemalloc.start()
    with pytest.raises(MtkitError, match="a header in it is too large"):
        extract_archive(path, out)
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()


def test_a_claimed_size_is_not_believed(tmp_path, out):
    info, _ = member("m/README.md")
    info.size = 1 << 50
    path = tmp_path / "m.tar"
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"x" * 5000)
    with pytest.raises(MtkitError, match=r"unexpected end of data|truncated"):
        extract_archive(path, out)


@pytest.mark.parametrize("name", ["m.tar", "m.tar.gz"])
def test_a_truncated_archive_is_refused_or_incomplete(tmp_path, out, name):
    write_archive(tmp_path / name, CONTENTS)
    content = (tmp_path / name).read_bytes()
    for n_bytes in (1, 300, 600, 2000, 3000):
        (tmp_path / "cut").write_bytes(content[:n_bytes])
        target = out / str(n_bytes)
        target.mkdir()
        with suppress(MtkitError):  # without its last files, an archive is not damaged
            extract_archive(tmp_path / "cut", target)
        assert read_tree(target).keys() < CONTENTS.keys()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + b"\0" * 900, b"x" * 2000, b"\x1f\x8bxx"])
def test_other_files_are_refused(tmp_path, out, content):
    (tmp_path / "m.tar").write_bytes(content)
    with pytest.raises(MtkitError, match=r"not a readable|is truncated"):
        extract_archive(tmp_path / "m.tar", out)


@pytest.mark.parametrize("name", ["m.tar", "m.tar.gz"])
def test_damage_never_crashes(tmp_path, out, name):
    write_archive(tmp_path / name, CONTENTS)
    content = (tmp_path / name).read_bytes()
    draw = random.Random(1)
    for number in range(60):
        damaged = bytearray(content)
        for _ in range(draw.randrange(1, 4)):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        (tmp_path / "damaged").write_bytes(damaged)
        target = out / str(number)
        target.mkdir()
        with suppress(MtkitError):
            extract_archive(tmp_path / "damaged", target)
        assert read_tree(target).keys() <= CONTENTS.keys()
    assert {path.name for path in tmp_path.iterdir()} == {name, "damaged", "inner"}
