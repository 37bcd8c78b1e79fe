"""Hangul syllables taken apart and put together, and the particles that depend on them.

A syllable's code point is 0xAC00 + (initial * 21 + vowel) * 28 + final (The Unicode Standard,
section 3.12); final 0 is none.
"""

_FIRST = 0xAC00
_LAST = 0xD7A3
_N_FINALS = 28
_N_VOWELS = 21

FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
"""The final consonants in the order of their code; the blank means none."""
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
"""The vowels in the order of their code."""


def _code(syllable: str) -> int:
    if not _FIRST <= ord(syllable) <= _LAST:
        raise ValueError(f"{syllable!r} is not a Hangul syllable")
    return ord(syllable) - _FIRST


def final(word: str) -> str:
    """Final consonant of a word's last syllable, as a letter; empty when it ends in a vowel.

    Raises:
        ValueError: The last character is not a Hangul syllable.
    """
    return FINALS[_code(word[-1]) % _N_FINALS].strip()


def vowel(word: str) -> str:
    """Vowel of a word's last syllable, as a letter."""
    return VOWELS[_code(word[-1]) // _N_FINALS % _N_VOWELS]


def with_final(word: str, consonant: str) -> str:
    """The word with its last syllable's final consonant replaced; empty takes it away."""
    code = _code(word[-1])
    return word[:-1] + chr(_FIRST + code - code % _N_FINALS + FINALS.index(consonant or " "))


def with_vowel(word: str, letter: str) -> str:
    """The word with its last syllable's vowel replaced."""
    initial, old = divmod(_code(word[-1]), _N_VOWELS * _N_FINALS)
    return word[:-1] + chr(
        _FIRST + (initial * _N_VOWELS + VOWELS.index(letter)) * _N_FINALS + old % _N_FINALS
    )


def topic(noun: str) -> str:
    """은 after a consonant, 는 after a vowel."""
    return noun + ("은" if final(noun) else "는")


def subject(noun: str) -> str:
    """이 after a consonant, 가 after a vowel; 나 and 너 change before it."""
    irregular = {"나": "내가", "너": "네가"}
    return irregular.get(noun) or noun + ("이" if final(noun) else "가")


def object_(noun: str) -> str:
    """을 after a consonant, 를 after a vowel."""
    return noun + ("을" if final(noun) else "를")


def and_(noun: str) -> str:
    """과 after a consonant, 와 after a vowel."""
    return noun + ("과" if final(noun) else "와")


def toward(noun: str) -> str:
    """로 after a vowel and after ㄹ, 으로 after any other consonant: a direction, or a means."""
    return noun + ("로" if final(noun) in ("", "ㄹ") else "으로")
