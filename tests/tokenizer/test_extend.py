"""A vocabulary that learned English learns Korean too, and stays what it was for English."""

import io
import unicodedata
from collections import Counter
from itertools import accumulate, pairwise

import pytest
import sentencepiece

from mtkit.config.tokenizer import TokenizerConfig
from mtkit.errors import MtkitError
from mtkit.tokenizer.cross_vocab import encode_tokens
from mtkit.tokenizer.extend import extend_subword
from mtkit.tokenizer.learn_merges import learn_merges
from mtkit.tokenizer.model_proto import NewEntry, add_entries
from mtkit.tokenizer.subword import Subword
from mtkit.tokenizer.train import train_subword

KINDS = ["bpe", "unigram", "char"]


@pytest.fixture(scope="module")
def english(ko_en_pairs):
    return [pair.tgt for pair in ko_en_pairs]


@pytest.fixture(scope="module")
def korean(ko_en_pairs):
    return [pair.src for pair in ko_en_pairs]


@pytest.fixture(scope="module")
def old_of(english):
    known = {}

    def make(kind, byte_fallback=True):
        config = TokenizerConfig(
            type=kind, vocab_size=450 if byte_fallback else 194, byte_fallback=byte_fallback
        )
        return known.setdefault((kind, byte_fallback), Subword(train_subword(english, config)))

    return make


def missing_characters(old, texts):
    return {char for text in texts for char in old.normalize(text) if char != " "} - {
        piece.text for piece in old.entries()
    }


def extended(old, texts, max_new, **changes):
    settings = {"init_from": "old", "extend": max_new, "max_sentences": 10_000}
    config = TokenizerConfig.model_validate(settings | changes)
    return Subword(extend_subword(old, texts, config))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("byte_fallback", [True, False])
