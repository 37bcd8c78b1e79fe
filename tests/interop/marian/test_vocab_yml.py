"""Vocabularies in YAML, with the tokens that YAML parsers read as something else."""

import pytest

from mtkit.errors import MtkitError
from mtkit.interop.marian.vocab_yml import parse_vocab

LINES = {
    r'"\""': '"',
    "'''": "'",
    "''''": "'",
    '"\'"': "'",
    r'"\x85"': "\x85",
    r'"\u2581\""': '\u2581"',
    r'"\\"': "\\",
    r'"\U0001F600"': "😀",
    r'"\N"': "\x85",
    "~": "~",
    "null": "null",
    "yes": "yes",
    "123": "123",
    "1e4": "1e4",
    "-": "-",
    "</s>": "</s>",
    "▁the": "▁the",
    '":"': ":",
    "a:b": "a:b",
    "a: 1": "a: 1",
    "'it''s'": "it's",
    '"#"': "#",
    "#a": "#a",
    "\u2028": "\u2028",
    "\xa0": "\xa0",
    '"': '"',
    ">>deu<<": ">>deu<<",
}


@pytest.mark.parametrize("line", LINES)
def test_a_token(line):
    assert parse_vocab(f"</unk>: 0\n{line}: 7\n") == {"</unk>": 0, LINES[line]: 7}


def test_a_file():
    long = "x" * 200
    text = f'---\r\n# made by hand\n</s>: 0\r\n\n? {long}\n: 1\n? "\\x01{long}"\n: 2\n'
    assert parse_vocab(text) == {"</s>": 0, long: 1, f"\x01{long}": 2}
    assert parse_vocab('{"</s>": 0, "null": 1}') == {"</s>": 0, "null": 1}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 0\nb\n", 2),
        ("a: x\n", 1),
        ("a: 1.5\n", 1),
        ("a: -1\n", 1),
        ('"a: 1\n', 1),
        ('"\\q": 1\n', 1),
        ('"\\UFFFFFFFF": 1\n', 1),
        ("? a\nb: 1\n", 2),
        (": 1\n", 1),
    ],
)
def test_other_lines_are_refused(text, line):
    with pytest.raises(MtkitError, match=f"line {line} is not a token and its id"):
        parse_vocab(text)


def test_a_token_that_occurs_twice():
    with pytest.raises(MtkitError, match="line 3 is a token that occurred before"):
        parse_vocab("a: 0\nb: 1\n'a': 2\n")


def test_damaged_json():
    with pytest.raises(MtkitError, match="not a table of ids"):
        parse_vocab('{"a": "b"}')
