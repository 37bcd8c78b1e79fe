"""Detection of languages, on sentences that none of its word lists were made from."""

import pytest

from mtkit.corpus.language_detection import LanguageCheck, detect_language

SENTENCES = {
    "ar": "هذا الكتاب من أفضل الكتب التي قرأتها في حياتي",
    "bg": "Той е най-добрият приятел, който съм имал",
    "cs": "Včera jsem šel do kina, ale film se mi nelíbil",
    "da": "Jeg ved ikke, hvad jeg skal gøre ved det",
    "de": "Gestern habe ich mit meiner Schwester über die Reise gesprochen",
    "el": "Δεν ξέρω πού είναι ο σταθμός",
    "en": "Yesterday I talked with my sister about the journey",
    "es": "Ayer hablé con mi hermana sobre el viaje que hicimos",
    "fa": "من دیروز با خواهرم درباره این سفر صحبت کردم",
    "fi": "En tiedä, mitä minun pitäisi tehdä, mutta se ei ole helppoa",
    "fr": "Hier, j'ai parlé avec ma sœur du voyage que nous avons fait",
    "he": "אני לא יודע איפה התחנה",
    "hi": "मुझे नहीं पता कि स्टेशन कहाँ है",
    "hu": "Tegnap beszéltem a nővéremmel az utazásról",
    "id": "Saya tidak tahu apa yang harus saya lakukan untuk itu",
    "it": "Ieri ho parlato con mia sorella del viaggio che abbiamo fatto",
    "ja": "昨日は妹と旅行について話しました",
    "ko": "어제 동생과 여행에 대해 이야기했다",
    "nl": "Gisteren heb ik met mijn zus over de reis gesproken",
    "pl": "Wczoraj rozmawiałem z siostrą o podróży, która się nie udała",
    "pt": "Ontem falei com a minha irmã sobre a viagem que fizemos",
    "ro": "Ieri am vorbit cu sora mea despre călătoria pe care am făcut-o",
    "ru": "Вчера я говорил с сестрой о поездке, и это было не так",
    "sv": "Igår pratade jag med min syster om resan, men det var inte så",
    "tr": "Dün kız kardeşimle yolculuk hakkında konuştum ve çok güldük",
    "uk": "Вчора я говорив із сестрою про подорож, і це було не так",
    "vi": "Hôm qua tôi đã nói chuyện với chị tôi về chuyến đi",
    "zh": "昨天我和姐姐谈了这次旅行",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_among_many_languages(language):
    found = detect_language([SENTENCES[language]], sorted(SENTENCES))
    assert found[0].language == language
    assert found[0].confidence > 30
    assert sum(one.confidence for one in found) == pytest.approx(100, abs=2)


def test_codes_of_other_kinds():
    assert detect_language(["Das ist ein Haus"], ["eng_Latn", "deu_Latn"])[0].language == "deu_Latn"


def test_few_words_give_little_confidence():
    found = detect_language(["Berlin"], ["de", "en", "fr"])
    assert [one.confidence for one in found] == [33.3] * 3


def test_one_candidate():
    assert detect_language(["안녕"], ["ko"])[0].confidence == 100
    assert detect_language(["Hello"], ["ko"])[0].confidence == 0
    assert detect_language(["안녕 ab"], ["ko"])[0].confidence == 50


def test_no_letters():
    assert [one.confidence for one in detect_language(["12 :-)"], ["ko", "en"])] == [0, 0]


@pytest.mark.parametrize("language", SENTENCES)
def test_no_sentence_is_in_another_language_than_its_own(language):
    assert not LanguageCheck(language).is_other(SENTENCES[language])


@pytest.mark.parametrize(
    ("language", "taken_for"),
    [("de", "en"), ("en", "de"), ("fr", "de"), ("tr", "en"), ("pl", "fr"), ("fi", "sv")],
)
def test_a_sentence_in_another_language(language, taken_for):
    text = {
        "de": "Das ist nicht auf dem Tisch, und ich war mit ihm.",
        "en": "This is not on the table, and it was with him.",
        "fr": "Les uns sont dans la rue, et je ne suis pas avec elle.",
        "tr": "Bu çok daha iyi bir şey ama ben ne için geldim?",
        "pl": "To nie jest tak, jak się o tym po prostu mówi.",
        "fi": "Se oli niin, että hän ei ole siellä, mutta kun hän on.",
    }[language]
    assert LanguageCheck(taken_for).is_other(text)
    assert not LanguageCheck(language).is_other(text)


@pytest.mark.parametrize(
    ("lang", "text"),
    [
        ("no", "Jeg ved ikke, hvad jeg skal gøre ved det, og det er med det."),  # Danish
        ("hr", "Ja nisam to što je bilo, ali je to kao da se može reći."),  # Bosnian or Serbian
        ("de", "Klaus Müller, José Peña, Łukasz Żak, Dvořák, Erdoğan"),
        ("de", ""),
        ("sr", "Ja nisam to što je bilo, ali je to kao da se može reći."),  # in two scripts
        ("xx", SENTENCES["en"]),
    ],
)
def test_doubtful_texts_are_not_in_another_language(lang, text):
    assert not LanguageCheck(lang).is_other(text)
