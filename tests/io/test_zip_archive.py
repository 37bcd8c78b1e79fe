"""ZIP archives: what is read and kept, against `zipfile`; and what is refused."""

import io
import struct
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.errors import MtkitError
from mtkit.io import zip_archive
from mtkit.io.zip_archive import ZipArchive, is_zip


def packed(members, comment=b"", **options):
    """Make an archive of (name, content, method); a name may be a `ZipInfo`."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as archive:
        archive.comment = comment
        for name, content, method in members:
            archive.writestr(info(name) if isinstance(name, str) else name, content, method)
    return stream.getvalue()


def info(name, **fields):
    one = zipfile.ZipInfo(name, (2001, 2, 3, 4, 5, 6))
    for field, value in fields.items():
        setattr(one, field, value)
    return one


STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
MEMBERS = [
    ("mimetype", b"application/x", STORED),
    ("a/", b"", STORED),
    (info("a/ä.xml", comment=b"note", extra=b"\x99\x99\2\0ab"), b"<a/>" * 99, DEFLATED),
    ("b.bin", bytes(range(256)), DEFLATED),
]


class Unseekable(io.BytesIO):
    """Makes zipfile write data descriptors."""

    def seekable(self):
        return False

    def tell(self):
        raise OSError

    def seek(self, *_):
        raise OSError


def test_members_are_read():
    archive = ZipArchive(packed(MEMBERS), "x")
    assert archive.names == ["mimetype", "a/", "a/ä.xml", "b.bin"]
    assert [archive.read(name) for name in archive.names] == [one[1] for one in MEMBERS]
    assert "b.bin" in archive and "c.bin" not in archive
    with pytest.raises(MtkitError, match=r"`x`: lacks c\.bin"):
        archive.read("c.bin")


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["mimetype", "a/ä.xml", "b.bin"]), st.binary()), st.booleans()
)
def test_members_are_replaced(contents, is_streamed):
    data = packed(MEMBERS, b"the end")
    if is_streamed:
        stream = Unseekable()
        with zipfile.ZipFile(stream, "w") as archive:
            for member in MEMBERS:
                archive.writestr(
                    info(member[0]) if member is not MEMBERS[2] else member[0], *member[1:]
                )
        data = stream.getvalue()
    new = ZipArchive(data, "x").replaced(contents)
    if not contents:
        assert new == data
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(io.BytesIO(new)) as archive:
        assert archive.testzip() is None
        assert archive.comment == old.comment
        assert [one.filename for one in archive.infolist()] == old.namelist()
        for before, after in zip(old.infolist(), archive.infolist(), strict=True):
            content = contents.get(after.filename, old.read(before))
            assert archive.read(after) == content
            for field in ("date_time", "compress_type", "comment", "extra", "external_attr"):
                assert getattr(after, field) == getattr(before, field)
            if after.filename not in contents:
                n_bytes = before.compress_size
                assert raw(new, after, n_bytes) == raw(data, before, n_bytes)
    assert ZipArchive(new, "x").names == old.namelist()


def raw(data, member, n_bytes):
    """Return local header and compressed bytes of a member."""
    n_name, n_extra = struct.unpack_from("<2H", data, member.header_offset + 26)
    return data[member.header_offset :][: 30 + n_name + n_extra + n_bytes]


def patched(data, mark, offset, new, which=0):
    """Overwrite bytes after a signature."""
    at = -1
    for _ in range(which + 1):
        at = data.index(mark, at + 1)
    at += offset
    return data[:at] + new + data[at + len(new) :]


GOOD = packed([("a", b"x" * 50, DEFLATED), ("b", b"y", STORED)])
CENTRAL, LOCAL, END = b"PK\1\2", b"PK\3\4", b"PK\5\6"
LINK = info("a", create_system=3, external_attr=0o120777 << 16)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello", "is not a ZIP archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "is encrypted, or a document of an old"),
        (GOOD[:-30], "truncated"),
        (GOOD[:60], "truncated"),
        (GOOD + b"more", "data after the end"),
        (LOCAL + b"data" + GOOD, "data before"),
        *(
            (packed([(name, b"", STORED)]), "unsafe name")
            for name in ("/etc/passwd", "a/../../b", "..", "C:\\x", "a\\b", "a\nb", "a/./b")
        ),
        (
            packed([("a", b"1", STORED), ("Q", b"2", STORED)]).replace(b"Q", b"a"),
            "contains 'a' twice",
        ),
        (packed([(LINK, b"/etc/passwd", STORED)]), "symbolic link"),
        (packed([("a", b"1", zipfile.ZIP_BZIP2)]), "method 12"),
        (patched(GOOD, CENTRAL, 8, b"\1\0"), "a is encrypted"),
        (patched(GOOD, CENTRAL, 24, b"\xff\xff\xff\xff"), "zip64"),
        (patched(GOOD, END, 16, b"\xff\xff\xff\xff"), "zip64"),
        (patched(GOOD, END, 4, b"\1\0"), "several parts"),
        (patched(GOOD, END, 8, b"\1\0\1\0"), "another size"),
        (patched(GOOD, END, 8, b"\3\0\3\0"), "incomplete"),
        (patched(GOOD, LOCAL, 30, b"z"), "differs from its entry"),
        (patched(GOOD, LOCAL, 8, b"\0\0"), "differs from its entry"),
        (patched(GOOD, CENTRAL, 20, b"\xff\0\0\0"), "overlaps"),
        (patched(GOOD, CENTRAL, 42, b"\0\0\0\0", which=1), "overlaps|differs"),
        (patched(GOOD, CENTRAL, 42, b"\xff\0\0\0", which=1), "not within"),
    ],
)
def test_an_unsafe_archive_is_refused(data, message):
    with pytest.raises(MtkitError, match=message) as caught:
        ZipArchive(data, "x.docx")
    assert caught.value.message.startswith("`x.docx`: ")
    assert caught.value.hint and "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (patched(GOOD, CENTRAL, 24, b"\x31"), "wrong size or checksum"),
        (patched(GOOD, CENTRAL, 16, b"\0\0\0\0"), "wrong size or checksum"),
        (patched(GOOD, CENTRAL, 20, b"\3"), "incomplete data"),
        (packed([("a", bytes(2_000_000), DEFLATED)]), "expands to more than 250 times"),
    ],
)
def test_a_damaged_member_is_refused(data, message):
    archive = ZipArchive(data, "x")
    with pytest.raises(MtkitError, match=f"a .*{message}"):
        archive.read("a")


def test_what_is_read_is_limited(monkeypatch):
    data = packed([(name, zlib.compress(b"x"), STORED) for name in "abc"])
    archive = ZipArchive(data, "x")
    monkeypatch.setattr(zip_archive, "MAX_TOTAL_BYTES", 20)
    assert archive.read("a") and archive.read("b")
    with pytest.raises(MtkitError, match="its text expands to over 20 bytes"):
        archive.read("c")
    monkeypatch.setattr(zip_archive, "MAX_MEMBER_BYTES", 5)
    with pytest.raises(MtkitError, match="a expands to over 5 bytes"):
        archive.read("a")
    monkeypatch.setattr(zip_archive, "MAX_MEMBERS", 2)
    with pytest.raises(MtkitError, match="over 2 members"):
        ZipArchive(data, "x")


def test_zip_archives_are_recognized():
    assert is_zip(GOOD) and is_zip(packed([])) and not is_zip(b"PKZIP")
    assert ZipArchive(packed([]), "x").names == []
