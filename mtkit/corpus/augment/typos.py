"""Slips of the finger, as people make them who type fast."""

import unicodedata
from random import Random

from mtkit.corpus.languages import base_language
from mtkit.corpus.placeholders import letter_positions

LETTERS_PER_TYPO = 20

_QWERTY = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_OTHER_SCRIPTS = (
    ("йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю"),
    ("ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔ", "ㅁㄴㅇㄹㅎㅗㅓㅏㅣ", "ㅋㅌㅊㅍㅠㅜㅡ"),
)
_LATIN = {
    "de deu ger": ("qwertzuiopü", "asdfghjklöä", "yxcvbnm"),
    "fr fra fre": ("azertyuiop", "qsdfghjklm", "wxcvbn"),
}
_SYLLABLE_POSITIONS = ("CHOSEONG", "JUNGSEONG", "JONGSEONG")
"""Unicode's names of a jamo's places in a syllable: initial consonant, vowel, final consonant."""


def add_typos(text: str, lang: str, rng: Random) -> str:
    """Make a slip at one letter in twenty, at least at one.

    Two neighbouring letters are swapped, one is left out, one is doubled, or mistaken for its neighbour on the language's keyboard. In a Hangul
    syllable a single letter (jamo) is left out, doubled or mistaken, or the final consonant is written where it is heard, in the next syllable.
    Placeholders stay whole. Text without letters stays as it is.

    Args:
        text: One line.
        lang: Its language code, for the keyboard.
        rng: Where chance comes from.
    """
    places = letter_positions(text)
    if not places:
        return text
    chars, free = list(text), frozenset(places)
    keys = _KEYS.get(base_language(lang), _KEYS["other"])
    # From right to left, so that what is done does not shift what is to come.
    for place in sorted(rng.sample(places, max(1, len(places) // LETTERS_PER_TYPO)), reverse=True):
        has_next = place + 1 in free
        slips = _possible_typos(
            chars[place],
            chars[place + 1] if has_next else "",
            has_next or place - 1 in free,
            keys,
            rng,
        )
        slip = rng.choice(slips)
        chars[place : place + len(slip)] = slip
    return "".join(chars)


def _possible_typos(
    letter: str, following: str, has_neighbour: bool, keys: dict[str, str], rng: Random
) -> list[tuple[str, ...]]:
    """What may come of a letter, or of it and the following one."""
    jamo = unicodedata.normalize("NFD", letter) if "가" <= letter <= "힣" else ""
    slips: list[tuple[str, ...]] = [(letter + (_to_letter(jamo[-1]) if jamo else letter),)]
    if following and following != letter:
        slips.append((following, letter))
    if len(jamo) == 3:
        slips.append((unicodedata.normalize("NFC", jamo[:2]),))
    elif has_neighbour:
        slips.append(("",))
    if jamo:
        mistaken = [(i, keys[char]) for i, char in enumerate(jamo) if char in keys]
        if mistaken:
            i, near = rng.choice(mistaken)
            slips.append(
                (unicodedata.normalize("NFC", jamo[:i] + rng.choice(near) + jamo[i + 1 :]),)
            )
        if len(jamo) == 3 and (heard := _as_pronounced(jamo, following)):
            slips.append(heard)
    elif near := keys.get(letter.lower()):
        mistake = rng.choice(near)
        slips.append((mistake.upper() if letter.isupper() else mistake,))
    return slips


def _as_pronounced(jamo: str, following: str) -> tuple[str, str] | None:
    """먹어 as 머거: the final consonant before a silent ㅇ opens the next syllable. None where it cannot."""
    silent = "\u110b"  # initial ㅇ
    rest = unicodedata.normalize("NFD", following) if "가" <= following <= "힣" else ""
    initial = _to_jamo(_to_letter(jamo[2]), _SYLLABLE_POSITIONS[0])
    if not rest.startswith(silent) or initial in ("", silent):
        return None
    return unicodedata.normalize("NFC", jamo[:2]), unicodedata.normalize("NFC", initial + rest[1:])


def _to_jamo(letter: str, place: str) -> str:
    """A Hangul letter as part of a syllable; empty where it cannot stand there."""
    try:
        return unicodedata.lookup(
            f"HANGUL {place} {unicodedata.name(letter).removeprefix('HANGUL LETTER ')}"
        )
    except KeyError:
        return ""


def _to_letter(jamo: str) -> str:
    """A part of a syllable as a letter by itself."""
    return unicodedata.lookup(f"HANGUL LETTER {unicodedata.name(jamo).split(' ', 2)[2]}")


def _adjacent_keys(rows: tuple[str, ...]) -> dict[str, str]:
    """Each key's neighbours: a row lies half a key to the right of the one above."""
    near: dict[str, str] = {}
    for number, row in enumerate(rows):
        above = rows[number - 1] if number else ""
        below = rows[number + 1] if number + 1 < len(rows) else ""
        for i, key in enumerate(row):
            near[key] = (
                row[max(i - 1, 0) : i]
                + row[i + 1 : i + 2]
                + above[i : i + 2]
                + below[max(i - 1, 0) : i + 1]
            )
    return near


def _with_jamo(near: dict[str, str]) -> dict[str, str]:
    """The same for each part that a Hangul letter can be of a syllable; a slip leaves it a syllable."""
    places = {
        _to_jamo(key, place): "".join(_to_jamo(other, place) for other in others)
        for key, others in near.items()
        for place in _SYLLABLE_POSITIONS
    }
    return near | {key: others for key, others in places.items() if key and others}


_SHARED = {
    key: near for rows in _OTHER_SCRIPTS for key, near in _with_jamo(_adjacent_keys(rows)).items()
}
_KEYS = {
    lang: _adjacent_keys(rows) | _SHARED
    for langs, rows in {"other": _QWERTY, **_LATIN}.items()
    for lang in langs.split()
}
