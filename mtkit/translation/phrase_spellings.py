"""Automata for all token sequences of a vocabulary that spell a phrase."""

import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import cached_property

from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.search.constraints.phrase_automaton import NOWHERE, PhraseAutomaton, Positions
from mtkit.tokenizer.normalize import WORD_BOUNDARY
from mtkit.tokenizer.subword import Subword, VocabEntry

logger = get_logger(__name__)


class PhraseSpeller:
    """Turns phrases into automata over tokens.

    A phrase occurs where its text does in the translation, whatever the tokens. In a language with
    spaces, a phrase that begins with a letter or digit has to begin where a word begins; one that
    begins with another character may begin anywhere. It is complete if a token ends where it ends,
    so a longer word counts too if the vocabulary splits it there.

    Args:
        subword: The vocabulary.
        has_spaces: Whether the language writes spaces between words.
    """

    def __init__(self, subword: Subword, has_spaces: bool) -> None:
        self.subword, self.has_spaces = subword, has_spaces
        self.texts = texts = {
            i: text for i, piece in enumerate(subword.entries()) if (text := _text_of(piece))
        }
        self.whole = _Index(texts.items())
        without_text = frozenset(range(subword.vocab_size)) - texts.keys()
        self.openers = (
            without_text | {i for i, text in texts.items() if _ends_word(text)}
            if has_spaces
            else frozenset()
        )
        self._known: dict[str, PhraseAutomaton] = {}

    def phrase(self, text: str) -> PhraseAutomaton:
        """Return the automaton of a phrase.

        Position 0 is before the space that precedes the phrase, position 1 after that space.

        Raises:
            MtkitError: The phrase is empty.
        """
        if text not in self._known:
            # A stream of lines may have any number of different phrases.
            if len(self._known) >= 10_000:
                self._known.clear()
            self._known[text] = self._spelled(text)
        return self._known[text]

    @cached_property
    def word_starts(self) -> "_Index":
        """Suffixes of tokens from each position where a word begins."""
        return self._inner(lambda before: not _is_letter(before))

    @cached_property
    def all_starts(self) -> "_Index":
        """Suffixes of tokens from each character except the first."""
        return self._inner(lambda before: True)

    def _inner(self, may_follow: Callable[[str], bool]) -> "_Index":
        return _Index(
            (i, text[j:]) for i, text in self.texts.items() for j in _inner_starts(text, may_follow)
        )

    def _spelled(self, text: str) -> PhraseAutomaton:
        normalized = self.subword.normalize(text).strip()
        if not normalized:
            raise MtkitError(
                f"{text!r}: a phrase needs at least one visible character", "leave it out"
            )
        if normalized != (written := " ".join(text.split())):
            logger.warning(
                "constraints: this model's tokenizer writes %r as %r", written, normalized
            )
        begins_anywhere = not self.has_spaces or not _is_letter(normalized[0])
        inner = self.all_starts if begins_anywhere else self.word_starts
        spelled = b" " + normalized.encode()
        steps: list[dict[int, Positions]] = []
        ends: list[frozenset[int]] = []
        for position in range(len(spelled)):
            leads, completes = self._continuations(self.whole, spelled, position)
            if position == 0:
                more, also = self._continuations(inner, spelled, 1)
                leads = {
                    token: leads.get(token, NOWHERE) | more.get(token, NOWHERE)
                    for token in (*leads, *more)
                }
                completes |= also
            steps.append(leads)
            ends.append(completes)
        always = frozenset((0, 1)) if begins_anywhere else frozenset((0,))
        return PhraseAutomaton(normalized, tuple(steps), tuple(ends), always, self.openers)

    def _continuations(
        self, index: "_Index", spelled: bytes, position: int
    ) -> tuple[dict[int, Positions], frozenset[int]]:
        rest = spelled[position:]
        leads: dict[int, Positions] = {}
        for length in range(1, len(rest)):
            for token in index.equal_to(rest[:length]):
                leads[token] = leads.get(token, NOWHERE) | {position + length}
        ends_anywhere = not self.has_spaces or not _is_letter(spelled.decode()[-1])
        completes = (
            token
            for token, after in index.starting_with(rest)
            if not after or ends_anywhere or not _is_letter(after.decode()[0])
        )
        return leads, frozenset(completes)


class _Index:
    """Tokens by their bytes."""

    def __init__(self, texts: Iterable[tuple[int, bytes]]) -> None:
        self._sorted = sorted((text, token) for token, text in texts)
        self._equal: dict[bytes, list[int]] = {}
        for text, token in self._sorted:
            self._equal.setdefault(text, []).append(token)

    def equal_to(self, text: bytes) -> list[int]:
        return self._equal.get(text, [])

    def starting_with(self, text: bytes) -> list[tuple[int, bytes]]:
        """Return the tokens that start with some bytes, each with the bytes that follow."""
        found = []
        for i in range(bisect_left(self._sorted, (text, -1)), len(self._sorted)):
            candidate, token = self._sorted[i]
            if not candidate.startswith(text):
                break
            found.append((token, candidate[len(text) :]))
        return found


def _inner_starts(text: bytes, may_follow: Callable[[str], bool]) -> list[int]:
    """Return the offsets in a token, except 0, at which a phrase can begin.

    Args:
        text: Bytes of the token.
        may_follow: Whether a phrase can begin after a character.
    """
    try:
        chars = text.decode()
    except UnicodeDecodeError:
        return []
    # The space before a word belongs to position 0.
    return [
        len(chars[:j].encode())
        for j in range(1, len(chars))
        if may_follow(chars[j - 1]) and not (j == 1 and chars[0] == " ")
    ]


def _text_of(entry: VocabEntry) -> bytes:
    if entry.kind == "byte":
        return bytes([int(entry.text[3:5], 16)])
    return b"" if entry.kind == "special" else entry.text.replace(WORD_BOUNDARY, " ").encode()


def _ends_word(text: bytes) -> bool:
    """Return whether a word may begin after these bytes.

    It may after a part of a character, which is rare and mostly not a letter.
    """
    try:
        return not _is_letter(text.decode()[-1])
    except UnicodeDecodeError:
        return True


def _is_letter(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char).startswith("M")
