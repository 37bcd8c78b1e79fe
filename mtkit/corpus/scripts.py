"""Scripts of characters and of languages."""

import re
import unicodedata

UNKNOWN_LANG = "und"
"""ISO 639-2 code of an undetermined language."""

_CODES = {
    "arabic": (
        "arab ar ara arb arz ary acm apc azb bal ckb fa fas per ks pbt prs ps pus sd snd ug uig "
        "ur urd"
    ),
    "armenian": "armn hy hye arm",
    "bengali": "beng as asm bn ben",
    "cyrillic": (
        "cyrl ab abk av ba bak be bel bg bul ce che cv chv kk kaz kv ky kir mk mkd mn mon os oss "
        "ru rus sah tg tgk tt tat tyv udm uk ukr"
    ),
    "devanagari": "deva awa bh bho hi hin hne mag mai mr mar ne nep npi sa san",
    "ethiopic": "ethi am amh ti tir",
    "georgian": "geor ka kat geo",
    "greek": "grek el ell gre grc",
    "gujarati": "gujr gu guj",
    "gurmukhi": "guru pa pan",
    "han": "hani hans hant zh zho chi cmn yue wuu lzh",
    "hangul han": "hang kore ko kor",
    "hebrew": "hebr he heb iw yi yid",
    "hiragana katakana han": "jpan ja jpn",
    "kannada": "knda kn kan",
    "khmer": "khmr km khm",
    "lao": "laoo lo lao",
    "latin": (
        "latn af afr ak aka als an ast ay aym bar bi bm bs bos br bre ca cat ceb co cos cs ces cze "
        "cy cym da dan de deu ger ee en eng eo epo es spa et est eu eus fi fin fil fj fo fao fr "
        "fra fre fur fy fry ga gle gd gla gl glg gn grn gsw gv ha hau haw ho hr hrv ht hat hu "
        "hun ia id ind ig ibo ilo io is isl it ita jv jav kg ki kj kl kw la lat lb ltz lg lij "
        "lmo ln lin lt lit lv lav mg mlg mh mi mri min ms msa mt mlt na nap nb nob nd nds nl "
        "nld dut nn nno no nor nr nso nv ny nya oc oci om orm pap pl pol pt por qu que rm roh "
        "rn ro ron rum rw kin sc scn sg sk slk slo sl slv sm sn sna so som sq sqi ss st sot su "
        "sun sv swe sw swa swh szl tk tuk tl tgl tn to tpi tr tur ts tw ty ve vec vi vie vo wa "
        "war wo wol xh xho yo yor zu zul"
    ),
    "latin arabic": "ku kur kmr",
    "latin cyrillic": "az aze azj crh hbs kaa sh sr srp uz uzb uzn",
    "malayalam": "mlym ml mal",
    "myanmar": "mymr my mya bur",
    "oriya": "orya or ori ory",
    "sinhala": "sinh si sin",
    "tamil": "taml ta tam",
    "telugu": "telu te tel",
    "thai": "thai th tha",
    "tibetan": "tibt bo bod tib dz dzo",
}
"""Scripts, and their codes: four letters (ISO 15924), as in sr-Latn or zho_Hant, and the codes of
the languages written in them, two or three letters (ISO 639).
"""

_SCRIPTS = {
    code: frozenset(scripts.split()) for scripts, codes in _CODES.items() for code in codes.split()
}


def scripts_of_language(code: str) -> frozenset[str]:
    """Return the scripts that a language is written in; empty if unknown.

    Args:
        code: Language code such as de, deu, pt-BR, sr-Latn or zho_Hant; a script in it has
            priority.
    """
    language, *subtags = re.split("[-_]", code.lower())
    codes = [subtag for subtag in subtags if len(subtag) == 4]
    if len(language) < 4:
        codes.append(language)
    return next((_SCRIPTS[code] for code in codes if code in _SCRIPTS), frozenset())


class _Scripts(dict[str, str | None]):
    """Caches the script of each character: Unicode has a million, a corpus a few hundred."""

    def __missing__(self, char: str) -> str | None:
        self[char] = _first_word(char) if unicodedata.category(char)[0] == "L" else None
        return self[char]


def _first_word(char: str) -> str:
    """Return the script from a letter's Unicode name, such as `LATIN SMALL LETTER A`."""
    # A compatibility character, such as a full-width letter, is named after its form.
    plain = unicodedata.normalize("NFKC", char)[0]
    first = re.split("[ -]", unicodedata.name(plain, "unknown"))[0].lower()
    return "han" if first in ("cjk", "ideographic") else first


_SCRIPT_OF = _Scripts()


def script_of(char: str) -> str | None:
    """Return the script of a letter, such as latin, hangul or han; None for other characters."""
    return _SCRIPT_OF[char]
