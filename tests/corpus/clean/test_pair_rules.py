import unicodedata

import pytest
from hypothesis import given

from mtkit.config.clean import CleanConfig
from mtkit.corpus.clean.match_keys import normalize_for_matching
from mtkit.corpus.clean.pair_rules import (
    LetterRules,
    display_width,
    exceeds_width_ratio,
    is_copy,
    is_garbled,
)
from tests.strategies import nasty_text


def as_windows_1252(text):
    return text.encode().decode("cp1252", errors="replace").replace("\ufffd", "\x81")


@pytest.mark.parametrize(
    "text",
    [
        "schöne Grüße",
        "El Niño",
        "déjà vu",
        "Привет, мир",
        "안녕하세요",
        "これは本です",
        "I don’t know",
        "well – yes…",
        "gut 😀",
    ],
)
def test_utf_8_that_was_read_as_windows_1252_is_garbled(text):
    assert is_garbled(as_windows_1252(text))
    assert not is_garbled(text)


@pytest.mark.parametrize(
    "text",
    [
        "»Spaß«, sagte er.",
        "« Où ? » — « À Âgé… »",
        "PÂTÉ, MANHÃ, ÑANDÚ, ŠÍŠA",
        "Ðað er gott.",
        "25 °C ± 1 µm, 3 × 4",
    ],
)
def test_unusual_but_valid_text_is_not_garbled(text):
    assert not is_garbled(text)


def test_a_lost_character_is_garbled():
    assert is_garbled("sch\ufffdn")


def test_width_counts_columns_of_a_screen():
    # The letters of the languages that are written in wide ones; signs are of no account here.
    for code in [
        *range(0x20, 0x3000),
        *range(0x3041, 0x3097),
        *range(0x4E00, 0xA000, 7),
        *range(0xAC00, 0xD7A4, 7),
        *range(0x20000, 0x2A6D0, 99),
    ]:
        if unicodedata.category(chr(code)).startswith("L"):
            assert display_width(chr(code)) == 1 + (
                unicodedata.east_asian_width(chr(code)) in "WF"
            ), hex(code)


@pytest.mark.parametrize(
    ("src", "tgt", "differ"),
    [
        ("Halt!", "Please stop doing that!", False),  # (23 + 10) / (5 + 10) is 2.2
        ("나", "That is what I have always said to him.", True),
        (
            "신속한 갈색 여우가 게으른 개를 뛰어넘는다.",
            "The quick brown fox jumps over the lazy dog.",
            False,
        ),
        ("x" * 20, "x" * 80, False),  # just 3 times
        ("x" * 20, "x" * 81, True),
        ("가" * 10, "x" * 80, False),  # as wide as 20
        ("가" * 10, "x" * 81, True),
        ("가" * 41, "x" * 20, True),
    ],
)
def test_widths_that_differ(src, tgt, differ):
    assert exceeds_width_ratio(src, tgt, 3.0) == differ
    assert exceeds_width_ratio(tgt, src, 3.0) == differ


@given(src=nasty_text, tgt=nasty_text)
def test_fast_width_comparison_equals_measuring(src, tgt):
    widths = display_width(src) + 10, display_width(tgt) + 10
    assert exceeds_width_ratio(src, tgt, 1.5) == (max(widths) > 1.5 * min(widths))


@pytest.mark.parametrize(
    ("src", "tgt", "min_letters", "is_one"),
    [
        ("Ein Mann fährt Fahrrad.", "Ein Mann fährt Fahrrad.", 20, False),  # 19 letters
        ("Ein Mann fährt Fahrräder.", "ein mann fährt FAHRRÄDER", 20, True),
        ("„Ein Mann fährt Fahrräder“", "Ein Mann fa\u0308hrt Fahrra\u0308der", 20, True),
        ("Ein Mann fährt Fahrräder.", "Ein Mann fährt kein Fahrrad.", 20, False),
        ("Nelson Mandela", "Nelson Mandela", 20, False),
        ("Nelson Mandela", "Nelson Mandela", 1, True),
        ("1984", "1984", 1, False),
    ],
)
def test_copies(src, tgt, min_letters, is_one):
    assert is_copy(src, tgt, min_letters) == is_one
    assert is_copy(tgt, src, min_letters) == is_one


@pytest.mark.parametrize(
    ("lang", "text", "problem"),
    [
        ("de", "Es war einmal ein König.", None),
        ("de", "Жил-был король. Ja.", "script"),
        ("de", "Das Wort Привет kenne ich.", None),
        ("de", "Привет", "script"),
        ("de", "1.", "letters"),
        ("de", "@@", "letters"),
        ("de", "======== a ========", "letters"),
        ("de", "It's 9:15.", None),
        ("de", "CO₂", None),
        ("ko", "옛날에 임금님이 살았습니다.", None),
        ("ko", "``asyncio.StreamReader`` 객체를 돌려줍니다", None),
        ("ko", "Once upon a time there was a king.", "script"),
        ("ko", "NATO", None),
        ("ko", "むかしむかし", "script"),
        ("ja", "むかしむかし", None),
        ("ja", "東京都", None),
        ("zh-Hant", "東京都", None),
        ("zh", "Once upon a time there was a king.", "script"),
        ("ru", "Жил-был король.", None),
        ("sr-Latn", "Živeo jednom jedan kralj.", None),
        ("sr-Cyrl", "Živeo jednom jedan kralj.", "script"),
        ("hi", "एक राजा था।", None),
        ("hi", "Once upon a time there was a king.", "script"),
        ("el", "Μια φορά κι έναν καιρό", None),
        ("ar", "كان يا ما كان", None),
        ("th", "กาลครั้งหนึ่งนานมาแล้ว", None),
        ("xx", "Жил-был король.", None),
        ("xx", "12345 + 67890", "letters"),
    ],
)
def test_letters_and_scripts(lang, text, problem):
    assert LetterRules(CleanConfig(), lang).violated_rule(text) == problem


def test_rules_on_letters_can_be_switched_off():
    assert LetterRules(CleanConfig(min_letters=0), "de").violated_rule("12345") is None
    assert LetterRules(CleanConfig(min_script=0), "de").violated_rule("Привет") is None
    assert LetterRules(CleanConfig(min_script=1), "de").violated_rule("Das Wort Привет") == "script"


@pytest.mark.parametrize("lang", ["ar", "de", "el", "he", "hy", "ko", "ru", "zh"])
def test_the_quick_count_of_letters_is_not_too_high(lang):
    rules = LetterRules(CleanConfig(), lang)
    for code in range(0x80, 0x10000):
        char = chr(code)
        surely_own = (
            0
            if 0xD800 <= code <= 0xDFFF
            else len(char.encode().translate(None, rules._other_bytes))
        )
        if surely_own and unicodedata.category(char)[0] not in "MC":
            # Some punctuation and digits share their first byte with Arabic, Greek, Hebrew and
            # Armenian letters.
            assert surely_own == 1 and (
                unicodedata.category(char)[0] == "L" or lang in ("ar", "el", "he", "hy")
            ), hex(code)


@given(text=nasty_text)
def test_rules_accept_any_text(text):
    if text and not any("\ud800" <= char <= "\udfff" for char in text):
        assert LetterRules(CleanConfig(), "ko").violated_rule(text) in (None, "letters", "script")
    assert is_garbled(text) or "\ufffd" not in text
    assert is_copy(text, text, 1) == any(map(str.isalpha, normalize_for_matching(text)))
