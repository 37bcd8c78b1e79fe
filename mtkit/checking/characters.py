"""Count classes of characters in many lines at once: problematic ones, and letters by script."""

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtkit.corpus.scripts import script_of

PROBLEM_CHARS = {
    "tab": "\t",
    "nul": "\0",
    "cr": "\r",
    # Where Python's str.splitlines and some editors and tools end a line, except for LF and CR.
    "line_end": "\v\f\x1c\x1d\x1e\x85\u2028\u2029",
    "bom": "\ufeff",
    "replacement": "\ufffd",
    "invisible": "\xad\u061c\u180e\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufff9\ufffa\ufffb",
}
"""Problematic characters by class. Zero-width joiners are not invisible: Persian and emoji need
them.
"""

_BY_CATEGORY = {"Cc": "control", "Co": "private_use"}
SPACE = "space"
"""Class of all characters for which `str.isspace` is true, except for PROBLEM_CHARS."""
_OTHER = "other"
_UNCLASSIFIED = 255
"""Marks characters not yet classified; Unicode 17 has fewer than 180 scripts."""

_CLASS_OF_PROBLEM = {char: kind for kind, chars in PROBLEM_CHARS.items() for char in chars} | {
    "\n": _OTHER
}


def char_class(char: str) -> str:
    """Return the class of a character.

    It is a key of PROBLEM_CHARS, space, control, private_use, the script of a letter, or other.
    """
    if char in _CLASS_OF_PROBLEM:
        return _CLASS_OF_PROBLEM[char]
    if char.isspace():
        return SPACE
    return _BY_CATEGORY.get(unicodedata.category(char)) or script_of(char) or _OTHER


class CharClassCounter:
    """Counts classes of characters per line; its table is filled on demand."""

    def __init__(self) -> None:
        self._names: list[str] = [_OTHER]
        self._class_numbers = np.full(0x110000, _UNCLASSIFIED, np.uint8)

    def count(self, lines: Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """Count the characters of each class in each line.

        Args:
            lines: Texts.
        Returns:
            Counts by class, without other and without classes that do not occur. Shape (lines,)
            each.
        """
        if not lines:
            return {}
        # The LF gives blank lines a character, since reduceat cannot sum an empty range.
        text = "\n".join(lines) + "\n"
        kinds = self._classes_of(
            np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), np.dtype("<u4"))
        )
        lengths = np.fromiter(map(len, lines), np.int64, len(lines)) + 1
        starts = np.cumsum(lengths) - lengths
        present = np.flatnonzero(np.bincount(kinds, minlength=len(self._names)))
        return {
            self._names[kind]: np.add.reduceat(kinds == kind, starts, dtype=np.int64)
            for kind in present
            if self._names[kind] != _OTHER
        }

    def _classes_of(self, codes: NDArray[np.uint32]) -> NDArray[np.uint8]:
        kinds = self._class_numbers[codes]
        is_new = kinds == _UNCLASSIFIED
        if is_new.any():
            for code in np.unique(codes[is_new]):
                self._class_numbers[code] = self._number(char_class(chr(code)))
            kinds = self._class_numbers[codes]
        return kinds

    def _number(self, name: str) -> int:
        if name not in self._names:
            self._names.append(name)
        return self._names.index(name)
