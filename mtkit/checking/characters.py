"""Kinds of characters, counted in many lines at once: those that make trouble, and the letters of each script."""

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtkit.corpus.scripts import script_of

PROBLEM_CHARS = {
    "tab": "\t",
    "nul": "\0",
    "cr": "\r",
    # Where Python's str.splitlines ends a line, and some editors and tools do; LF and CR apart.
    "line_end": "\v\f\x1c\x1d\x1e\x85\u2028\u2029",
    "bom": "\ufeff",
    "replacement": "\ufffd",
    "invisible": "\xad\u061c\u180e\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064"
    "\u2066\u2067\u2068\u2069\ufff9\ufffa\ufffb",
}
"""Characters by what they are found as. Zero-width joiners are not among the invisible ones: Persian and emoji are spelt with them."""

_BY_CATEGORY = {"Cc": "control", "Co": "private_use"}
SPACE = "space"
"""Whatever `str.isspace` takes for space, with the exception of what is TROUBLE."""
_OTHER = "other"
_UNCLASSIFIED = 255
"""Unicode 17 has fewer than 180 scripts."""

_CLASS_OF_PROBLEM = {char: kind for kind, chars in PROBLEM_CHARS.items() for char in chars} | {
    "\n": _OTHER
}


def char_class(char: str) -> str:
    """What a character counts as: a name in `TROUBLE`, space, control, private_use, a letter's script, or other."""
    if char in _CLASS_OF_PROBLEM:
        return _CLASS_OF_PROBLEM[char]
    return (
        SPACE
        if char.isspace()
        else _BY_CATEGORY.get(unicodedata.category(char)) or script_of(char) or _OTHER
    )


class CharClassCounter:
    """Counts kinds of characters, line by line. Its table fills as characters come."""

    def __init__(self) -> None:
        self._names: list[str] = [_OTHER]
        self._class_numbers = np.full(0x110000, _UNCLASSIFIED, np.uint8)

    def count(self, lines: Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """How many characters of each kind a line holds.

        Args:
            lines: Texts.
        Returns:
            By kind, without other and without kinds that no line holds. Shape (lines,) each.
        """
        if not lines:
            return {}
        # The LF keeps blank lines from having no characters, which reduceat cannot add up.
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
