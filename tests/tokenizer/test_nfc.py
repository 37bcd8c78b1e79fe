"""The normalization `nfc` keeps ordinary text, as Unicode's own tables and the rules of cleaning
define it.
"""

import gzip
import re
import unicodedata

import pytest

from mtkit.config.clean import CleanConfig
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.corpus.clean.text_fixes import TextFixer
from mtkit.io.tokenizer_files import read_settings
from mtkit.tokenizer.subword import Subword
from mtkit.tokenizer.train import train_subword
from tests.conftest import ROOT

TEXTS = {
    "ko": [
        "ㅋㅋㅋ 진짜요? ㅠㅠ 잘 지내…",
        "‘ㄱ’과 ‘ㅏ’를 더하면 ‘가’가 된다.",
        "㈜한빛은 3㎏·25℃ 제품을 ①·② 두 가지로 낸다.",
        "『소나기』(1953)는 10∼20쪽이다.",
    ],
    "ja": [
        "「え！？本当ですか……」と彼は言った。",
        "２０２４年、Ｔシャツを３枚（計４，５００円）買った〜。",
        "㈱山田の№１商品は①です。",
        "がぎぐげご、パピプペポ・ヴ",
    ],
    "zh": [
        "他说：“你好！你是谁？”（真的吗……）",
        "《红楼梦》共１２０回，约７３万字；第①章。",
        "「繁體中文」——台灣、香港；溫度２５℃。",
    ],
    "de": [
        "„Schöne Grüße“, sagte er – für 3,50 € pro m².",
        "½ Liter Weißwein … bei 20 °C, ›super‹!",
    ],
    "fr": [
        "« Où est le cœur de l’œuvre ? » – 1ᵉʳ étage, n° 5…",
        "Ça coûte ¾ d’euro, naïf ! Elle a 2ᵉ prix™.",
    ],
    "ru": ["— Всё хорошо, — сказал он… «Ёлка» № 5.", "Площадь — 25 м², цена — 100 ₽."],
    "ar": ["مرحبًا، كيف حالك؟ «أهلاً وسهلاً»؛ ١٢٣٫٥٪", "قال الرسول ﷺ: السلام عليكم…"],
    "fa": ["می‌خواهم کتاب‌هایم را بخوانم؛ ۱۲۳ ریال ﷼"],
    "hi": ["नमस्ते! आप कैसे हैं? मैं ठीक हूँ।", "लड़का ज़रूर पढ़ेगा; क्‍या १२३ सही है॥"],
    "th": ["สวัสดีครับ ทำไมคุณไม่ทำน้ำแข็งล่ะ? ฯลฯ ๑๒๓", "เด็กๆ กำลังดูหนัง…"],
    "el": ["«Γεια σας! Πώς είστε;» ρώτησε ο Άγγελος·", "Ώρα 3½ μ.μ., ᾠδή…"],
    "vi": ["Chào buổi sáng! Tiếng Việt có dấu: ậ, ữ, ợ, ẵ."],
    "es": ["¿Dónde está el 1º piso? ¡Aquí, señorita! 2ª vez…"],
    "tr": ["İstanbul’da ışık ve çiğ köfte; “günaydın!”"],
    "en": ["It’s 5′ 9″—“OK”™, © 2024 ½ price… ❤️ 👨‍👩‍👧 x² ≠ x₂ Ⅳ ①"],
}


@pytest.fixture(scope="module")
def subword(ko_en_pairs):
    return Subword(
        train_subword(
            [text for pair in ko_en_pairs for text in pair],
            TokenizerConfig(vocab_size=600, character_coverage=0.98),
        )
    )


@pytest.mark.parametrize("lang", TEXTS)
def test_ordinary_text_round_trips(subword, lang):
    composed = [unicodedata.normalize("NFC", text) for text in TEXTS[lang]]
    assert subword.decode(subword.encode(composed)) == composed


@pytest.mark.parametrize("lang", TEXTS)
def test_decomposed_text_is_composed(subword, lang):
    for text in TEXTS[lang]:
        assert subword.normalize(unicodedata.normalize("NFD", text)) == unicodedata.normalize(
            "NFC", text
        )


