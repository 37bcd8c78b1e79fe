from random import Random

import pytest

from mtkit.demo.corpus import WORKED_EXAMPLE
from tools.demo_corpus.draw import draw_corpus, held_out_pairs
from tools.demo_corpus.grammar import all_pairs, draw_sentence
from tools.demo_corpus.hangul import final
from tools.demo_corpus.lexicon import PLACES, SUBJECTS, TIMES
from tools.demo_corpus.nouns import NOUNS
from tools.demo_corpus.phrases import Sentence
from tools.demo_corpus.predicates import ADJECTIVES, GIVING, INTRANSITIVE, MOTION, TRANSITIVE


def without_mark(korean: str) -> str:
    return korean.rstrip(".?")


@pytest.fixture(scope="module")
def corpus():
    return draw_corpus(n_train=3000, n_validation=200, n_test=400)


@pytest.fixture(scope="module")
def sentences():
    rng = Random(7)
    return [draw_sentence(rng) for _ in range(6000)]


def test_parts_have_the_requested_sizes(corpus):
    assert [len(part) for part in corpus] == [3000, 200, 400]


def test_equal_seeds_give_equal_corpora_and_others_do_not(corpus):
    assert draw_corpus(n_train=3000, n_validation=200, n_test=400) == corpus
    assert draw_corpus(2, n_train=100, n_validation=10, n_test=10).train != corpus.train[:100]


def test_sentences_do_not_change():
    """They are drawn alike by every Python and on every machine; a change of the grammar changes
    these.
    """
    first = draw_corpus(n_train=3, n_validation=1, n_test=1)
    assert [pair.src for pair in first.train] == [
        "대학생이 동현과 함께 선물 열 개를 준비할 수 없다",
        "내가 세 시에 민수에게 전화할 것이다",
        "그들은 우산이 있니",
    ]


def test_no_sentence_is_in_two_places(corpus):
    korean = [without_mark(pair.src) for part in corpus for pair in part]
    assert len(set(korean)) == len(korean)


def test_validation_and_test_hold_combinations_that_training_lacks(monkeypatch):
    held_out, pairs_of = held_out_pairs(1), {}

    def remembering(rng: Random) -> Sentence:
        sentence = draw_sentence(rng)
        pairs_of[sentence.src] = sentence.pairs
        return sentence

    monkeypatch.setattr("tools.demo_corpus.draw.draw_sentence", remembering)
    train, validation, test = draw_corpus(n_train=1000, n_validation=100, n_test=100)
    assert not any(pairs_of[without_mark(pair.src)] & held_out for pair in train)
    assert all(pairs_of[without_mark(pair.src)] & held_out for pair in validation + test)


def test_each_word_keeps_partners_that_training_may_show():
    held_out = held_out_pairs(1)
    left = [pair for pair in all_pairs() if pair not in held_out]
    for column in (0, 1):
        assert {pair[column] for pair in left} == {pair[column] for pair in all_pairs()}
    assert 0.05 < len(held_out) / len(all_pairs()) < 0.07


def test_the_worked_example_is_kept_out(corpus):
    assert all(without_mark(pair.src) != WORKED_EXAMPLE.src for part in corpus for pair in part)
    for pair in corpus.train:
        words = without_mark(pair.src).split()
        assert not (
            {"나는", "내가"} & set(words)
            and {"학교에", "학교로", "학교에서", "학교를"} & set(words)
        ), pair


def test_no_korean_sentence_has_two_english_ones(sentences):
    english: dict[str, str] = {}
    for sentence in sentences:
        assert english.setdefault(sentence.src, sentence.tgt) == sentence.tgt


def test_sentences_are_of_moderate_length_and_end_as_they_should(sentences):
    for sentence in sentences:
        assert 2 <= len(sentence.src.split()) <= 9
        is_question = sentence.src.endswith("니")
        assert sentence.src.endswith("다") or is_question
        assert sentence.tgt.endswith("?" if is_question else ".")
        assert sentence.tgt[0].isupper() and "  " not in sentence.tgt + sentence.src


def test_half_of_the_korean_sides_go_without_their_mark(corpus):
    n_marked = sum(pair.src.endswith((".", "?")) for pair in corpus.train)
    assert 0.45 < n_marked / len(corpus.train) < 0.55


@pytest.mark.parametrize(
    ("word", "english"),
    [
        ("어제", "yesterday"),
        ("내일", "tomorrow"),
        ("항상", "always"),
        ("지금", "now"),
        ("여자는", "woman"),
        ("도서관에서", "library"),
        ("자주", "often"),
    ],
)
def test_words_are_translated(sentences, word, english):
    found = [sentence for sentence in sentences if word in sentence.src.split()]
    assert found
    assert all(english in sentence.tgt for sentence in found)


def test_yesterday_goes_with_the_past_and_tomorrow_with_the_future(sentences):
    for sentence in sentences:
        if "어제" in sentence.src.split():
            assert any(final(char) == "ㅆ" for char in sentence.src.replace(" ", "")), sentence
            assert "will" not in sentence.tgt.lower().split()
        if "내일" in sentence.src.split():
            assert any(
                word in sentence.tgt.lower().split()
                for word in ("will", "can", "cannot", "must", "want", "wants")
            ), sentence


def test_vocabulary_has_several_hundred_words():
    words = {
        word.ko
        for words in (
            SUBJECTS,
            PLACES,
            TIMES,
            NOUNS,
            ADJECTIVES,
            TRANSITIVE,
            GIVING,
            INTRANSITIVE,
            MOTION,
        )
        for word in words
    }
    assert len(words) > 400
