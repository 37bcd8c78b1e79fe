"""Files of terms: what they mean, and what is wrong with them, with its line."""

import pytest

from mtkit.corpus.terms.term_list import Term, TermList
from mtkit.errors import MtkitError


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "terms.tsv"
        path.write_text(text, encoding="utf-8")
        return TermList.load(path)

    return read


def test_columns_comments_and_defaults(read):
    terms = read(
        "# source\ttarget\n\nHaus\thouse\n  rotes   Haus\tred house\t\tred houses|red  home\n"
        "IT\tinformation technology\nUSB\tUSB\tinsensitive\nOase\toasis\tSensitive\n"
    ).terms
    assert terms == (
        Term("Haus", "house", ("house",)),
        Term("rotes Haus", "red house", ("red house", "red houses", "red home")),
        Term("IT", "information technology", ("information technology",), True),
        Term("USB", "USB", ("USB",)),
        Term("Oase", "oasis", ("oasis",), True),
    )


def test_a_header_names_the_columns(read):
    assert read("Target\tnote\tSource\nhouse\ta building\tHaus\n").terms == (
        Term("Haus", "house", ("house",)),
    )


def test_text_is_composed(read):
    assert read("u\u0308ber\tabo\u0301ve\n").terms[0][:2] == ("über", "abóve")


def test_a_term_that_is_given_twice_is_reported(read, caplog):
    assert len(read("Haus\thouse\nHof\tyard\nHAUS\thouse\tinsensitive\n").terms) == 2
    assert "line 3 repeats" in caplog.text and "line 1" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Haus\thouse\nhaus\thome\n", r"line 2: `haus` is `home`, but `house` in .*line 1"),
        ("Haus\thouse\nHaus\thouse\t\thouses\n", "line 2"),
        ("a\tb\nHaus\n", "line 2: has no TAB"),
        ("\thouse\n", "line 1: the source is empty"),
        ("Haus\t \n", "line 1: the target is empty"),
        ("Haus\thouse\tyes\n", "line 1: case is `yes`"),
        ("Haus\thouse\t\ta||b\n", "line 1: one of the forms is empty"),
        ("Haus\thouse\t\ta\tb\n", "line 1: has 5 columns"),
        ("# nothing\n\n", "has no terms"),
        ("source\ttarget\n", "has no terms"),
    ],
)
def test_mistakes_are_named_with_their_line(read, text, message):
    with pytest.raises(MtkitError, match=message):
        read(text)


def test_python_values():
    expected = (Term("Haus", "house", ("house",)),)
    assert TermList.of({"Haus": "house"}).terms == expected
    assert TermList.of([("Haus", "house")]).terms == expected
    assert TermList.of(TermList(expected)).terms == expected
    for wrong in (1, ["Haus"], [("a", "b", "c")], {"a": 1}):
        with pytest.raises(TypeError, match="terms"):
            TermList.of(wrong)


def test_equal_lists_have_equal_hashes():
    one, other = TermList.of({"a": "b"}), TermList.of({"a": "c"})
    assert one.content_hash == TermList.of({"a": "b"}).content_hash != other.content_hash
