"""Lines are split at sentence ends as the limits say, long sentences at the next best places, and
nothing is left out.
"""

import itertools
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.corpus.sentence_splitter import split_sentences
from mtkit.translation.long_lines import Limits, Span, halved, split_line
from mtkit.translation.source_encoder import LinePart, SourceLine
from tests.strategies import nasty_text

SENTENCES = {
    "ko": "나는 어제 학교에 갔다. 비가 왔지만, 친구를 만났다! 너는 어디에 있었니? 나는 집에서 책을 읽었다.",
    "ja": "私は昨日学校へ行った。雨が降ったが、友達に会った！あなたはどこにいましたか？私は家で本を読んだ。",
    "de": "Gestern ging ich zur Schule. Es regnete, aber ich traf einen Freund! Wo warst du? Ich las zu Hause; das Buch war gut.",
    "th": "เมื่อวานฉันไปโรงเรียน ฝนตก แต่ฉันได้พบเพื่อน",
}


def count_letters(texts):
    return [len(text) for text in texts]


def count_bytes(texts):
    return [len(text.encode("utf-8", "surrogatepass")) for text in texts]


def count_words(texts):
    """As SentencePiece does: spaces are no tokens of their own, so that parts add up to the whole."""
    return [len(without_spaces(text)) for text in texts]


def by(lang):
    return partial(split_sentences, lang=lang)


def parts_of(text, count, max_tokens, lang=""):
    """The parts of a line that is only split where it is too long."""
    return texts_of(text, split_line(text, count, Limits(max_tokens, max_sentences=None), by(lang)))


def texts_of(text, spans):
    return [text[span.begin : span.end] for span in spans]


def without_spaces(text):
    return "".join(text.split())


prose = st.lists(
    st.sampled_from(
        [
            *SENTENCES.values(),
            "ja.",
            "…",
            " ",
            "\t",
            "Donaudampfschifffahrtsgesellschaft",
            "一二三四五六七八九十",
        ]
    ),
    max_size=8,
)


@given(
    text=st.one_of(nasty_text, prose.map(" ".join), prose.map("".join)),
    max_tokens=st.integers(1, 80),
)
def test_the_parts_make_up_the_line_and_keep_the_limit(text, max_tokens):
    parts = parts_of(text, count_letters, max_tokens)
    assert without_spaces("".join(parts)) == without_spaces(text)
    assert all(len(part) <= max_tokens for part in parts)


@given(text=st.one_of(nasty_text, prose.map(" ".join)), max_tokens=st.integers(4, 80))
def test_characters_of_several_tokens(text, max_tokens):
    parts = parts_of(text, count_bytes, max_tokens)
    assert without_spaces("".join(parts)) == without_spaces(text)
    assert all(n_bytes <= max_tokens for n_bytes in count_bytes(parts))


def test_a_character_of_more_tokens_than_the_limit_stays_whole():
    assert parts_of("a😀b", count_bytes, 2) == ["a", "😀", "b"]


@given(text=st.one_of(nasty_text, prose.map(" ".join)))
def test_line_within_the_limit_is_unchanged(text):
    lines = [line.strip() for line in text.split("\n")]
    assert parts_of(text, count_letters, len(text)) == [line for line in lines if line]


@pytest.mark.parametrize("lang", SENTENCES)
@pytest.mark.parametrize("max_tokens", [5, 12, 30])
def test_the_real_tokenizer(tiny_tokenizer, lang, max_tokens):
    def count(texts):
        return [len(ids) for ids in tiny_tokenizer.src.encode(texts)]

    text = " ".join([SENTENCES[lang]] * 3)
    parts = parts_of(text, count, max_tokens)
    assert without_spaces("".join(parts)) == without_spaces(text)
    assert max(count(parts)) <= max_tokens
    assert len(parts) >= count([text])[0] / max_tokens


@pytest.mark.parametrize("lang", ["ko", "ja", "de"])
def test_split_points_between_sentences_come_first(lang):
    text = f"{SENTENCES[lang]} {SENTENCES[lang]}"
    parts = parts_of(text, count_words, 60 if lang == "de" else 30)
    assert 1 < len(parts) < 8
    assert all(part[-1] in ".!?。！？" for part in parts)


def test_order_of_split_points_clauses_words_characters():
    assert parts_of("eins zwei drei, vier fünf sechs", count_words, 15) == [
        "eins zwei drei,",
        "vier fünf sechs",
    ]
    assert parts_of("eins zwei drei vier", count_words, 9) == ["eins zwei", "drei vier"]
    assert parts_of("Donaudampfschiff", count_words, 8) == ["Donaudam", "pfschiff"]
    assert parts_of("Es regnet. Donaudampfschiff", count_words, 9) == [
        "Es regnet.",
        "Donaudam",
        "pfschiff",
    ]


def test_full_stop_within_a_number_or_name_is_not_an_end():
    assert parts_of("Es kostet 3.50 Euro bei example.org heute Abend", count_words, 30) == [
        "Es kostet 3.50 Euro bei example.org",
        "heute Abend",
    ]


