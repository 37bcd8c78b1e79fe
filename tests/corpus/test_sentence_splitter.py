"""Sentences end where the language's rules say, and whatever the text, nothing is lost and time
grows with its length.
"""

import itertools
import re
import string
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.corpus import sentence_splitter
from mtkit.corpus.sentence_splitter import split_sentences
from mtkit.translation.long_lines import Limits, split_line
from tests.strategies import NASTY, nasty_text

TEXTS = {
    "de": [
        "Dr. Müller kam am 3. Oktober z.B. nach Berlin. ",
        "Er sagte: „Gut.“ ",
        "Wie geht es Ihnen?  ",
        "Na ja …",
    ],
    "en": ["Mr. Smith paid $1.50 to Dr. Jones, i.e. too much. ", "Was it? ", "Yes!"],
    "ko": ["나는 학교에 갔다. ", "너는 어디에 있었니? ", "집!"],
    "ja": ["今日は。", "いい天気ですね。", "そう！"],
}


def cut(text, count, max_tokens):
    return [
        text[span.begin : span.end]
        for span in split_line(
            text, count, Limits(max_tokens, max_sentences=None), partial(split_sentences, lang="de")
        )
    ]


MORE = {
    "abbreviations": (
        "en",
        [
            "Dr. Smith met Mr. Jones at 3.50 p.m. on Monday. ",
            "See Fig. 3, e.g. the U.S. economy. ",
            "They talked.",
        ],
    ),
    "French titles": (
        "fr",
        ["M. Dupont est là. ", "MM. Blanc et Noir aussi. ", "Ça va ? ", "Oui !"],
    ),
    "Hindi": ("hi", ["डॉ. शर्मा आए। ", "वे घर गए। ", "हम कहाँ हैं? ", "यहाँ!"]),
    "ordinals": ("cs", ["Dne 3. října přišel Jan. ", "Byl doma."]),
    "decimals": ("de", ["Das kostet 3.50 Euro oder 3,50 Euro. ", "Am 5. November um 12.30 Uhr."]),
    "quotation": ("en", ['"I go. ', "He comes. ", 'We stay." ', "That is all."]),
    "German quotation": ("de", ["Er sagte: „Nein. ", "Ich will nicht.“ ", "Dann ging er."]),
    "single quotation marks": (
        "en",
        ["'I go. ", "He comes,' he said. ", "The students' books don't burn."],
    ),
    "reported speech": ("ru", ["«Кто там?» — спросил он. ", "Никто не ответил."]),
    "Korean quotation": (
        "ko",
        ['그녀는 "잠깐만요!"라는 말을 들었다. ', "그는 말했다. ", "“나는 간다. ", "너는 온다.”"],
    ),
    "Japanese quotation": ("ja", ["「私は行く。", "君は来る。」", "雨が降った！"]),
    "Chinese": ("zh", ["我去学校。", "他回家。", "下雨了！", "价格是3.5元。"]),
    "Arabic": ("ar", ["أذهب إلى المدرسة. ", "أين أنت؟ ", "أنا هنا!"]),
    "Thai": ("th", ["ฉันไปโรงเรียน เขากลับบ้าน"]),
    "brackets": ("en", ["(I know. ", "You know.) We all know."]),
    "ellipses": ("en", ["Wait... ", "What? ", "I see… ", "Really?! ", "Well … yes."]),
    "Korean ellipses": ("ko", ["그는 집에 갔다… ", "나는… 모른다. ", "네… ", "그래요."]),
    "missing spaces": ("en", ["Hello.", "How are you?", "I am fine."]),
    "identifiers": (
        "en",
        ["Use :attr:`~object.Dict` or https://a.b/C.D?x=Y.Z now. ", "It is a :class:`dict`."],
    ),
    "words like abbreviations": (
        "en",
        ["Come with me. ", "I said no. ", "No. 5 is alive, etc. ", "He left."],
    ),
    "German words like abbreviations": (
        "de",
        ["Er mag mich. ", "Tom lachte. ", "Äpfel, Birnen usw. ", "Das war Nr. 3."],
    ),
    "numbers": ("de", ["Er kam mit. ", "53 Leute gingen. ", "Siehe Abs. 3 und Kap. 4."]),
    "Korean numbers": ("ko", ["그는 집에 갔다. ", "3명이 왔다."]),
    "unbalanced quotation marks": (
        "ko",
        [
            "’죠스‘와 ’사운드 오브 뮤직‘을 상영할 것이다. ",
            "나는 돈을 벌 수 있다. ",
            "“그렇다. ",
            "아니다.",
        ],
    ),
    "lists": ("en", ["1. ", "First item. ", "2. ", "Second item."]),
}


