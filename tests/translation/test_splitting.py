"""Long lines are cut where it hurts least, and nothing is left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.translation.splitting import join_parts, split_line
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


def without_spaces(text):
    return "".join(text.split())


prose = st.lists(
    st.sampled_from([*SENTENCES.values(), "ja.", "…", " ", "\t", "Donaudampfschifffahrtsgesellschaft", "一二三四五六七八九十"]), max_size=8
)


@given(text=st.one_of(nasty_text, prose.map(" ".join), prose.map("".join)), max_tokens=st.integers(1, 80))
def test_the_parts_make_up_the_line_and_keep_the_limit(text, max_tokens):
    parts = split_line(text, count_letters, max_tokens)
    assert without_spaces("".join(parts)) == without_spaces(text)
    assert all(len(part) <= max_tokens for part in parts)


@given(text=st.one_of(nasty_text, prose.map(" ".join)), max_tokens=st.integers(4, 80))
def test_characters_of_several_tokens(text, max_tokens):
    parts = split_line(text, count_bytes, max_tokens)
    assert without_spaces("".join(parts)) == without_spaces(text)
    assert all(n_bytes <= max_tokens for n_bytes in count_bytes(parts))


def test_a_character_of_more_tokens_than_the_limit_stays_whole():
    assert split_line("a😀b", count_bytes, 2) == ["a", "😀", "b"]


@given(text=st.one_of(nasty_text, prose.map(" ".join)))
def test_a_line_within_the_limit_is_left_as_it_is(text):
    assert split_line(text, count_letters, len(text)) == [text]


@pytest.mark.parametrize("lang", SENTENCES)
@pytest.mark.parametrize("max_tokens", [5, 12, 30])
def test_the_real_tokenizer(tiny_tokenizer, lang, max_tokens):
    def count(texts):
        return [len(ids) for ids in tiny_tokenizer.src.encode(texts)]

    text = " ".join([SENTENCES[lang]] * 3)
    parts = split_line(text, count, max_tokens)
    assert without_spaces("".join(parts)) == without_spaces(text)
    assert max(count(parts)) <= max_tokens
    assert len(parts) >= count([text])[0] / max_tokens


@pytest.mark.parametrize("lang", ["ko", "ja", "de"])
def test_between_sentences_first(lang):
    text = f"{SENTENCES[lang]} {SENTENCES[lang]}"
    parts = split_line(text, count_words, 60 if lang == "de" else 30)
    assert 1 < len(parts) < 8
    assert all(part[-1] in ".!?。！？" for part in parts)


def test_then_between_clauses_then_between_words_then_within_them():
    assert split_line("eins zwei drei, vier fünf sechs", count_words, 15) == ["eins zwei drei,", "vier fünf sechs"]
    assert split_line("eins zwei drei vier", count_words, 9) == ["eins zwei", "drei vier"]
    assert split_line("Donaudampfschiff", count_words, 8) == ["Donaudam", "pfschiff"]
    assert split_line("Es regnet. Donaudampfschiff", count_words, 9) == ["Es regnet.", "Donaudam", "pfschiff"]


def test_a_full_stop_within_a_number_or_a_name_is_no_end():
    assert split_line("Es kostet 3.50 Euro bei example.org heute Abend", count_words, 30) == ["Es kostet 3.50 Euro bei example.org", "heute Abend"]


def test_spaces_within_a_part_stay_as_they_are():
    assert split_line("a  b. c\u3000d. e", count_words, 5) == ["a  b.", "c\u3000d. e"]


def test_a_very_long_line_of_one_word():
    parts = split_line("가" * 100_000, count_letters, 100)
    assert "".join(parts) == "가" * 100_000


@pytest.mark.parametrize(
    ("lang", "joined"),
    [("en", "a b"), ("ko", "a b"), ("ja", "ab"), ("zh", "ab"), ("zh_Hant", "ab"), ("zh-CN", "ab"), ("JA", "ab"), ("th", "ab"), ("jam", "a b")],
)
def test_parts_are_joined_as_the_language_is_written(lang, joined):
    assert join_parts(["a", "", "b"], lang) == joined
    assert join_parts([], lang) == ""
