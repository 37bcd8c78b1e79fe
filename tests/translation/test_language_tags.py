"""Tags chosen by name, or by the language that they select."""

import pytest

from mtkit.errors import MtkitError
from mtkit.translation.language_tags import choose_tags, resolve_tags

NLLB = ("kor_Hang", "eng_Latn", "zsm_Latn", "ace_Arab", "ace_Latn", "zho_Hans", "zho_Hant")


@pytest.fixture
def config_of(make_trained):
    config = make_trained().config

    def make(**changes):
        return config.model_copy(update=changes)

    return make


@pytest.mark.parametrize(
    ("language", "known", "tag"),
    [
        ("ko", NLLB, "kor_Hang"),
        ("kor", NLLB, "kor_Hang"),
        ("Korean", NLLB, "kor_Hang"),
        ("ms", NLLB, "zsm_Latn"),
        ("zho_Hant", NLLB, "zho_Hant"),
        ("de", ("__en__", "__de__"), "__de__"),
        ("deu", (">>deu<<", ">>eng<<"), ">>deu<<"),
        ("fr", ("<2fr>", "<2en>"), "<2fr>"),
    ],
)
def test_a_language_selects_its_tag(language, known, tag):
    assert resolve_tags([language], known) == (tag,)


@pytest.mark.parametrize(
    ("language", "message"),
    [
        ("zh", "zh is ambiguous: the model was trained with zho_Hans, zho_Hant"),
        ("ace", "ace is ambiguous"),
        ("fr", "unknown tag fr: the model was trained with kor_Hang, eng_Latn"),
    ],
)
def test_a_language_without_a_tag_of_its_own(language, message):
    with pytest.raises(MtkitError, match=message):
        resolve_tags([language], NLLB)


def test_of_many_tags_the_nearest_are_named():
    known = [f"{first}{second}x_Latn" for first in "abcde" for second in "abcdefgh"]
    with pytest.raises(MtkitError) as caught:
        resolve_tags(["abx_latn"], known)
    assert " and 20 more" in caught.value.message
    assert "did you mean abx_Latn" in caught.value.hint and "`mtkit info`" in caught.value.hint


def test_default_languages(config_of):
    known = NLLB[:3]
    config = config_of(tags=known, tgt_tags=known, src_lang="mul", tgt_lang="eng_Latn")
    with pytest.raises(MtkitError, match="the model has 3 languages") as caught:
        choose_tags(config, [], [])
    assert caught.value.hint == "give --src-lang"
    chosen = choose_tags(config, ["ko"], [])
    assert (chosen.src, chosen.tgt) == (("kor_Hang",), ("eng_Latn",))
    assert (chosen.config.src_lang, chosen.config.tgt_lang) == ("kor_Hang", "eng_Latn")
    only = config_of(tags=("kor_Hang",), tgt_tags=("zsm_Latn",))
    assert choose_tags(only, [], [])[:2] == (("kor_Hang",), ("zsm_Latn",))
    with pytest.raises(MtkitError, match="one language on each side"):
        choose_tags(config, ["ko", "en"], [])
