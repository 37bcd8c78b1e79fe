"""The ways in which a vocabulary's pieces can spell a phrase."""

import unicodedata
from bisect import bisect_left
from collections.abc import Iterable

from mtkit.errors import MtkitError
from mtkit.search.phrases import NOWHERE, Phrase, Positions
from mtkit.tokenizer.normalize import WORD_BOUNDARY
from mtkit.tokenizer.subword import Piece, Subword


class Speller:
    """Turns phrases into automata over pieces.

    A phrase is found where its text stands in the translation, whatever the pieces; in a language with spaces it has to begin where a word begins.
    It is complete when a piece ends where it ends, so that a longer word counts too if the vocabulary splits it there.

    Args:
        subword: The vocabulary.
        has_spaces: Whether the language writes spaces between words.
    """

    def __init__(self, subword: Subword, has_spaces: bool) -> None:
        self.subword, self.has_spaces = subword, has_spaces
        texts = {i: text for i, piece in enumerate(subword.pieces()) if (text := _text_of(piece))}
        self.whole = _Index(texts.items())
        self.inner = _Index((i, text[j:]) for i, text in texts.items() for j in self._inner_starts(text))
        without_text = frozenset(range(subword.vocab_size)) - texts.keys()
        self.openers = without_text | {i for i, text in texts.items() if _ends_word(text)} if has_spaces else frozenset()
        self._known: dict[str, Phrase] = {}

    def phrase(self, text: str) -> Phrase:
        """The automaton of a phrase. Position 0 is before a space that stands before it, position 1 is after that space.

        Raises:
            MtkitError: There is nothing in it.
        """
        if text not in self._known:
            # A stream of lines may bring any number of different ones.
            if len(self._known) >= 10_000:
                self._known.clear()
            self._known[text] = self._spelt(text)
        return self._known[text]

    def _spelt(self, text: str) -> Phrase:
        normalized = self.subword.normalize(text).strip()
        if not normalized:
            raise MtkitError(f"{text!r}: a phrase has at least one character that can be seen", "leave it out")
        spelt = b" " + normalized.encode()
        steps: list[dict[int, Positions]] = []
        ends: list[frozenset[int]] = []
        for position in range(len(spelt)):
            leads, completes = self._continuations(self.whole, spelt, position)
            if position == 0:
                more, also = self._continuations(self.inner, spelt, 1)
                leads = {token: leads.get(token, NOWHERE) | more.get(token, NOWHERE) for token in (*leads, *more)}
                completes |= also
            steps.append(leads)
            ends.append(completes)
        always = frozenset((0,)) if self.has_spaces else frozenset((0, 1))
        return Phrase(normalized, tuple(steps), tuple(ends), always, self.openers)

    def _continuations(self, index: "_Index", spelt: bytes, position: int) -> tuple[dict[int, Positions], frozenset[int]]:
        rest = spelt[position:]
        leads: dict[int, Positions] = {}
        for length in range(1, len(rest)):
            for token in index.equal_to(rest[:length]):
                leads[token] = leads.get(token, NOWHERE) | {position + length}
        completes = (token for token, after in index.starting_with(rest) if not after or not self.has_spaces or not _is_letter(after.decode()[0]))
        return leads, frozenset(completes)

    def _inner_starts(self, text: bytes) -> list[int]:
        """Where in a piece, but not at its start, a phrase can begin."""
        try:
            chars = text.decode()
        except UnicodeDecodeError:
            return []
        starts = range(1, len(chars)) if not self.has_spaces else [j for j in range(1, len(chars)) if not _is_letter(chars[j - 1])]
        # The space that a word begins with is position 0's own.
        return [len(chars[:j].encode()) for j in starts if not (j == 1 and chars[0] == " ")]


class _Index:
    """Pieces by their bytes."""

    def __init__(self, texts: Iterable[tuple[int, bytes]]) -> None:
        self._sorted = sorted((text, token) for token, text in texts)
        self._equal: dict[bytes, list[int]] = {}
        for text, token in self._sorted:
            self._equal.setdefault(text, []).append(token)

    def equal_to(self, text: bytes) -> list[int]:
        return self._equal.get(text, [])

    def starting_with(self, text: bytes) -> list[tuple[int, bytes]]:
        """Each with the bytes that follow."""
        found = []
        for i in range(bisect_left(self._sorted, (text, -1)), len(self._sorted)):
            candidate, token = self._sorted[i]
            if not candidate.startswith(text):
                break
            found.append((token, candidate[len(text) :]))
        return found


def _text_of(piece: Piece) -> bytes:
    if piece.kind == "byte":
        return bytes([int(piece.text[3:5], 16)])
    return b"" if piece.kind == "special" else piece.text.replace(WORD_BOUNDARY, " ").encode()


def _ends_word(text: bytes) -> bool:
    """Whether a word may begin after these bytes. After a part of a character it may: that character is rare, and mostly no letter."""
    try:
        return not _is_letter(text.decode()[-1])
    except UnicodeDecodeError:
        return True


def _is_letter(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char).startswith("M")
