"""Typos such as people make when they type fast."""

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
"""Unicode's names of the positions in a Hangul syllable: initial, vowel, final."""


def add_typos(text: str, lang: str, rng: Random) -> str:
    """Add a typo at one letter in twenty, at least one.

    Two adjacent letters are swapped, or one is left out, doubled, or replaced by an adjacent key of
    the language's keyboard. In a Hangul syllable, a single letter (jamo) is left out, doubled or
    replaced, or the final consonant moves to the next syllable, where it is pronounced.
    Placeholders and text without letters are not changed.

    Args:
        text: One line.
        lang: Its language code, which selects the keyboard.
        rng: Random number generator.
    """
    positions = letter_positions(text)
    if not positions:
        return text
    chars, is_free = list(text), frozenset(positions)
    keys = _KEYS.get(base_language(lang), _KEYS["other"])
    # From right to left, so that a change of length does not shift the remaining positions.
    for position in sorted(
        rng.sample(positions, max(1, len(positions) // LETTERS_PER_TYPO)), reverse=True
    ):
        has_next = position + 1 in is_free
        typos = _possible_typos(
            chars[position],
            chars[position + 1] if has_next else "",
            has_next or position - 1 in is_free,
            keys,
            rng,
        )
        typo = rng.choice(typos)
        chars[position : position + len(typo)] = typo
    return "".join(chars)


def _possible_typos(
    letter: str, following: str, has_neighbor: bool, keys: dict[str, str], rng: Random
) -> list[tuple[str, ...]]:
    """List the possible typos: replacements of a letter, or of it and the following letter."""
    jamo = unicodedata.normalize("NFD", letter) if "가" <= letter <= "힣" else ""
    typos: list[tuple[str, ...]] = [(letter + (_to_letter(jamo[-1]) if jamo else letter),)]
    if following and following != letter:
        typos.append((following, letter))
    if len(jamo) == 3:
        typos.append((unicodedata.normalize("NFC", jamo[:2]),))
    elif has_neighbor:
        typos.append(("",))
    if jamo:
        replaceable = [(i, keys[char]) for i, char in enumerate(jamo) if char in keys]
        if replaceable:
            i, adjacent = rng.choice(replaceable)
            typos.append(
                (unicodedata.normalize("NFC", jamo[:i] + rng.choice(adjacent) + jamo[i + 1 :]),)
            )
        if len(jamo) == 3 and (pronounced := _as_pronounced(jamo, following)):
            typos.append(pronounced)
    elif adjacent := keys.get(letter.lower()):
        key = rng.choice(adjacent)
        typos.append((key.upper() if letter.isupper() else key,))
    return typos


def _as_pronounced(jamo: str, following: str) -> tuple[str, str] | None:
    """Move a final consonant before a silent ㅇ to the next syllable, as in 먹어 and 머거.

    Returns None if that is not possible.
    """
    silent = "\u110b"  # initial ㅇ
    rest = unicodedata.normalize("NFD", following) if "가" <= following <= "힣" else ""
    initial = _to_jamo(_to_letter(jamo[2]), _SYLLABLE_POSITIONS[0])
    if not rest.startswith(silent) or initial in ("", silent):
        return None
    return unicodedata.normalize("NFC", jamo[:2]), unicodedata.normalize("NFC", initial + rest[1:])


def _to_jamo(letter: str, position: str) -> str:
    """Return a Hangul letter as a jamo of a syllable; empty if it cannot have that position."""
    try:
        return unicodedata.lookup(
            f"HANGUL {position} {unicodedata.name(letter).removeprefix('HANGUL LETTER ')}"
        )
    except KeyError:
        return ""


def _to_letter(jamo: str) -> str:
    """Return a jamo of a syllable as a separate letter."""
    return unicodedata.lookup(f"HANGUL LETTER {unicodedata.name(jamo).split(' ', 2)[2]}")


def _adjacent_keys(rows: tuple[str, ...]) -> dict[str, str]:
    """Map each key to its adjacent keys; each row is offset to the right by half a key."""
    adjacent: dict[str, str] = {}
    for number, row in enumerate(rows):
        above = rows[number - 1] if number else ""
        below = rows[number + 1] if number + 1 < len(rows) else ""
        for i, key in enumerate(row):
            adjacent[key] = (
                row[max(i - 1, 0) : i]
                + row[i + 1 : i + 2]
                + above[i : i + 2]
                + below[max(i - 1, 0) : i + 1]
            )
    return adjacent


def _with_jamo(adjacent: dict[str, str]) -> dict[str, str]:
    """Add the jamo that each Hangul letter can become, so that a typo leaves a syllable."""
    adjacent_jamo = {
        _to_jamo(key, position): "".join(_to_jamo(neighbor, position) for neighbor in keys)
        for key, keys in adjacent.items()
        for position in _SYLLABLE_POSITIONS
    }
    return adjacent | {key: keys for key, keys in adjacent_jamo.items() if key and keys}


_SHARED = {
    key: adjacent
    for rows in _OTHER_SCRIPTS
    for key, adjacent in _with_jamo(_adjacent_keys(rows)).items()
}
_KEYS = {
    lang: _adjacent_keys(rows) | _SHARED
    for langs, rows in {"other": _QWERTY, **_LATIN}.items()
    for lang in langs.split()
}
