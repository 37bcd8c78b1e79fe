import gzip

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mtkit.checking import lenient_reader
from mtkit.checking.lenient_reader import decode_lines, lookup_lines, read_chunks
from mtkit.config.data import CorpusSource, DataConfig
from mtkit.errors import MtkitError
from tests.strategies import reads_as_text

NASTY_BYTES = (
    st.lists(
        st.sampled_from(
            [
                b"a",
                b"\n",
                b"\r",
                b"\r\n",
                b"\xef\xbb\xbf",
                b"\xe4",
                b"\xc3\xa4",
                b"\xed\xa0\x80",
                b"\xf0\x9f",
                b"\0",
                b" ",
                b"\xc2\x85",
                b"\xff\xfe",
            ]
        ),
        max_size=30,
    )
    .map(b"".join)
    .filter(reads_as_text)
)


def text_source(folder, src, tgt):
    (folder / "a.ko").write_bytes(src)
    (folder / "a.en").write_bytes(tgt)
    return CorpusSource(src=folder / "a.ko", tgt=folder / "a.en")


def chunks_of(source):
    return list(read_chunks(source, DataConfig(src_lang="ko", tgt_lang="en", train=(source,))))


def naive_lines(content):
    lines = content.split(b"\n")
    return lines if lines[-1] else lines[:-1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reading")


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(lenient_reader, "CHUNK_SIZE", 3)


@given(src=NASTY_BYTES, tgt=NASTY_BYTES, block_size=st.integers(1, 9))
@example(src=b"", tgt=b"aaaaaa\ra\na", block_size=8)
def test_no_line_is_lost(folder, src, tgt, block_size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lenient_reader, "CHUNK_SIZE", 3)
        patch.setattr("mtkit.io.text._BLOCK_SIZE", block_size)
        chunks = chunks_of(text_source(folder, src, tgt))
    assert [line for chunk in chunks for line in chunk.src] == naive_lines(src)
    assert [line for chunk in chunks for line in chunk.tgt] == naive_lines(tgt)
    assert [chunk.first for chunk in chunks] == list(range(1, 3 * len(chunks), 3))


@given(content=NASTY_BYTES, first=st.sampled_from([1, 4]))
def test_decoding_reports_invalid_bytes(content, first):
    raw = naive_lines(content)
    decoded = decode_lines(raw, first)
    assert len(decoded.lines) == len(raw)
    faults = {fault: set(places) for fault, places in decoded.faults.items()}
    for place, line in enumerate(raw):
        has_bom = first == 1 and place == 0 and line.startswith(b"\xef\xbb\xbf")
        assert has_bom == (place in faults.get("bom", set()))
        line = line.removeprefix(b"\xef\xbb\xbf") if has_bom else line
        assert line.endswith(b"\r") == (place in faults.get("crlf", set()))
        try:
            expected = line.removesuffix(b"\r").decode()
        except UnicodeDecodeError:
            expected = ""
            assert place in faults["invalid_utf8"]
        else:
            assert place not in faults.get("invalid_utf8", set())
        assert decoded.lines[place] == expected


def test_compressed_files_are_read_like_plain_ones(tmp_path, small_chunks):
    source = text_source(tmp_path, gzip.compress("가\n나\n".encode()), b"a\nb")
    assert chunks_of(source) == [(1, ["가".encode(), "나".encode()], [b"a", b"b"])]


def test_other_formats_are_read_as_text(tmp_path, small_chunks):
    (tmp_path / "a.tsv").write_text("".join(f"가{i}\ta{i}\n" for i in range(5)), encoding="utf-8")
    chunks = chunks_of(CorpusSource(file=tmp_path / "a.tsv"))
    assert chunks == [
        (1, ["가0", "가1", "가2"], ["a0", "a1", "a2"]),
        (4, ["가3", "가4"], ["a3", "a4"]),
    ]
    assert decode_lines(chunks[1].src, 4) == (["가3", "가4"], {})


def test_lines_are_found_by_number(tmp_path, small_chunks):
    chunks = chunks_of(text_source(tmp_path, b"1\n2\n3\n4\n5\n", b"a\nb\n"))
    assert lookup_lines(chunks, {2, 4}) == {2: (b"2", b"b"), 4: (b"4", None)}
    assert lookup_lines(chunks, {9}) == {}
    untouched = iter(chunks)
    assert lookup_lines(untouched, ()) == {}
    assert lookup_lines(untouched, {1}) == {1: (b"1", b"a")}
    assert len(list(untouched)) == 1


def test_missing_file_is_reported(tmp_path):
    source = CorpusSource(src=tmp_path / "a.ko", tgt=tmp_path / "a.en")
    with pytest.raises(MtkitError, match="no such file"):
        chunks_of(source)
