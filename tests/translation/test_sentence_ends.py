"""Sentences end where the language's rules say, and whatever the text, nothing is lost and time grows with its length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.translation import sentence_ends
from mtkit.translation.sentence_ends import sentences
from mtkit.translation.splitting import split_line
from tests.strategies import NASTY, nasty_text

TEXTS = {
    "de": ["Dr. Müller kam am 3. Oktober z.B. nach Berlin. ", "Er sagte: „Gut.“ ", "Wie geht es Ihnen?  ", "Na ja …"],
    "en": ["Mr. Smith paid $1.50 to Dr. Jones, i.e. too much. ", "Was it? ", "Yes!"],
    "ko": ["나는 학교에 갔다. ", "너는 어디에 있었니? ", "집!"],
    "ja": ["今日は。", "いい天気ですね。", "そう！"],
}


@pytest.mark.parametrize("lang", TEXTS)
def test_real_sentences(lang):
    assert sentences("".join(TEXTS[lang]), lang) == TEXTS[lang]
    assert sentences("".join(TEXTS[lang]), f"{lang.upper()}_XX") == TEXTS[lang]


@pytest.mark.parametrize("window_chars", [60, 100, 2000])
def test_windows_do_not_show(monkeypatch, window_chars):
    monkeypatch.setattr(sentence_ends, "_WINDOW_CHARS", window_chars)
    assert sentences("".join(TEXTS["de"][:1] * 40), "de") == TEXTS["de"][:1] * 40
    long = ["Ein Satz, der weit länger ist als ein Fenster, weil er nicht aufhört, sondern immer weiter und weiter und weiter geht. ", "Ja. ", "Gut."]
    assert sentences("".join(long), "de") == long


any_text = st.one_of(
    nasty_text, st.lists(st.sampled_from([*NASTY, ". ", "! ", "Das ist. ", '"', "“", "「", "」", "z.B. ", "1. ", "W"]), max_size=40).map("".join)
)


@given(
    text=any_text,
    lang=st.sampled_from(["de", "en", "ko", "ja", "zh_Hant", "kk", "my", "", "xx", "\ud800", "no such"]),
    window_chars=st.sampled_from([4, 15, 2000]),
)
def test_together_they_are_the_text(text, lang, window_chars):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sentence_ends, "_WINDOW_CHARS", window_chars)
        found = sentences(text, lang)
    assert "".join(found) == text
    assert all(found)


@pytest.mark.parametrize("text", ["W\u2028. Ja.", "A. \u3000. Ja", "z.B. \x85. Nein", "a.\n\n\nb."])
@pytest.mark.parametrize("lang", ["de", "kk"])
def test_text_that_sentencex_alone_stumbles_over(capfd, text, lang):
    assert "".join(sentences(text, lang)) == text
    assert capfd.readouterr() == ("", "")


def test_if_sentencex_fails_all_the_same_the_text_is_one_sentence(monkeypatch):
    class PanicException(BaseException):
        pass

    def segment(lang, text):
        raise PanicException("index out of bounds")

    monkeypatch.setattr("sentencex.segment", segment)
    assert sentences("Ja. Nein.", "de") == ["Ja. Nein."]
    assert split_line("Ja. Nein.", lambda texts: [len(text) for text in texts], 6, "de") == ["Ja.", "Nein."]
    monkeypatch.setattr("sentencex.segment", lambda lang, text: ["Ja."])
    assert sentences("Ja. Nein.", "de") == ["Ja. Nein."]


def test_long_lines_are_split_by_the_rules_of_their_language():
    def count(texts):
        return [len("".join(text.split())) for text in texts]

    first, *others = TEXTS["de"]
    max_tokens = count([first])[0]
    assert count(["".join(others)])[0] <= max_tokens
    assert split_line(first + "".join(others), count, max_tokens, "de") == [first.strip(), "".join(others).strip()]
    assert split_line(first * 3, count, max_tokens, "de") == [first.strip()] * 3