def test_old_tokens_keep_their_ids_and_new_ones_follow(old_of, korean, kind, byte_fallback):
    old = old_of(kind, byte_fallback)
    new = extended(old, korean, 500, user_symbols=("<2ko>", "<bt>"))
    assert new.entries()[: old.vocab_size] == old.entries()
    assert new.special == old.special
    assert [piece[::2] for piece in new.entries()[old.vocab_size :][:2]] == [
        ("<2ko>", "symbol"),
        ("<bt>", "symbol"),
    ]
    assert {piece.kind for piece in new.entries()[old.vocab_size + 2 :]} == {"text"}
    n_new = new.vocab_size - old.vocab_size - 2
    n_chars = len(missing_characters(old, korean))
    # So small a corpus gives a unigram model few pieces of more than one character.
    assert (
        n_new == 500
        if kind == "bpe"
        else n_new == n_chars
        if kind == "char"
        else n_chars + 40 < n_new <= 500
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("byte_fallback", [True, False])
def test_new_characters_are_neither_bytes_nor_unknown(old_of, korean, kind, byte_fallback):
    old = old_of(kind, byte_fallback)
    new = extended(old, korean, 700)
    assert new.decode(new.encode(korean)) == [new.normalize(text) for text in korean]
    special = {i for i, piece in enumerate(new.entries()) if piece.kind in ("byte", "special")}
    assert not special & {i for row in new.encode(korean) for i in row}
    if kind == "bpe":
        per_character = extended(old_of("char", byte_fallback), korean, 700)
        assert sum(map(len, new.encode(korean))) < 0.75 * sum(
            map(len, per_character.encode(korean))
        )


@pytest.mark.parametrize("kind", KINDS)
def test_every_second_call_gives_the_same_bytes(old_of, korean, kind):
    old = old_of(kind)
    assert (
        extended(old, korean, 300).model_bytes
        == extended(Subword(old.model_bytes), iter(korean), 300).model_bytes
    )


def byte_boundaries(subword, texts):
    """Where the pieces of each text end, in bytes of it."""
    lengths = [
        1 if piece.kind == "byte" else len(piece.text.encode()) for piece in subword.entries()
    ]
    return [set(accumulate(lengths[i] for i in row)) for row in subword.encode(texts)]


def test_bpe_only_merges_adjacent_subwords(old_of, korean, english):
    old = old_of("bpe")
    new = extended(old, [*korean, "zebra crossing zebra crossing"], 650)
    texts = [*korean, *english, "A zebra at a crossing."]
    for after, before in zip(byte_boundaries(new, texts), byte_boundaries(old, texts), strict=True):
        assert after <= before


def test_bpe_leaves_text_without_new_subwords_unchanged(old_of, korean, english):
    old = old_of("bpe")
    new = extended(old, korean, 650)
    before, after = old.encode(english), new.encode(english)
    untouched = [max(row) < old.vocab_size for row in after]
    assert [row for row, is_same in zip(after, untouched, strict=True) if is_same] == [
        row for row, ok in zip(before, untouched, strict=True) if ok
    ]
    assert sum(untouched) > 0.95 * len(english)


def test_merges_equal_those_of_recounting_after_each(old_of, korean):
    # SentencePiece splits the words anew with the pieces so far; of equal counts the first by its
    # letters.
    old = old_of("bpe")
    words = Counter(
        word
        for text in korean
        for word in text.split()
        if all("가" <= char <= "힣" for char in word)
    )
    chars = sorted({char for word in words for char in word})
    lowest = min(piece.score for piece in old.entries())
    model_bytes = add_entries(old.model_bytes, [NewEntry(char, lowest) for char in chars])
    expected = []
    for _ in range(40):
        rows = Subword(model_bytes).encode_as_tokens(list(words))
        counts = Counter()
        for row, count in zip(rows, words.values(), strict=True):
            for a, b in pairwise(row):
                counts[a + b] += count
        expected.append(min(counts, key=lambda piece: (-counts[piece], piece)))
        model_bytes = add_entries(model_bytes, [NewEntry(expected[-1], lowest - len(expected))])
    scores = {
        piece.text: piece.score for piece in old.entries() if piece.kind == "text"
    } | dict.fromkeys(chars, lowest)
    assert (
        learn_merges({("▁", *word): count for word, count in words.items()}, scores, 40) == expected
    )


def test_new_merge_enables_an_old_one():
    # "bc" comes most often; "abc" was known, but had no merge that led to it.
    scores = {"a": 0.0, "b": 0.0, "c": 0.0, "d": 0.0, "abc": -1.0}
    assert learn_merges({("a", "b", "c", "d"): 5, ("d", "b", "c"): 3}, scores, 3) == [
        "bc",
        "abcd",
        "dbc",
    ]


def test_pairs_that_occur_once_are_not_merged(old_of):
    assert learn_merges({("a", "b"): 1, ("c", "d"): 2}, dict.fromkeys("abcd", 0.0), 9) == ["cd"]


def test_a_merge_is_of_letters_of_one_script_or_of_digits_or_of_signs(old_of):
    text = "Python3은 2019년 3월에 (처음) 나온... カタカナと漢字 C++ x=y привет2"
    new = extended(old_of("bpe"), [text] * 5, 400, character_coverage=1.0)

    def kinds(piece):
        letters = [char for char in piece if unicodedata.category(char)[0] in "LM"]
        scripts = {unicodedata.name(char).split()[0] for char in letters}
        scripts = {
            "JAPANESE" if script in ("CJK", "HIRAGANA", "KATAKANA") else script
            for script in scripts
        }
        others = {
            "digits" if unicodedata.category(char)[0] == "N" else "signs"
            for char in piece
            if char not in letters
        }
        return scripts | others

    learned = [piece.text.removeprefix("▁") for piece in new.entries()[old_of("bpe").vocab_size :]]
    assert {"2019", "привет", "カタカナと漢字", "..."} <= set(learned)
    assert all(len(kinds(piece)) <= 1 for piece in learned)


def test_most_frequent_characters_come_first(old_of, korean):
    counts = Counter(char for text in korean for char in text if "가" <= char <= "힣")
    for kind in KINDS:
        new = extended(old_of(kind), korean, 20)
        learned = [piece.text for piece in new.entries()[old_of(kind).vocab_size :]]
        assert [counts[char] for char in learned] == sorted(counts.values(), reverse=True)[:20]


def test_coverage_sets_the_number_of_new_characters(old_of):
    texts = ["가가가가가가가가가가 나나나나나나나나나나 " * 5 + "다"]
    for coverage, expected in (1.0, "가나다"), (0.99, "가나"):
        new = extended(old_of("char"), texts, 50, character_coverage=coverage)
        assert (
            "".join(piece.text for piece in new.entries()[old_of("char").vocab_size :]) == expected
        )


def test_unigram_adds_subwords_that_shorten_the_corpus(old_of, korean):
    old = old_of("unigram")
    n_chars = len(missing_characters(old, korean))
    lengths = [
        sum(map(len, extended(old, korean, n).encode(korean)))
        for n in (0, n_chars, n_chars + 10, n_chars + 40)
    ]
    assert lengths == sorted(lengths, reverse=True) and len(set(lengths)) == 4


def test_symbols_alone_do_not_ask_for_text(old_of):
    def never():
        raise AssertionError("read")
        yield

    old = old_of("bpe")
    assert extended(old, never(), 0).model_bytes == old.model_bytes
    new = extended(old, never(), 0, user_symbols=("<2ko>",))
    assert new.tag_ids(["<2ko>"]) == [old.vocab_size]
    again = extended(new, never(), 0, user_symbols=("<2ko>",))
    assert again.model_bytes == new.model_bytes


def test_text_is_learned_around_new_symbols(old_of):
    new = extended(old_of("bpe"), ["<2ko>가나 가<2ko>나 " * 9], 30, user_symbols=("<2ko>",))
    assert new.encode_as_tokens(["가<2ko>나"]) == [["▁가", "<2ko>", "나"]]
    assert not any("<" in piece.text for piece in new.entries()[451:])


def test_a_tokenizer_of_whole_words_cannot_be_extended(english):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(english),
        model_writer=model,
        model_type="word",
        vocab_size=200,
        pad_id=3,
        minloglevel=3,
    )
    with pytest.raises(MtkitError, match="of type word cannot be extended"):
        extended(Subword(model.getvalue()), english, 5)


@pytest.mark.parametrize("kind", KINDS)
def test_subword_is_split_as_within_a_text(old_of, kind):
    old = old_of(kind)
    texts = ["▁the", "ing", "▁zebra", "zebra", "▁", "나", "▁나"]
    for text, ids in zip(texts, encode_tokens(old, texts), strict=True):
        pieces = [old.entries()[i] for i in ids]
        assert (
            b"".join(
                bytes([int(p.text[3:5], 16)]) if p.kind == "byte" else p.text.encode()
                for p in pieces
            ).decode()
            == text
            or text == "▁"
        )
    own = [
        piece.text
        for piece in old.entries()
        if piece.kind == "text" and len(piece.text) == 1 and piece.text != "▁"
    ]
    assert encode_tokens(old, own) == [old.lookup_ids([text]) for text in own]
