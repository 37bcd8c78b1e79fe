"""Translations of words, learned from a corpus, and the words of a pair that they align."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from mtkit.corpus.placeholders import MARKUP
from mtkit.corpus.sentence_pair import Side
from mtkit.corpus.store.ragged_ids import RaggedIds
from mtkit.corpus.terms.words import Word, WordFinder
from mtkit.corpus.token_translations import learn_translations

MIN_PROBABILITY = 0.2
"""Translations of a word that are less probable are dropped."""
_MAX_SHARE = 0.05
"""Words of more than this share of the lines, such as articles, are no terms."""
_MIN_PARTICLES, _MIN_PARTICLES_OF_SYLLABLE = 2, 3
"""Number of particles with which a Korean stem has to occur, unless it occurs alone; and one of a
single syllable, in any case."""


class AlignedWord(NamedTuple):
    """A source word, without a particle, and the words that translate it."""

    src: Word
    tgt: Word
    """One word, or several next to each other."""


class WordSplitter:
    """Splits a text into words to be aligned, in Korean without particles.

    Args:
        lang: Language code.
        texts: Texts that tell a particle from the end of a noun: a stem is one that occurs alone
            or with several particles.
    """

    def __init__(self, lang: str, texts: Iterable[str] = ()) -> None:
        self._words = WordFinder(lang)
        self._stems: frozenset[str] = frozenset()
        if self._words.has_particles:
            counts = Counter(word.text for text in texts for word in self._words.find(text))
            by_stem = Counter(stem for word in counts for stem in self._words.stems(word))
            self._stems = frozenset(
                stem
                for stem, n in by_stem.items()
                if n >= (_MIN_PARTICLES if len(stem) > 1 else _MIN_PARTICLES_OF_SYLLABLE)
                or (stem in counts and len(stem) > 1)
            )

    def split(self, text: str) -> list[Word]:
        """Return the words of a text that consist of letters, outside placeholders."""
        markup = [match.span() for match in MARKUP.finditer(text)]
        return [
            self._without_particle(word)
            for word in self._words.find(text)
            if word.text[0].isalpha()
            and not any(begin < word.end and word.begin < end for begin, end in markup)
        ]

    def _without_particle(self, word: Word) -> Word:
        if word.end - word.begin != len(word.text):
            return word
        stems = [stem for stem in self._words.stems(word.text) if stem in self._stems]
        if not stems:
            return word
        # The shortest stem, so that the particle is 에서는 and not only 는; a syllable is unlikely.
        stem = next((one for one in reversed(stems) if len(one) > 1), stems[-1])
        return Word(stem, word.begin, word.begin + len(stem))


class _PairsOfWords:
    """Words of pairs as ids, numbered in the order in which they are found."""

    def __init__(self, src: Sequence[Sequence[str]], tgt: Sequence[Sequence[str]]) -> None:
        self.vocabularies: dict[Side, dict[str, int]] = {"src": {}, "tgt": {}}
        self._ids: dict[Side, list[list[int]]] = {
            "src": [self._ids_of("src", row) for row in src],
            "tgt": [self._ids_of("tgt", row) for row in tgt],
        }

    def _ids_of(self, side: Side, row: Sequence[str]) -> list[int]:
        vocabulary = self.vocabularies[side]
        return [vocabulary.setdefault(word, len(vocabulary)) for word in row]

    def __len__(self) -> int:
        return len(self._ids["src"])

    def lengths(self, side: Side, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.array([len(self._ids[side][row]) for row in rows.tolist()], np.int64)

    def gather(self, side: Side, rows: NDArray[np.int64]) -> RaggedIds:
        return RaggedIds.from_lists([self._ids[side][row] for row in rows.tolist()])


@dataclass(frozen=True)
class Lexicon:
    """Probable translations of words, and how texts are split into words."""

    translations: dict[str, dict[str, float]]
    """Probability of each translation of a source word; both in lower case."""
    splitters: tuple[WordSplitter, WordSplitter]
    """Splitters of source and target."""

    @classmethod
    def learn(cls, src: Sequence[str], tgt: Sequence[str], langs: tuple[str, str]) -> Self:
        """Learn translations from pairs, with IBM model 1 and a preference for the diagonal.

        Args:
            src: Sources.
            tgt: Their translations.
            langs: Language codes of source and target.
        """
        splitters = WordSplitter(langs[0], src), WordSplitter(langs[1], tgt)
        sides = [
            [[word.text.casefold() for word in splitter.split(text)] for text in texts]
            for splitter, texts in zip(splitters, (src, tgt), strict=True)
        ]
        is_kept = [bool(a and b) for a, b in zip(*sides, strict=True)]
        sides = [[row for row, kept in zip(side, is_kept, strict=True) if kept] for side in sides]
        if not sides[0]:
            return cls({}, splitters)
        pairs = _PairsOfWords(*sides)
        words = {side: list(vocabulary) for side, vocabulary in pairs.vocabularies.items()}
        learned = learn_translations(
            pairs, len(words["src"]), len(words["tgt"]), what="Aligning words"
        )
        frequent = [_frequent(side) for side in sides]
        found: dict[str, dict[str, float]] = {}
        for number, word in enumerate(words["src"]):
            first, last = learned.offsets[number], learned.offsets[number + 1]
            probable = {
                words["tgt"][tgt_id]: probability
                for tgt_id, probability in zip(
                    learned.tgt_ids[first:last].tolist(),
                    learned.probabilities[first:last].tolist(),
                    strict=True,
                )
                if probability >= MIN_PROBABILITY and words["tgt"][tgt_id] not in frequent[1]
            }
            if probable and word not in frequent[0]:
                found[word] = probable
        return cls(found, splitters)

    def align(self, src: str, tgt: str) -> list[AlignedWord]:
        """Return the words of a pair that translate each other, in the order of the source.

        Only words that occur once are aligned, and only if neither has a better partner.
        """
        source_words, target_words = self.splitters[0].split(src), self.splitters[1].split(tgt)
        sources, targets = _unique(source_words), _unique(target_words)
        best_of_tgt: dict[str, tuple[float, str]] = {}
        best_of_src: dict[str, str] = {}
        for word in sources:
            probable = self.translations.get(word, {})
            candidates = [(p, other) for other, p in probable.items() if other in targets]
            if candidates:
                probability, best_of_src[word] = max(candidates)
                other = best_of_src[word]
                best_of_tgt[other] = max(best_of_tgt.get(other, (0.0, "")), (probability, word))
        mutual = {word: t for word, t in best_of_src.items() if best_of_tgt[t][1] == word}
        taken = set(mutual.values())
        return [
            AlignedWord(
                sources[word], self._extended(word, targets[other], tgt, target_words, taken)
            )
            for word, other in mutual.items()
        ]

    def _extended(
        self, src: str, tgt: Word, text: str, words: Sequence[Word], taken: set[str]
    ) -> Word:
        """Add the next words that translate the same word, as in `college student` for 대학생."""
        first = last = words.index(tgt)
        probable = self.translations[src].keys() - taken
        while first > 0 and words[first - 1].text.casefold() in probable:
            first -= 1
        while last + 1 < len(words) and words[last + 1].text.casefold() in probable:
            last += 1
        begin, end = words[first].begin, words[last].end
        is_one = len(text[begin:end].split()) <= last - first + 1
        return Word(text[begin:end], begin, end) if is_one else tgt


def _frequent(rows: Sequence[Sequence[str]]) -> frozenset[str]:
    counts = Counter(word for row in rows for word in set(row))
    limit = max(1.0, _MAX_SHARE * len(rows))
    return frozenset(word for word, n in counts.items() if n > limit)


def _unique(words: Sequence[Word]) -> dict[str, Word]:
    keys = [word.text.casefold() for word in words]
    counts = Counter(keys)
    return {key: word for key, word in zip(keys, words, strict=True) if counts[key] == 1}
