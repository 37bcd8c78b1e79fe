import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.errors import MtkitError
from mtkit.io.text import read_lines
from mtkit.translation.jobs import line_reader
from mtkit.translation.jobs.line_reader import LineReader, number_of_lines
from tests.strategies import reads_as_text

texts = st.lists(
    st.sampled_from(["a", "\n", "\r\n", "\r", "한", " ", "\u2028", "\ufeff", "\0", "\n\n"]),
    max_size=30,
).map("".join)
texts = texts.filter(lambda text: reads_as_text(text.encode()))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("reading") / "text"


@given(text=texts, sizes=st.lists(st.tuples(st.booleans(), st.integers(1, 4)), max_size=20))
def test_lines_are_those_of_read_lines(path, text, sizes):
    path.write_bytes(text.encode())
    expected = list(read_lines(path))
    with LineReader(path) as reader:
        for is_taken, n in sizes:
            wanted = expected[reader.n_passed : reader.n_passed + n]
            n_before = reader.n_passed
            assert reader.is_at_end == (not wanted)
            found = reader.take(n) if is_taken else reader.skip(n)
            assert found == (wanted if is_taken else len(wanted))
            assert reader.n_passed == n_before + len(wanted)
        reader.skip(1000)
        assert reader.n_passed == len(expected)
    assert number_of_lines(path) == (len(expected), True)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_lines_that_span_blocks(path, pack):
    lines = [f"{i} " + "x" * (i * 7919 % 3000) for i in range(2000)] + ["y" * 700_000, "last"]
    path.write_bytes(pack("\n".join(lines).encode()))
    with LineReader(path) as reader:
        assert reader.take(700) == lines[:700]
        assert reader.skip(600) == 600
        assert reader.take(10_000) == lines[1300:]
        assert reader.is_at_end
    assert number_of_lines(path) == (len(lines), True)


def test_invalid_utf8_is_told_with_the_line_of_the_file(path):
    path.write_bytes(b"one\ntwo\nth\xffree\nfour\n")
    with LineReader(path) as reader:
        assert reader.skip(1) == 1
        with pytest.raises(
            MtkitError, match=r"invalid UTF-8 in line 3, byte 3 of the line \(0xff\)"
        ):
            reader.take(3)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_large_file_is_estimated_by_its_beginning(path, pack, monkeypatch):
    path.write_bytes(pack(b"".join(b"%d %d\n" % (i, i * 7919 % 10_007) for i in range(200_000))))
    monkeypatch.setattr(line_reader, "COUNTED_BYTES", 1000)
    monkeypatch.setattr(line_reader, "_SAMPLE_BYTES", 400_000)
    monkeypatch.setattr(line_reader, "_BLOCK_SIZE", 10_000)
    n, is_exact = number_of_lines(path)
    assert not is_exact
    assert n == pytest.approx(200_000, rel=0.2)
