"""Rules of SentencePiece models: read back, and preceded by replacements."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.config.tokenizer import TokenizerConfig
from mtkit.errors import MtkitError
from mtkit.io.tokenizer_files import CHARSMAP, NORMALIZER, read_fields, read_settings
from mtkit.tokenizer.nfc import nfc_rules
from mtkit.tokenizer.normalization_rules import compose, read_rules, with_replacements
from mtkit.tokenizer.subword import Subword
from mtkit.tokenizer.train import train_subword


@pytest.fixture(scope="module")
def model_bytes():
    config = TokenizerConfig(vocab_size=40, normalization="nfc", type="char", byte_fallback=False)
    return train_subword(["a b c d"], config)


def charsmap_of(model_bytes):
    return dict(read_fields(dict(read_fields(model_bytes))[NORMALIZER]))[CHARSMAP]


def test_compiled_rules_are_read_back(model_bytes):
    assert read_rules(charsmap_of(model_bytes)) == nfc_rules()
    assert read_rules(b"") == {}


@pytest.mark.parametrize("change", [lambda map_: map_[:7], lambda map_: map_[: len(map_) // 2]])
def test_damaged_rules(model_bytes, change):
    with pytest.raises(MtkitError, match="rules of the SentencePiece model are damaged"):
        read_rules(change(charsmap_of(model_bytes)))


def test_a_trie_with_a_loop_is_refused():
    # The second node is its own child, for the character 1.
    units = (0, 1 << 10 | 1)
    charsmap = b"".join(number.to_bytes(4, "little") for number in (8, *units))
    with pytest.raises(MtkitError, match="damaged"):
        read_rules(charsmap)


def test_replacements_come_before_the_model_s_rules(model_bytes):
    changed = with_replacements(model_bytes, {"“": '"', "x": "", "…": "e", "é": "q"}, "new")
    plain, subword = Subword(model_bytes), Subword(changed)
    assert read_settings(changed).normalization == "new"
    for text, replaced in {
        "“a\u00a0 b“": '"a\u00a0 b"',
        "axb  c": "ab  c",
        "…\u0301 …": "e\u0301 e",  # composed with the text of a replacement
        "e\u0301é": "e\u0301q",
        "x": "",
    }.items():
        assert subword.normalize(text) == plain.normalize(replaced)
    assert subword.vocab_size == plain.vocab_size


SEQUENCES = [char + mark for char in "abcd" for mark in ("", "´")]


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from("ab"), st.text("cd", min_size=1, max_size=2)),
    st.dictionaries(st.sampled_from(SEQUENCES), st.text("abcd´", max_size=2)),
    st.text("abcd´", max_size=8),
)
def test_composed_rules_have_the_effect_of_both(replacements, rules, text):
    """Sequences continue with a combining character, which no replacement writes."""
    replaced = "".join(replacements.get(char, char) for char in text)
    assert longest_match(compose(replacements, rules), text) == longest_match(rules, replaced)


def longest_match(rules, text):
    """Replace the longest match at each position, as SentencePiece does."""
    if not text:
        return ""
    for length in range(len(text), 0, -1):
        if text[:length] in rules:
            return rules[text[:length]] + longest_match(rules, text[length:])
    return text[0] + longest_match(rules, text[1:])
