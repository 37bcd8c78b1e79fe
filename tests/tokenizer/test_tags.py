"""Tags stand before a text as ids of their own, however the line was typed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.config.tokenizer import TokenizerConfig
from mtkit.errors import MtkitError
from mtkit.tokenizer.subword import Subword
from mtkit.tokenizer.tags import split_tags
from mtkit.tokenizer.train import train_subword
from tests.strategies import nasty_text

TAGS = ("<2ko>", "<2en>", "<bt>", "<bt", "@한국어@")


@pytest.fixture(scope="module")
def subword(ko_en_pairs):
    config = TokenizerConfig(vocab_size=620, character_coverage=0.98, user_symbols=TAGS)
    return Subword(train_subword((text for pair in ko_en_pairs for text in pair), config))


@pytest.mark.parametrize(
    ("line", "tags", "rest"),
    [
        ("<2ko> Hello", ["<2ko>"], " Hello"),
        ("<2ko>Hello", ["<2ko>"], "Hello"),
        (" \t<2ko>  <bt>Hello <2en>", ["<2ko>", "<bt>"], "Hello <2en>"),
        ("<bt <bt>", ["<bt", "<bt>"], ""),
        ("@한국어@나는", ["@한국어@"], "나는"),
        ("<2ja> Hello", [], "<2ja> Hello"),
        ("Hello <2ko>", [], "Hello <2ko>"),
        ("<2KO> Hello", [], "<2KO> Hello"),
        ("  ", [], "  "),
        ("", [], ""),
    ],
)
def test_tags_are_stripped_from_the_start_only(line, tags, rest):
    assert split_tags(line, TAGS) == (tags, rest)


def test_nothing_is_stripped_for_a_model_without_tags():
    assert split_tags("<2ko> Hello", ()) == ([], "<2ko> Hello")


@settings(max_examples=200, deadline=None)
@given(
    tags=st.lists(st.sampled_from([tag for tag in TAGS if tag != "<bt"]), max_size=3),
    text=nasty_text,
    space=st.sampled_from(["", " ", "\t "]),
)
def test_a_tag_that_is_typed_has_the_ids_of_one_that_is_given(subword, tags, text, space):
    typed, rest = split_tags(f"{space}{space.join([*tags, ''])}{text}", TAGS)
    own, text = split_tags(text, TAGS)
    assert typed == [*tags, *own]
    assert subword.encode([rest]) == subword.encode([text])


def test_tag_adds_no_space(subword):
    [plain, inside] = subword.encode_as_tokens(["Hello", "<2ko> Hello"])
    assert inside == ["▁", "<2ko>", *plain]
    assert (
        subword.tag_ids(["<2ko>"]) + subword.encode(["Hello"])[0]
        == subword.encode(["<2ko> Hello"])[0][1:]
    )


def test_tags_are_tokens_that_are_never_split(subword):
    assert subword.user_symbols == TAGS
    ids = subword.tag_ids(["<bt>", "@한국어@", "<bt>"])
    assert ids[0] == ids[2] != ids[1]
    assert subword.decode([[piece_id] for piece_id in ids]) == ["<bt>", "@한국어@", "<bt>"]
    assert subword.tag_ids([]) == []


@pytest.mark.parametrize("kind", ["bpe", "unigram", "char"])
@pytest.mark.parametrize("byte_fallback", [True, False])
def test_symbols_of_every_kind_of_model(ko_en_pairs, kind, byte_fallback):
    for symbols in (), (".", "나는", "<2ko>"):
        config = TokenizerConfig(
            type=kind, vocab_size=620, byte_fallback=byte_fallback, user_symbols=symbols
        )
        assert (
            Subword(
                train_subword((text for pair in ko_en_pairs for text in pair), config)
            ).user_symbols
            == symbols
        )


@pytest.mark.parametrize("tag", ["<2ja>", "▁", "I", "<s>", "<unk>", "<0x41>", ""])
def test_unknown_tag_lists_the_tags(subword, tag):
    with pytest.raises(MtkitError, match="unknown tag") as caught:
        subword.tag_ids(["<2ko>", tag])
    assert "<2ko>, <2en>, <bt>, <bt, @한국어@" in caught.value.message
    assert caught.value.hint


def test_tokenizer_without_tags_is_reported(tiny_tokenizer):
    with pytest.raises(MtkitError, match="tags: none"):
        tiny_tokenizer.src.tag_ids(["<2ko>"])
