import pytest

from mtkit.corpus.scripts import script_of, scripts_of_language


@pytest.mark.parametrize(
    ("char", "script"),
    [
        *(
            ("a", "latin"),
            ("Ж", "cyrillic"),
            ("ß", "latin"),
            ("λ", "greek"),
            ("한", "hangul"),
            ("ㄱ", "hangul"),
            ("漢", "han"),
            ("ひ", "hiragana"),
        ),
        *(
            ("ｶ", "katakana"),
            ("ー", "katakana"),
            ("Ａ", "latin"),
            ("א", "hebrew"),
            ("ع", "arabic"),
            ("न", "devanagari"),
            ("ไ", "thai"),
            ("々", "han"),
            ("ª", "latin"),
            ("𝐀", "latin"),
        ),
        *(
            ("1", None),
            (" ", None),
            (".", None),
            ("\u0301", None),
            ("😀", None),
            ("\ud800", None),
            ("\0", None),
        ),
    ],
)
def test_letters_have_a_script(char, script):
    assert script_of(char) == script


@pytest.mark.parametrize(
    ("code", "scripts"),
    [
        *(
            ("de", {"latin"}),
            ("deu", {"latin"}),
            ("pt-BR", {"latin"}),
            ("ko", {"hangul", "han"}),
            ("ja", {"hiragana", "katakana", "han"}),
        ),
        *(
            ("zho_Hant", {"han"}),
            ("sr", {"latin", "cyrillic"}),
            ("sr-Latn", {"latin"}),
            ("srp_Cyrl", {"cyrillic"}),
            ("RU", {"cyrillic"}),
        ),
        *(("tlh", set()), ("src", set()), ("und", set())),
    ],
)
def test_languages_have_scripts(code, scripts):
    assert scripts_of_language(code) == scripts