CORPORA = """
    korean-news-ko-en/test.ko tatoeba-ko-en/train.ko jhe-ko-en/dev.ko python-docs-ko-en/train.ko.gz
    multi30k/train.fr.gz wmt-news-de-en/newstest2013.de tatoeba-de-en/train.de.gz tatoeba-de-en/train.en.gz
"""


@pytest.mark.parametrize("name", CORPORA.split())
def test_cleaned_corpora_round_trip(shared_data, subword, name):
    path = shared_data / name
    lines = (
        (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
        .decode()
        .split("\n")
    )[::5]
    mend = TextFixer(CleanConfig()).fix
    cleaned = [
        text
        for text in (mend(line)[0] for line in lines)
        if not set(text) & set("ﬀﬁﬂﬃﬄ\u200b\u2581")
    ]
    assert len(cleaned) > 0.999 * len(lines)
    assert subword.decode(subword.encode(cleaned)) == cleaned


def test_every_character_agrees_with_cleaning_but_for_presentation_forms(subword):
    mend = TextFixer(CleanConfig()).fix
    differing = set()
    for code in (
        *range(1, 0xD800),
        *range(0xE000, 0x20000),
        *range(0x2F800, 0x2FA20),
        *range(0xE0000, 0xE0200),
    ):
        text = f"漢{chr(code)}漢"
        if subword.normalize(text) != mend(text)[0]:
            differing.add(code)
    differing.discard(0x2581)  # SentencePiece's own sign for a space
    assert all(
        0xFB00 <= code <= 0xFDFF or 0xFE70 <= code <= 0xFEFC or 0xFF61 <= code <= 0xFFDC
        for code in differing
    )
    assert not differing & set(map(ord, "ﷺﷻ﷼﷽﴾﴿"))


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("ﬁn eﬀort", "fin effort"),
        ("ﻣﺮﺣﺒﺎ ﻻ", "مرحبا لا"),
        ("ｶﾞｷﾞﾊﾟ ｱｲｳ｡", "ガギパ アイウ。"),
        ("カﾞ ｶ\u3099", "ガ ガ"),
        ("ﾡﾢﾤ ￂￄ", "ㄱㄲㄴ ㅏㅑ"),
        ("a\u00a0b\u202f!\u3000c", "a b ! c"),
        ("so\u00adft \u200bzero\u200b \ufeff", "soft zero"),
        ("\u1100\u1161\u11a8", "각"),
        ("\uac00\u11a8", "각"),
        ("a\u0302\u0323", "ậ"),
    ],
)
def test_replaced_characters(subword, text, normalized):
    assert subword.normalize(text) == normalized


def test_the_model_names_its_normalization_and_no_path(subword):
    assert read_settings(subword.model_bytes).normalization == "nfc"
    assert b"nfc.tsv" not in subword.model_bytes


def test_the_documented_effects_are_the_real_ones(ko_en_pairs):
    page = (ROOT / "docs" / "concepts" / "unicode-normalization.md").read_text(encoding="utf-8")
    _, _, table = page.partition("| text | ")
    header, _, *rows = table.partition("\n\n")[0].split("\n")
    names = re.findall("`([^`]+)`", header)
    assert names == ["nfc", "nmt_nfkc", "identity"] and len(rows) > 15
    texts = [text for pair in ko_en_pairs for text in pair]
    for column, name in enumerate(names, 1):
        model = Subword(
            train_subword(
                texts, TokenizerConfig(vocab_size=600, character_coverage=0.98, normalization=name)
            )
        )
        for row in rows:
            # No strip of the no-break space in a cell.
            cells = [cell[1:-1] for cell in row.strip("|").split("|")]
            [text] = re.findall("`([^`]+)`", cells[0])
            assert model.normalize(text) == (
                text if cells[column] == "same" else cells[column].strip("`")
            ), (name, row)


def test_nfkc_of_sentencepiece_is_available_and_replaces_jamo(ko_en_pairs):
    config = TokenizerConfig(vocab_size=600, character_coverage=0.98, normalization="nmt_nfkc")
    nfkc = Subword(train_subword([text for pair in ko_en_pairs for text in pair], config))
    for text in "ㅋㅋㅋ ㄱㅏ", "１２！…½":
        assert nfkc.normalize(text) == unicodedata.normalize("NFKC", text)