@pytest.mark.parametrize("case", MORE)
def test_hard_cases(case):
    lang, expected = MORE[case]
    assert split_sentences("".join(expected), lang) == expected


def test_no_sentence_is_lost_in_joined_text(shared_data):
    """Lines of one sentence, joined, are split into as many again: what is lost is less than one in
    200.
    """
    files = {
        "de": "wmt-news-de-en/newstest2013.de",
        "en": "tatoeba-de-en/test.en",
        "fr": "multi30k/test_2016_flickr.fr",
        "ko": "jhe-ko-en/eval.ko",
    }
    for lang, name in files.items():
        lines = (shared_data / name).read_text(encoding="utf-8").split("\n")[:-1]
        single = [
            line.strip()
            for line in lines
            if line.strip()[-1:] in (".", "!", "?") and len(split_sentences(line, lang)) == 1
        ]
        ends = set(itertools.accumulate(len(line) + 1 for line in single))
        found = set(itertools.accumulate(map(len, split_sentences(" ".join(single) + " ", lang))))
        assert len(ends - found) < len(ends) / 200, lang


@pytest.mark.parametrize("lang", TEXTS)
def test_real_sentences(lang):
    assert split_sentences("".join(TEXTS[lang]), lang) == TEXTS[lang]
    assert split_sentences("".join(TEXTS[lang]), f"{lang.upper()}_XX") == TEXTS[lang]


@pytest.mark.parametrize("window_chars", [60, 100, 2000])
def test_result_does_not_depend_on_windows(monkeypatch, window_chars):
    monkeypatch.setattr(sentence_splitter, "_WINDOW_CHARS", window_chars)
    assert split_sentences("".join(TEXTS["de"][:1] * 40), "de") == TEXTS["de"][:1] * 40
    long = [
        "Ein Satz, der weit länger ist als ein Fenster, weil er nicht aufhört, sondern immer weiter und weiter und weiter geht. ",
        "Ja. ",
        "Gut.",
    ]
    assert split_sentences("".join(long), "de") == long


any_text = st.one_of(
    nasty_text,
    st.lists(
        st.sampled_from(
            [*NASTY, ". ", "! ", "Das ist. ", '"', "“", "「", "」", "z.B. ", "1. ", "W"]
        ),
        max_size=40,
    ).map("".join),
)


@given(
    text=any_text,
    lang=st.sampled_from(
        ["de", "en", "ko", "ja", "zh_Hant", "kk", "my", "", "xx", "\ud800", "no such"]
    ),
    window_chars=st.sampled_from([4, 15, 2000]),
)
def test_together_they_are_the_text(text, lang, window_chars):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sentence_splitter, "_WINDOW_CHARS", window_chars)
        found = split_sentences(text, lang)
    assert "".join(found) == text
    assert all(found)


@pytest.mark.parametrize("text", ["W\u2028. Ja.", "A. \u3000. Ja", "z.B. \x85. Nein", "a.\n\n\nb."])
@pytest.mark.parametrize("lang", ["de", "kk"])
def test_text_that_sentencex_alone_stumbles_over(capfd, text, lang):
    assert "".join(split_sentences(text, lang)) == text
    assert capfd.readouterr() == ("", "")


