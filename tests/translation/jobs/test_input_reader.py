import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.errors import MtkitError
from mtkit.io.text import read_lines
from mtkit.translation.jobs import input_reader
from mtkit.translation.jobs.input_reader import (
    InputReader,
    LineReader,
    number_of_lines,
    refuse_unequal_lengths,
)
from mtkit.translation.jobs.translation_spec import TranslationFiles
from mtkit.translation.lines.records import InputLine
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


def test_invalid_utf8_names_the_line_of_the_file(path):
    path.write_bytes(b"one\ntwo\nth\xffree\nfour\n")
    with LineReader(path) as reader:
        assert reader.skip(1) == 1
        # What came before it is not lost.
        assert reader.take(3) == ["two"]
        assert not reader.is_at_end
        with pytest.raises(
            MtkitError, match=r"invalid UTF-8 in line 3, byte 3 of the line \(0xff\)"
        ):
            reader.take(3)


def test_lines_before_damage_are_read(path):
    packed = gzip.compress(b"".join(b"%d\n" % (i * 7919) for i in range(100_000)))
    path.write_bytes(packed[: len(packed) // 2])
    with LineReader(path) as reader:
        lines = reader.take(200_000)
        assert 1_000 < len(lines) < 100_000
        assert lines == [str(i * 7919) for i in range(len(lines))]
        with pytest.raises(MtkitError, match="broken gzip"):
            reader.take(1)


@pytest.fixture
def files(tmp_path):
    """Three files of four lines."""
    for name in "text", "prefixes", "constraints":
        (tmp_path / name).write_text("".join(f"{name} {i}\n" for i in range(1, 5)))
    return TranslationFiles(
        tmp_path / "text",
        prefix_path=tmp_path / "prefixes",
        constraints_path=tmp_path / "constraints",
    )


def line(i):
    return InputLine(f"text {i}", f"prefixes {i}", f"constraints {i}")


@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_files_are_read_in_step(files, n):
    with InputReader(files) as reader:
        assert reader.skip(1) == 1
        lines = []
        while taken := reader.take(n):
            lines += taken
        assert lines == [line(i) for i in (2, 3, 4)]
        assert reader.is_at_end


@pytest.mark.parametrize("name", ["prefixes", "constraints"])
@pytest.mark.parametrize("skips", [False, True])
def test_a_file_that_is_too_short_is_refused(files, name, skips):
    path = files.input_path.with_name(name)
    path.write_text("one\ntwo\n")
    with (
        InputReader(files) as reader,
        pytest.raises(MtkitError, match=rf"{name}` ends after line 2, but `.*text` continues"),
    ):
        reader.skip(4) if skips else reader.take(4)
    with pytest.raises(MtkitError, match=rf"{name}` has 2 lines, but `.*text` has 4") as info:
        refuse_unequal_lengths(files, number_of_lines(files.input_path))
    assert name in info.value.hint


@pytest.mark.parametrize("name", ["prefixes", "constraints"])
def test_a_file_that_is_too_long_is_refused(files, name):
    path = files.input_path.with_name(name)
    path.write_text("one\n" * 5)
    message = rf"text` ends after line 4, but `.*{name}` continues"
    with InputReader(files) as reader:
        assert len(reader.take(9)) == 4
        with pytest.raises(MtkitError, match=message):
            reader.take(9)
    with InputReader(files) as reader:
        reader.skip(4)
        with pytest.raises(MtkitError, match=message):
            reader.is_at_end  # noqa: B018
    with pytest.raises(MtkitError, match=rf"{name}` has 5 lines, but `.*text` has 4"):
        refuse_unequal_lengths(files, number_of_lines(files.input_path))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_large_file_is_estimated_by_its_beginning(path, pack, monkeypatch):
    path.write_bytes(pack(b"".join(b"%d %d\n" % (i, i * 7919 % 10_007) for i in range(200_000))))
    monkeypatch.setattr(input_reader, "COUNTED_BYTES", 1000)
    monkeypatch.setattr(input_reader, "_SAMPLE_BYTES", 400_000)
    monkeypatch.setattr(input_reader, "_BLOCK_SIZE", 10_000)
    n, is_exact = number_of_lines(path)
    assert not is_exact
    assert n == pytest.approx(200_000, rel=0.2)