def test_spaces_within_a_part_are_kept():
    assert parts_of("a  b. c\u3000d. e", count_words, 5) == ["a  b.", "c\u3000d. e"]


def test_a_very_long_line_of_one_word():
    parts = parts_of("가" * 100_000, count_letters, 100)
    assert "".join(parts) == "가" * 100_000


@pytest.mark.parametrize("lang", [lang for lang in SENTENCES if lang != "th"])
def test_each_sentence_is_one_part(lang):
    text = f"{SENTENCES[lang]} {SENTENCES[lang]}"
    spans = split_line(text, count_words, Limits(1000), by(lang))
    assert [span.n_sentences for span in spans] == [1] * 8
    assert without_spaces("".join(texts_of(text, spans))) == without_spaces(text)


def test_sentences_are_joined_as_in_training():
    text = "Eins. Zwei drei. Vier fünf. Sechs. Sieben."
    packed = texts_of(text, split_line(text, count_words, Limits(100, 2, 14), by("de")))
    assert packed == ["Eins. Zwei drei.", "Vier fünf.", "Sechs. Sieben."]
    assert texts_of(text, split_line(text, count_words, Limits(100, 9, 100), by("de"))) == [text]
    assert [
        span.n_sentences for span in split_line(text, count_words, Limits(100, 9, 100), by("de"))
    ] == [5]


def test_a_line_feed_ends_a_part():
    text = "Ein Haus\n\n  ein Hund. Gut.\r\n"
    assert texts_of(text, split_line(text, count_words, Limits(100, None), by("de"))) == [
        "Ein Haus",
        "ein Hund. Gut.",
    ]


def test_splitting_into_halves():
    text = "Eins. Zwei. Drei vier, fünf sechs"
    assert texts_of(text, halved(text, Span(0, 11, 2), count_words, by("de"))) == ["Eins.", "Zwei."]
    assert texts_of(text, halved(text, Span(12, len(text)), count_words, by("de"))) == [
        "Drei vier,",
        "fünf sechs",
    ]
    assert halved("물", Span(0, 1), count_words, by("ko")) == [Span(0, 1)]


@given(
    text=st.one_of(nasty_text, prose.map(" ".join), prose.map("".join)),
    limits=st.builds(Limits, st.integers(1, 60), st.integers(1, 4), st.integers(1, 60)),
)
def test_nothing_is_left_out_and_no_limit_passed(text, limits):
    spans = split_line(text, count_letters, limits, by("de"))
    assert without_spaces("".join(texts_of(text, spans))) == without_spaces(text)
    assert all(
        0 < span.end - span.begin <= limits.max_tokens and span.n_sentences <= limits.max_sentences
        for span in spans
    )
    assert all(a.end <= b.begin for a, b in itertools.pairwise(spans))


@pytest.mark.parametrize(
    ("text", "space", "joined"),
    [
        ("Ja. Nein.", " ", "JA. NEIN."),
        ("Ja.  Nein.", " ", "JA.  NEIN."),
        ("今日は。はい。", " ", "今日は。 はい。"),
        ("Ja.\u3000Nein.", " ", "JA. NEIN."),
        ("Ja. Nein.", "", "JA.NEIN."),
        ("Ja.\n\n  Nein.\n", " ", "JA.\n\n  NEIN.\n"),
        ("Ja.\r\n\tNein.", "", "JA.\r\nNEIN."),
        ("  Ja. Nein. ", " ", "JA. NEIN."),
    ],
)
def test_parts_are_joined_as_the_source_is_spaced(text, space, joined):
    parts = texts_of(text, split_line(text, count_letters, Limits(100), by("de")))
    assert len(parts) == 2
    line = SourceLine(text, tuple(LinePart(part, text.index(part), [1]) for part in parts))
    translations = [part.upper() for part in parts]
    found, offsets = line.join(translations, space)
    assert found == joined
    assert [
        found[at : at + len(one)] for at, one in zip(offsets, translations, strict=True)
    ] == translations


def test_a_part_without_a_translation_leaves_no_space():
    line = SourceLine(
        "a. b. c.", (LinePart("a.", 0, [1]), LinePart("b.", 3, [1]), LinePart("c.", 6, [1]))
    )
    assert line.join(["A.", "", "C."], " ")[0] == "A. C."
    assert line.join(["", "B.", "C."], " ")[0] == "B. C."


def count_nothing(texts):
    raise AssertionError(texts)


@given(text=prose.map(" ".join), max_tokens=st.integers(1, 60))
def test_a_known_number_of_tokens_is_not_counted_again(text, max_tokens):
    limits, [n_tokens] = Limits(max_tokens), count_words([text])
    expected = split_line(text, count_words, limits, by("de"))
    assert split_line(text, count_words, limits, by("de"), n_tokens) == expected
    if len(expected) == 1 and n_tokens <= max_tokens:
        assert split_line(text, count_nothing, limits, by("de"), n_tokens) == expected