def test_if_sentencex_fails_all_the_same_no_sentence_is_lost(monkeypatch):
    class PanicException(BaseException):
        pass

    def segment(lang, text):
        raise PanicException("index out of bounds")

    monkeypatch.setattr("sentencex.segment", segment)
    assert split_sentences("Ja. Nein. 3.50 Euro", "de") == ["Ja. ", "Nein. ", "3.50 Euro"]
    assert cut("Ja. Nein.", lambda texts: [len(text) for text in texts], 6) == ["Ja.", "Nein."]
    monkeypatch.setattr("sentencex.segment", lambda lang, text: ["Ja."])
    assert split_sentences("Ja. Nein.", "de") == ["Ja. ", "Nein."]


def test_long_lines_are_split_by_the_rules_of_their_language():
    def count(texts):
        return [len("".join(text.split())) for text in texts]

    first, *others = TEXTS["de"]
    max_tokens = count([first])[0]
    assert count(["".join(others)])[0] <= max_tokens
    assert cut(first + "".join(others), count, max_tokens) == [
        first.strip(),
        "".join(others).strip(),
    ]
    assert cut(first * 3, count, max_tokens) == [first.strip()] * 3


_PIECES = (
    *(
        "Haus",
        "z",
        "U",
        "I",
        "나는",
        "간다",
        "私",
        "3",
        "10",
        "é",
        "_",
        "no",
        "etc",
        "είμαι",
        "եմ",
        "ነው",
    ),
    *(" ", "  ", ",", ", ", "; ", ": ", "-", " - ", "%", "/", "、", "，", "؛ ", "، ", "፡ "),
    *('"', "“", "”", "„", "«", "»", "'", "’", " ‘", "(", ")", "?", ".", "!", "。", "…", "。 "),
)
_ONE_SENTENCE = st.lists(st.sampled_from(_PIECES), max_size=12).map("".join)
_LANGUAGES = "de en fr ru el hy ar fa ur he hi mr bn ta te kn ml my th km am ko ja zh xx".split()


@given(text=_ONE_SENTENCE, lang=st.sampled_from(_LANGUAGES))
def test_lines_of_one_sentence_are_recognized_as_by_all_rules(text, lang):
    """A pattern decides about most lines, before the rules are applied."""
    found = split_sentences(text, lang)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sentence_splitter, "_NO_BOUNDARY", re.compile("(?!)"))
        assert found == split_sentences(text, lang)


def test_the_pattern_decides_about_most_lines(shared_data):
    path = shared_data / "wmt-news-de-en/newstest2013.en"
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    n_decided = sum(bool(sentence_splitter._NO_BOUNDARY.fullmatch(line)) for line in lines)
    assert n_decided > 0.85 * len(lines)


@pytest.mark.parametrize(
    ("lang", "sentences"),
    [("el", ["Τι κάνεις; ", "Είμαι καλά."]), ("hy", ["Ես տանն եմ: ", "Նա այստեղ է:"])],
)
def test_marks_that_end_sentences_in_one_language_alone(lang, sentences):
    """The Greek question mark looks like a semicolon, the Armenian full stop like a colon."""
    assert split_sentences("".join(sentences), lang) == sentences
    assert split_sentences("".join(sentences), "de") == ["".join(sentences)]


def test_no_mark_within_a_line_of_one_sentence_ends_sentences_in_any_language():
    marks = [chr(code) for code in range(0x3100) if not chr(code).isalnum()]
    marks = [mark for mark in marks if sentence_splitter._NO_BOUNDARY.fullmatch(f"{mark}a")]
    assert {",", "、", "”", "-"} <= set(marks)
    text = " ".join(f"Aa{mark} Bb{mark}Cc {mark} Dd" for mark in marks)
    languages = map("".join, itertools.product(string.ascii_lowercase, repeat=2))
    ends = sentence_splitter._sentencex_ends
    assert [lang for lang in languages if len(ends(text, lang)) > 1] == []
