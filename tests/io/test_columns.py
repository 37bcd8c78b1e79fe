"""Columns of a table in a terminal."""

from rich.cells import cell_len

from mtkit.io.columns import align


def test_columns_are_aligned_with_hangul():
    lines = align([["가", "1"], ["abc", "22"], ["x"]], right=(1,))
    assert lines == ["가    1", "abc  22", "x"]
    assert [cell_len(line) for line in lines[:2]] == [7, 7]
