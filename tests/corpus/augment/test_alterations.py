"""Each alteration on true pairs and on nasty text; placeholders survive all of them."""

import unicodedata
from collections import Counter
from random import Random
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.config.augment import Alteration, AugmentConfig
from mtkit.corpus.augment.alterations import alter_pair, draw_alterations
from mtkit.corpus.augment.typos import LETTERS_PER_TYPO, add_typos
from mtkit.corpus.placeholders import PLACEHOLDER, has_letters, letter_positions
from tests.strategies import nasty_text

NAMES = get_args(Alteration)
PLACEHOLDERS = (
    *"{name} {0} {} {n:>8} ${x} %s %d %.2f %(count)d %1$s %@ <b> </b> <2ko> &amp; &#39; 12 3.14 1,000 12:30 2024-02-29".split(),
    *("<a href='x.de'>", "https://a.de/b?c=d&e=f", "www.a.de", "a.b-c+d@e-f.example.org"),
)
LETTER = st.characters(categories=("Lu", "Ll", "Lo"))


def altered(name, pair, langs=("en", "en"), seed=1):
    src, tgt = pair
    new_src, (new_tgt,) = alter_pair(name, src, [tgt], Random(seed), langs)
    return new_src, new_tgt


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=200, deadline=None)
@given(src=nasty_text, tgt=nasty_text, seed=st.integers(0, 9))
def test_alterations_add_no_line_break_and_empty_no_side(name, src, tgt, seed):
    for before, after in zip(
        (src, tgt), altered(name, (src, tgt), ("ko", "de"), seed), strict=True
    ):
        assert len(after.splitlines()) <= max(1, len(before.splitlines()))
        assert after == before or after.strip()


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"noise"}))
@settings(max_examples=150, deadline=None)
@given(
    words=st.lists(
        st.one_of(st.sampled_from(PLACEHOLDERS), st.text(LETTER, min_size=1, max_size=6)),
        min_size=1,
    ),
    seed=st.integers(0, 9),
)
def test_placeholders_survive(name, words, seed):
    kept = Counter(word for word in words if word in PLACEHOLDERS)
    for side in altered(name, (" ".join(words) + ".", " ".join(words) + "!"), seed=seed):
        for placeholder, count in kept.items():
            assert side.count(placeholder) >= count


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_a_placeholder_is_found_whole_and_the_rest_of_the_sentence_is_not(placeholder):
    found = PLACEHOLDER.split(f"Siehe {placeholder}. Danke, 5 % der Leute")
    assert found == ["Siehe ", placeholder, ". Danke, ", "5", " % der Leute"]


def test_text_next_to_a_placeholder_is_text():
    assert PLACEHOLDER.split("5%ige a < b") == ["", "5", "%ige a < b"]
    assert [("a1b{c}d e"[i]) for i in letter_positions("a1b{c}d e")] == list("abde")


@given(
    parts=st.lists(
        st.sampled_from(
            [*PLACEHOLDERS, "a", "Haus", "나", " ", " ", ".", "{", "<", "x y>", "1", "5%"]
        ),
        max_size=6,
    )
)
def test_a_text_has_letters_where_it_has_positions_of_letters(parts):
    text = "".join(parts)
    assert has_letters(text) == bool(letter_positions(text))


@pytest.mark.parametrize(
    "bad", ["a", "{", ".", " ", "%", "<a", "http://", "a@", "1.", "&a", "a.b@", "www.", "ab ", "? "]
)
def test_a_long_line_takes_no_longer_than_its_length(bad):
    # A second for the whole of them: patterns that go back and forth would take minutes.
    line = (bad * 20_000)[:20_000] + "x"
    for name in NAMES:
        altered(name, (line, line))


@pytest.mark.parametrize(
    ("name", "langs", "before", "after"),
    [
        (
            "upper_case",
            ("de", "en"),
            ("Er sah {n} Mal nach %s.", "He looked {n} times."),
            ("ER SAH {n} MAL NACH %s.", "HE LOOKED {n} TIMES."),
        ),
        (
            "upper_case",
            ("de", "ko"),
            ("Straße <b>frei</b>", "도로 개통 OK"),
            ("STRASSE <b>FREI</b>", "도로 개통 OK"),
        ),
        ("upper_case", ("tr", "en"), ("ilk ışık", "first light"), ("İLK IŞIK", "FIRST LIGHT")),
        (
            "title_case",
            ("de", "en"),
            ("er sagt: „ja, ich will nicht“", "he said, “yes, I don't”"),
            ("Er Sagt: „Ja, Ich Will Nicht“", "He Said, “Yes, I Don't”"),
        ),
        (
            "title_case",
            ("en", "en"),
            ("the 3rd {n}th NATO o'clock café", "x y"),
            ("The 3rd {n}th NATO O'clock Café", "X Y"),
        ),
        (
            "drop_end_punctuation",
            ("de", "en"),
            ("Wirklich?", 'He said "really?!"'),
            ("Wirklich", 'He said "really"'),
        ),
        ("drop_end_punctuation", ("fr", "ja"), ("Quoi ? !", "「何。」"), ("Quoi", "「何」")),
        (
            "drop_end_punctuation",
            ("zh", "en"),
            ("你好！", "Tom &amp; Co."),
            ("你好", "Tom &amp; Co"),
        ),
        ("drop_end_punctuation", ("en", "en"), ("Wait…", "Wait."), ("Wait", "Wait")),
    ],
)
def test_an_alteration(name, langs, before, after):
    assert altered(name, before, langs) == after


