"""Languages: codes, names, and whether words are separated by spaces."""

from functools import lru_cache

from mtkit.corpus.scripts import scripts_of_language

MULTILINGUAL = "mul"
"""ISO 639-2 code of several languages, of which none is the usual one."""
SCRIPTS_WITHOUT_SPACES = frozenset(
    {"han", "hiragana", "katakana", "thai", "lao", "khmer", "myanmar"}
)
"""Scripts of languages that do not separate words by spaces."""


def base_language(code: str) -> str:
    """Remove region and script from a language code: zh for zh-Hant and zh_CN."""
    return code.replace("_", "-").split("-")[0].lower()


def is_variety_of(code: str, language: str) -> bool:
    """Whether a code is a language with region or script: en-US and en_GB for en, but not en."""
    return code.replace("_", "-").lower().startswith(f"{language.replace('_', '-').lower()}-")


@lru_cache(maxsize=256)
def word_separator(code: str) -> str:
    """Return what separates words and sentences: a space, or nothing; a space if unknown."""
    scripts = scripts_of_language(code)
    return "" if scripts and scripts <= SCRIPTS_WITHOUT_SPACES else " "


_NAMES = """
af afr: Afrikaans
am amh: Amharic, አማርኛ
ar ara arb: Arabic, العربية, 아랍어
az aze azj: Azerbaijani, Azərbaycanca
be bel: Belarusian, Беларуская
bg bul: Bulgarian, Български
bn ben: Bengali, Bangla, বাংলা
bs bos: Bosnian, Bosanski
ca cat: Catalan, Català
cs ces cze: Czech, Čeština, Česky
cy cym wel: Welsh, Cymraeg
da dan: Danish, Dansk
de deu ger: German, Deutsch, 독일어, ドイツ語, 德语
el ell gre: Greek, Ελληνικά
en eng: English, Englisch, Anglais, Inglés, 영어, 영문, 英語, 英语, 英文
eo epo: Esperanto
es spa: Spanish, Español, Castellano, 스페인어, スペイン語, 西班牙语
et est: Estonian, Eesti
eu eus baq: Basque, Euskara
fa fas per pes: Persian, Farsi, فارسی
fi fin: Finnish, Suomi
fil tl tgl: Filipino, Tagalog
fr fra fre: French, Français, 프랑스어, 불어, フランス語, 法语
ga gle: Irish, Gaeilge
gl glg: Galician, Galego
gu guj: Gujarati, ગુજરાતી
ha hau: Hausa
he heb iw: Hebrew, עברית
hi hin: Hindi, हिन्दी, हिंदी
hr hrv: Croatian, Hrvatski
hu hun: Hungarian, Magyar
hy hye arm: Armenian, Հայերեն
id ind: Indonesian, Bahasa Indonesia, 인도네시아어
is isl ice: Icelandic, Íslenska
it ita: Italian, Italiano, 이탈리아어
ja jpn: Japanese, 日本語, 日文, 일본어, 日语
ka kat geo: Georgian, ქართული
kk kaz: Kazakh, Қазақша
km khm: Khmer, ខ្មែរ
kn kan: Kannada, ಕನ್ನಡ
ko kor: Korean, 한국어, 한글, 국문, 韓国語, 韩语, 韩文
la lat: Latin
lo lao: Lao, ລາວ
lt lit: Lithuanian, Lietuvių
lv lav lvs: Latvian, Latviešu
mk mkd mac: Macedonian, Македонски
ml mal: Malayalam, മലയാളം
mn mon khk: Mongolian, Монгол
mr mar: Marathi, मराठी
ms msa may zsm: Malay, Bahasa Melayu
mt mlt: Maltese, Malti
my mya bur: Burmese, Myanmar, မြန်မာ
nb nob no nor: Norwegian, Bokmål, Norsk
ne nep npi: Nepali, नेपाली
nl nld dut: Dutch, Nederlands
nn nno: Nynorsk
pa pan: Punjabi, ਪੰਜਾਬੀ
pl pol: Polish, Polski
ps pus pbt: Pashto, پښتو
pt por: Portuguese, Português, 포르투갈어
ro ron rum: Romanian, Română
ru rus: Russian, Русский, 러시아어, ロシア語, 俄语
si sin: Sinhala, සිංහල
sk slk slo: Slovak, Slovenčina
sl slv: Slovenian, Slovene, Slovenščina
so som: Somali, Soomaali
sq sqi alb als: Albanian, Shqip
sr srp: Serbian, Српски, Srpski
sv swe: Swedish, Svenska
sw swa swh: Swahili, Kiswahili
ta tam: Tamil, தமிழ்
te tel: Telugu, తెలుగు
th tha: Thai, ไทย, 태국어
tr tur: Turkish, Türkçe
uk ukr: Ukrainian, Українська
ur urd: Urdu, اردو
uz uzb uzn: Uzbek, Oʻzbekcha
vi vie: Vietnamese, Tiếng Việt, 베트남어
xh xho: Xhosa, isiXhosa
yo yor: Yoruba, Yorùbá
zh zho chi cmn: Chinese, Mandarin, 中文, 汉语, 漢語, 중국어, 中国語
zu zul: Zulu, isiZulu
"""


def _languages_by_name() -> dict[str, str]:
    languages = {}
    for line in _NAMES.strip().splitlines():
        codes, _, names = line.partition(": ")
        first, *synonyms = codes.split()
        languages.update(dict.fromkeys([first, *synonyms, *names.casefold().split(", ")], first))
    return languages


_LANGUAGES = _languages_by_name()


def language_code(name: str) -> str | None:
    """Return the language code for a name or code, ignoring case; None if it is unknown.

    Codes of one language are equal: `deu`, `ger`, `German` and `Deutsch` are `de`, and so is
    `de-AT`.
    """
    name = name.strip().casefold()
    return _LANGUAGES.get(name) or _LANGUAGES.get(name.replace("_", "-").partition("-")[0])


_ENGLISH_NAMES = {
    line.split(maxsplit=1)[0].rstrip(":"): line.partition(": ")[2].partition(",")[0]
    for line in _NAMES.strip().splitlines()
}


def language_name(code: str) -> str:
    """Return the English name of a language, with a region or script; its code if unknown."""
    name = _ENGLISH_NAMES.get(language_code(code) or "")
    if name is None:
        return code
    return name if code in _LANGUAGES else f"{name} ({code})"
