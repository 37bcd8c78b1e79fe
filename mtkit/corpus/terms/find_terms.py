"""Occurrences of terms in sources, and of their forms in translations."""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from mtkit.corpus.terms.term_list import Spans, Term, markup_spans
from mtkit.corpus.terms.words import Word, WordFinder

_TERMS = ""
"""Key of the terms that end at a node; no word is empty."""


class FoundTerm(NamedTuple):
    """An occurrence of a term in a source."""

    term: Term
    begin: int
    """First character."""
    end: int
    """Character after the last one, without a particle."""


class TermFinder:
    """Finds terms in texts, with a trie of their words.

    The longest term at a position is found, and no two of them overlap. A term begins and ends at
    word borders; in a language without spaces it is found anywhere, and in Korean, particles may
    follow. Capitalization is ignored unless a term is case-sensitive. Text is compared in NFC.

    Args:
        terms: The terms.
        lang: Language of the texts.
        protected: Returns the parts of a text in which there are no terms.
    """

    def __init__(
        self,
        terms: Iterable[Term],
        lang: str,
        protected: Callable[[str], Spans] = markup_spans,
    ) -> None:
        self._words, self._protected = WordFinder(lang), protected
        self._root: dict[str, Any] = {}
        for term in terms:
            node = self._root
            for word in self._words.find(term.source):
                node = node.setdefault(word.text.casefold(), {})
            node.setdefault(_TERMS, []).append(term)

    def find(self, text: str) -> list[FoundTerm]:
        """Return the terms in a text, in order."""
        # Most lines have no term; this takes a tenth of the time of what follows.
        if not self._words.may_begin_with(text, self._root):
            return []
        words = self._words.find(text)
        keys = [word.text.casefold() for word in words]
        found: list[FoundTerm] = []
        spans: Spans | None = None
        index = 0
        has_particles = self._words.has_particles
        while index < len(words):
            if keys[index] not in self._root and not has_particles:
                index += 1
                continue
            longest = self._longest(text, words, keys, index)
            if longest is None:
                index += 1
                continue
            if spans is None:
                spans = self._protected(text)
            one, after = longest
            if any(one.begin < end and begin < one.end for begin, end in spans):
                index += 1
                continue
            found.append(one)
            index = after
        return found

    def _longest(
        self, text: str, words: Sequence[Word], keys: Sequence[str], first: int
    ) -> tuple[FoundTerm, int] | None:
        """Return the longest term that begins with a word, and the index of the word after it."""
        longest = None
        for one, after in self._at(text, words, keys, first):
            if longest is None or one.end > longest[0].end:
                longest = one, after
        return longest

    def _at(
        self, text: str, words: Sequence[Word], keys: Sequence[str], first: int
    ) -> Iterator[tuple[FoundTerm, int]]:
        node = self._root
        begin = words[first].begin
        for index in range(first, len(words)):
            key = keys[index]
            for stem in self._words.stems(key):
                if (by_stem := node.get(stem)) is not None:
                    end = _end_of_stem(text, words[index], len(key) - len(stem))
                    if term := _matching(by_stem.get(_TERMS, ()), text[begin:end]):
                        yield FoundTerm(term, begin, end), index + 1
            node = node.get(key)
            if node is None:
                return
            end = words[index].end
            if term := _matching(node.get(_TERMS, ()), text[begin:end]):
                yield FoundTerm(term, begin, end), index + 1


def _end_of_stem(text: str, word: Word, n_particle: int) -> int:
    """Return where the particle of a word begins, given its length in NFC."""
    if len(word.text) == word.end - word.begin:
        return word.end - n_particle
    stem = word.text[: len(word.text) - n_particle]
    ends = range(word.begin + 1, word.end + 1)
    is_stem = (end for end in ends if unicodedata.normalize("NFC", text[word.begin : end]) == stem)
    return next(is_stem, word.end)


def _matching(terms: Sequence[Term], text: str) -> Term | None:
    """Return a term with the capitalization of a text, else one that is not case-sensitive."""
    if not terms:
        return None
    letters = unicodedata.normalize("NFC", "".join(text.split()))
    exact = (term for term in terms if term.is_case_sensitive)
    rest = (term for term in terms if not term.is_case_sensitive)
    return next((term for term in exact if "".join(term.source.split()) == letters), None) or next(
        rest, None
    )


class FormCounter:
    """Counts the forms of terms in translations.

    A form has the capitalization of the list, but may begin with a capital letter, as at the
    beginning of a sentence. It begins and ends at word borders, as in `TermFinder`.

    Args:
        lang: Language of the translations.
    """

    def __init__(self, lang: str) -> None:
        self._words = WordFinder(lang)
        self._sequences: dict[str, tuple[list[str], list[str]]] = {}

    def count(self, text: str, forms: Iterable[str]) -> int:
        """Return how often any of some forms occurs in a text."""
        return self.count_in_words(self.words(text), forms)

    def words(self, text: str) -> list[str]:
        """Return the words of a text, for `count_in_words`."""
        return [word.text for word in self._words.find(text)]

    def count_in_words(self, words: Sequence[str], forms: Iterable[str]) -> int:
        """Return how often any of some forms occurs in a list of words."""
        # A form that is a part of another one at the same place counts once.
        ends: dict[int, int] = {}
        for form in forms:
            for sequence in self._variants(form):
                for begin, end in self._occurrences(words, sequence):
                    ends[begin] = max(end, ends.get(begin, 0))
        n, last = 0, 0
        for begin in sorted(ends):
            if begin >= last:
                n, last = n + 1, ends[begin]
        return n

    def _variants(self, form: str) -> tuple[list[str], list[str]]:
        if form not in self._sequences:
            capitalized = form[:1].upper() + form[1:]
            self._sequences[form] = self.words(form), self.words(capitalized)
        return self._sequences[form]

    def _occurrences(self, words: Sequence[str], form: list[str]) -> Iterator[tuple[int, int]]:
        n = len(form)
        if not n:
            return
        for begin in range(len(words) - n + 1):
            if list(words[begin : begin + n - 1]) != form[:-1]:
                continue
            last = words[begin + n - 1]
            if last == form[-1] or form[-1] in self._words.stems(last):
                yield begin, begin + n