@pytest.mark.parametrize(
    ("name", "langs", "pair"),
    [
        ("upper_case", ("ko", "en"), ("저는 Tom 선생님을 만났습니다.", "I met teacher Tom.")),
        ("title_case", ("ja", "en"), ("私は学生です。", "I am a student.")),
        ("upper_case", ("en", "de"), ("NATO, UN!", "Nato, Vereinte Nationen!")),
        ("drop_end_punctuation", ("en", "de"), ("Monday 1 May", "Montag, 1. Mai.")),
        ("drop_end_punctuation", ("en", "de"), ("A &amp;", "Und.")),
        ("drop_end_punctuation", ("en", "de"), ("...", "Na ja.")),
        ("drop_end_punctuation", ("en", "de"), ("Well?", "?")),
        ("typos", ("en", "de"), ("{0} 12", "{0} 12")),
    ],
)
def test_pair_is_unchanged_if_the_source_cannot_be_altered(name, langs, pair):
    assert altered(name, pair, langs) == pair


def test_all_translations_of_a_source_get_the_same_alteration():
    src, tgts = alter_pair(
        "upper_case", "Ein Haus.", ["A house.", "One house {n}."], Random(1), ("de", "en")
    )
    assert (src, tgts) == ("EIN HAUS.", ["A HOUSE.", "ONE HOUSE {n}."])
    src, tgts = alter_pair(
        "noise", "Ein Haus am See.", ["A house.", "One house."], Random(1), ("de", "en")
    )
    assert tgts == [src, src] != ["A house.", "One house."]


def test_noise_is_its_own_translation_and_varies(ko_en_pairs):
    lines = [altered("noise", pair, ("ko", "en"), seed) for seed, pair in enumerate(ko_en_pairs)]
    assert all(
        src == tgt and src.isprintable() and src == " ".join(src.split()) for src, tgt in lines
    )
    assert len({src for src, _ in lines}) > 0.95 * len(lines)


def n_edits(one, other):
    """Levenshtein's distance with swaps of neighbors (optimal string alignment), by its definition."""
    table = [
        [i + j if not i * j else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)
    ]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            table[i][j] = min(
                table[i - 1][j] + 1,
                table[i][j - 1] + 1,
                table[i - 1][j - 1] + (one[i - 1] != other[j - 1]),
            )
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


def test_typos_are_few_and_on_the_source_side_only(ko_en_pairs):
    for seed, (ko, en) in enumerate(ko_en_pairs[:80]):
        for text, lang in (ko, "ko"), (en, "en"):
            src, (tgt,) = alter_pair("typos", text, ["x."], Random(seed), (lang, "en"))
            n_letters = sum(char.isalpha() for char in text)
            # A final consonant written in the next syllable changes two of them.
            assert 1 <= n_edits(text, src) <= 2 * max(1, n_letters // LETTERS_PER_TYPO)
            assert tgt == "x."


def slips(word, lang, n=600):
    return {add_typos(word, lang, Random(seed)) for seed in range(n)} - {word}


def test_typos_of_a_latin_word():
    found = slips("an", "en")
    assert {"na", "a", "n", "aan", "ann"} <= found
    near = found - {"na", "a", "n", "aan", "ann"}
    # a lies beside q, w, s, z on an American keyboard, and n beside b, h, j, m.
    assert near == {"qn", "wn", "sn", "zn", "ab", "ah", "aj", "am"}
    assert "yu" in slips("zu", "en") or "xu" in slips("zu", "en")
    assert "tu" in slips("zu", "de") and "tu" not in slips("zu", "en")
    assert {"S", "Q"} <= slips("A", "en") and "s" not in slips("A", "en")


def test_typos_of_hangul_stay_hangul():
    found = slips("먹어", "ko")
    swapped, left_out, as_heard, doubled = {"어먹"}, {"머어", "먹"}, {"머거"}, {"먹ㄱ어", "먹어ㅓ"}
    assert swapped | left_out | as_heard | doubled <= found
    # On the Korean keyboard ㅁ lies beside ㅂ, ㅈ, ㄴ and ㅋ, ㅓ beside ㅏ among others, ㄱ beside ㅅ and ㄹ,
    # initial ㅇ beside ㄹ.
    mistaken = found - swapped - left_out - as_heard - doubled
    assert {"벅어", "적어", "넉어", "컥어", "막어", "멋어", "멀어", "먹아", "먹러"} <= mistaken
    jamo = {unicodedata.normalize("NFD", word) for word in mistaken}
    assert {(len(word), n_edits(word, unicodedata.normalize("NFD", "먹어"))) for word in jamo} == {
        (5, 1)
    }


def test_pair_is_altered_at_most_once_and_at_the_given_rate():
    config = AugmentConfig(upper_case=0.1, typos=0.2, noise=0.05)
    drawn = draw_alterations(config, 40_000, Random(3))
    for name, count in Counter(drawn.values()).items():
        assert abs(count / 40_000 - getattr(config, name)) < 0.008
    assert set(drawn.values()) == {"upper_case", "typos", "noise"}
    assert draw_alterations(AugmentConfig(merge=1.0), 100, Random(3)) == {}
    assert set(draw_alterations(AugmentConfig(title_case=1.0), 100, Random(3)).values()) == {
        "title_case"
    }
    assert len(draw_alterations(AugmentConfig(title_case=1.0), 100, Random(3))) == 100


def test_equal_random_state_gives_equal_lines(ko_en_pairs):
    for name in NAMES:
        once, again = (
            [altered(name, pair, ("ko", "en"), seed) for seed, pair in enumerate(ko_en_pairs)]
            for _ in range(2)
        )
        assert once == again
