"""Particles by final consonant; expected values are from Korean grammar, written by hand."""

import pytest

from tools.demo_corpus.hangul import (
    and_,
    final,
    object_,
    subject,
    topic,
    toward,
    vowel,
    with_final,
    with_vowel,
)


@pytest.mark.parametrize(
    ("noun", "as_topic", "as_subject", "as_object", "with_and", "as_goal"),
    [
        ("사과", "사과는", "사과가", "사과를", "사과와", "사과로"),
        ("책", "책은", "책이", "책을", "책과", "책으로"),
        ("연필", "연필은", "연필이", "연필을", "연필과", "연필로"),
        ("지하철", "지하철은", "지하철이", "지하철을", "지하철과", "지하철로"),
        ("서울", "서울은", "서울이", "서울을", "서울과", "서울로"),
        ("수진", "수진은", "수진이", "수진을", "수진과", "수진으로"),
        ("민수", "민수는", "민수가", "민수를", "민수와", "민수로"),
        ("꽃", "꽃은", "꽃이", "꽃을", "꽃과", "꽃으로"),
        ("닭", "닭은", "닭이", "닭을", "닭과", "닭으로"),
        ("부엌", "부엌은", "부엌이", "부엌을", "부엌과", "부엌으로"),
        ("나", "나는", "내가", "나를", "나와", "나로"),
        ("너", "너는", "네가", "너를", "너와", "너로"),
        (
            "민수와 나무",
            "민수와 나무는",
            "민수와 나무가",
            "민수와 나무를",
            "민수와 나무와",
            "민수와 나무로",
        ),
    ],
)
def test_particles_follow_the_final_consonant(
    noun, as_topic, as_subject, as_object, with_and, as_goal
):
    assert [topic(noun), subject(noun), object_(noun), and_(noun), toward(noun)] == [
        as_topic,
        as_subject,
        as_object,
        with_and,
        as_goal,
    ]


@pytest.mark.parametrize(
    ("syllable", "its_vowel", "its_final"),
    [
        ("가", "ㅏ", ""),
        ("힣", "ㅣ", "ㅎ"),
        ("값", "ㅏ", "ㅄ"),
        ("쉬", "ㅟ", ""),
        ("었", "ㅓ", "ㅆ"),
    ],
)
def test_a_syllable_is_taken_apart(syllable, its_vowel, its_final):
    assert (vowel(syllable), final(syllable)) == (its_vowel, its_final)


def test_a_syllable_is_put_together():
    assert with_final("학교가", "ㅆ") == "학교갔"
    assert with_final("만들", "") == "만드"
    assert with_vowel("오", "ㅘ") == "와"
    assert with_vowel("빨", "ㅐ") == "뺄"


def test_non_syllable_is_refused():
    with pytest.raises(ValueError, match="'a' is not a Hangul syllable"):
        final("a")
