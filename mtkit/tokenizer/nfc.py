"""Rules of the normalization `nfc`, which SentencePiece does not provide.

SentencePiece's own normalizations are based on NFKC, which replaces characters that ordinary text
needs: Korean ㅋㅋㅋ, Chinese ， and ！, …, ², ½, ™ and №. A model could then never write them.
"""

import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import permutations

# As in `clean.invisible`. Joiners are kept: Persian and Indic spelling and emoji need them.
_INVISIBLE = (
    *range(0x01, 0x09), *range(0x0E, 0x1C), 0x7F, 0xAD, 0x61C, 0x180E, 0x200B, 0x200E, 0x200F,
    *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF, *range(0xFFF9, 0xFFFC),
)  # fmt: skip
_END = 0x30000
"""No character from this code point on is replaced."""
_SHAPES = frozenset({"<initial>", "<medial>", "<final>", "<isolated>"})


@cache
def nfc_rules() -> dict[str, str]:
    """Return the replacements of the normalization `nfc`.

    They cover NFC, white space and invisible characters as in cleaning, and presentation forms. The
    longest matching key wins. SentencePiece cannot sort combining marks, so only sequences with a
    precomposed character are reordered.
    """
    rules = {chr(code): "" for code in _INVISIBLE}
    rules |= {
        chr(code): bytes([code]).decode("cp1252", errors="ignore") for code in range(0x80, 0xA0)
    }
    for char in map(chr, range(_END)):
        if char.isspace() and char != " " and char not in rules:
            rules[char] = " "
        elif (normalized := _without_presentation_form(char)) != char:
            rules[char] = normalized
        elif unicodedata.decomposition(char) or "가" <= char <= "힣":
            rules |= dict.fromkeys(_equivalent_sequences(char), char)
    return rules


def _without_presentation_form(char: str) -> str:
    """Return the letters of a ligature, contextual shape or half-width form; else the NFC form."""
    if "\uff61" <= char <= "\uff9f" or "\ufb00" <= char <= "\ufb4f":
        return unicodedata.normalize("NFKC", char)
    kind, _, code = unicodedata.decomposition(char).partition(" ")
    if "\uffa0" <= char <= "\uffdc" and kind == "<narrow>":
        return chr(int(code, 16))  # NFKC would return a conjoining jamo
    if kind in _SHAPES:
        letters = unicodedata.normalize("NFKC", char)
        # Longer results are words, such as the honorific U+FDFA, and a space carries a mark that is
        # displayed alone.
        return letters if len(letters) < 4 and " " not in letters else char
    return unicodedata.normalize("NFC", char)


def _equivalent_sequences(char: str) -> Iterator[str]:
    """Yield the sequences that a composed character is canonically equivalent to.

    Sequences with half-width kana are included.
    """
    first, *marks = unicodedata.normalize("NFD", char)
    for ordered in sorted(set(permutations(marks))):
        for n_composed in range(len(marks)):
            spelling = unicodedata.normalize(
                "NFC", first + "".join(ordered[:n_composed])
            ) + "".join(ordered[n_composed:])
            if len(spelling) > 1 and unicodedata.normalize("NFC", spelling) == char:
                yield spelling
                yield from _half_width(spelling)


def _half_width(spelling: str) -> Iterator[str]:
    """Yield the half-width kana with a voicing mark."""
    kana, mark = spelling[0], spelling[1:]
    narrow_base, narrow_mark = _narrow_kana().get(kana), _narrow_kana().get(mark)
    if narrow_mark:
        yield kana + narrow_mark
        if narrow_base:
            yield narrow_base + mark
            yield narrow_base + narrow_mark


@cache
def _narrow_kana() -> dict[str, str]:
    return {unicodedata.normalize("NFKC", char): char for char in map(chr, range(0xFF61, 0xFFA0))}
