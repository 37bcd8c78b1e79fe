"""Statistics of a corpus from which settings are chosen: size, lengths, scripts."""

import hashlib
import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from mtkit.config.auto.statistics import CorpusStatistics, SideStatistics
from mtkit.config.clean import CleanConfig
from mtkit.config.data import CorpusSource, DataConfig
from mtkit.corpus.clean.drop_counts import RULES
from mtkit.corpus.clean.pair_cleaner import PairCleaner
from mtkit.corpus.clean.pair_rules import display_width
from mtkit.corpus.languages import word_separator
from mtkit.corpus.read.pairs import describe_source, read_pairs
from mtkit.corpus.scripts import script_of
from mtkit.corpus.sentence_pair import SentencePair
from mtkit.corpus.sentence_splitter import split_sentences
from mtkit.errors import MtkitError
from mtkit.io.progress import progress
from mtkit.tokenizer.train import reservoir_sample

SAMPLE_SIZE = 20_000
"""Number of pairs in the sample whose text is analyzed."""

_SEED = 1
_DENSE_SCRIPTS = frozenset({"hangul", "han", "hiragana", "katakana"})
_UNSPACED_WORD_CHARS = 2
"""Characters counted as a word in languages without spaces."""
_FREQUENT_SHARE = 0.9995
_MIN_WIDTH = 20
"""The width ratio of shorter sides is not representative."""


@dataclass(frozen=True)
class Survey:
    """Statistics of a corpus, and a sample of it."""

    statistics: CorpusStatistics
    sample: tuple[SentencePair, ...]
    """Pairs drawn at random, not cleaned."""

    def lines(self) -> list[str]:
        """Format the statistics for the terminal."""
        statistics, sides = self.statistics, (self.statistics.src, self.statistics.tgt)
        sample_note = f"; the following is from a sample of {statistics.n_sampled:,}"
        if statistics.n_sampled == statistics.n_pairs:
            sample_note = ""
        scripts = " and ".join(dict.fromkeys(side.script.title() for side in sides))
        prefix = "" if statistics.n_pairs <= _DistinctCounter.MAX_KEPT else "about "
        words, chars = (
            " and ".join(f"{getattr(side, name):.3g}" for side in sides)
            for name in ("words", "chars")
        )
        size = (
            f"{statistics.n_pairs:,} pairs, {sides[0].lang} to {sides[1].lang}, "
            f"{prefix}{statistics.duplicate_share:.1%} of them duplicates{sample_note}"
        )
        dropped = f"cleaning drops {statistics.dropped_share:.1%}"
        return [size, f"{words} words, {chars} characters per line; {scripts} letters; {dropped}"]


def survey(source: CorpusSource, data: DataConfig) -> Survey:
    """Read a corpus once, in bounded memory: count pairs and duplicates, and analyze a sample.

    Raises:
        MtkitError: It cannot be read, its files have different lengths, or cleaning drops all of
            it.
    """
    name = describe_source(source)
    counter = _DistinctCounter()
    sample = reservoir_sample(_counted(read_pairs(source, data), counter), SAMPLE_SIZE, _SEED)
    if not counter.n_seen:
        raise MtkitError(f"{name}: no lines", "both files are empty; check the paths")
    cleaner = PairCleaner(CleanConfig(), data.src_lang, data.tgt_lang)
    cleaned = [cleaner.clean(*pair) for pair in sample]
    kept = [SentencePair(pair.src, pair.tgt) for pair in cleaned if pair.reason is None]
    if not kept:
        rule, _ = Counter(pair.reason or "" for pair in cleaned).most_common(1)[0]
        raise MtkitError(
            f"{name}: cleaning drops all pairs; most often: {RULES[rule]}",
            f"is the source {data.src_lang} and the target {data.tgt_lang}? `mtkit "
            "data check` shows details",
        )
    src_facts, tgt_facts = _side_statistics(kept, data)
    src_widths, tgt_widths = (
        [display_width(text) for text in side] for side in zip(*kept, strict=True)
    )
    ratios = [
        max(a, b) / min(a, b)
        for a, b in zip(src_widths, tgt_widths, strict=True)
        if min(a, b) >= _MIN_WIDTH
    ]
    statistics = CorpusStatistics(
        n_pairs=counter.n_seen,
        n_sampled=len(sample),
        duplicate_share=max(0.0, 1.0 - counter.n_distinct / counter.n_seen),
        dropped_share=1.0 - len(kept) / len(sample),
        wider_ratio=sum(map(max, src_widths, tgt_widths)) / sum(tgt_widths),
        width_ratio_p99=_quantile(ratios, 0.99) if ratios else 2.0,
        src=src_facts,
        tgt=tgt_facts,
    )
    return Survey(statistics, tuple(sample))


class _DistinctCounter:
    """Estimates the number of distinct pairs in bounded memory.

    Only hashes that end in a number of zero bits are kept; the number grows with the corpus.
    """

    MAX_KEPT = 1 << 18

    def __init__(self) -> None:
        self.n_seen = 0
        self._mask = 0
        self._kept: set[int] = set()

    def add(self, pair: SentencePair) -> None:
        self.n_seen += 1
        digest = hashlib.blake2b("\n".join(pair).encode(), digest_size=8).digest()
        key = int.from_bytes(digest)
        if key & self._mask:
            return
        self._kept.add(key)
        while len(self._kept) > self.MAX_KEPT:
            self._mask = 2 * self._mask + 1
            self._kept = {key for key in self._kept if not key & self._mask}

    @property
    def n_distinct(self) -> int:
        return len(self._kept) * (self._mask + 1)


def _counted(pairs: Iterable[SentencePair], counter: _DistinctCounter) -> Iterator[SentencePair]:
    with progress("Reading", unit="pairs") as bar:
        for pair in pairs:
            counter.add(pair)
            bar.advance()
            yield pair


def _side_statistics(
    pairs: Sequence[SentencePair], data: DataConfig
) -> tuple[SideStatistics, SideStatistics]:
    texts = [
        [unicodedata.normalize("NFC", text) for text in side] for side in zip(*pairs, strict=True)
    ]
    chars = [Counter(chain.from_iterable(side)) for side in texts]
    letters = [_letters_by_script(count) for count in chars]
    main = [max(count, key=count.__getitem__, default="latin") for count in letters]
    src, tgt = (
        _statistics_of_side(lang, side, count, scripts, main[i], main[1 - i])
        for i, (lang, side, count, scripts) in enumerate(
            zip((data.src_lang, data.tgt_lang), texts, chars, letters, strict=True)
        )
    )
    return src, tgt


def _statistics_of_side(
    lang: str,
    texts: list[str],
    chars: Counter[str],
    letters: Counter[str],
    script: str,
    other_script: str,
) -> SideStatistics:
    n_chars, n_letters = chars.total(), max(letters.total(), 1)
    words = Counter(word for text in texts for word in text.split())
    n_words = words.total() if word_separator(lang) else n_chars / _UNSPACED_WORD_CHARS
    return SideStatistics(
        lang=lang,
        script=script,
        words=n_words / len(texts),
        chars=n_chars / len(texts),
        chars_p999=int(_quantile([len(text) for text in texts], 0.999)),
        dense_share=sum(letters[dense] for dense in _DENSE_SCRIPTS) / n_chars,
        other_script_share=0.0 if script == other_script else letters[other_script] / n_letters,
        n_chars=len(chars),
        n_common_chars=_n_frequent_chars(chars),
        n_types=len(words),
        multi_sentence_share=sum(len(split_sentences(text, lang)) > 1 for text in texts)
        / len(texts),
    )


def _letters_by_script(chars: Counter[str]) -> Counter[str]:
    letters = Counter[str]()
    for char, n in chars.items():
        if (script := script_of(char)) is not None:
            letters[script] += n
    return letters


def _n_frequent_chars(chars: Counter[str]) -> int:
    n_required, n_covered = _FREQUENT_SHARE * chars.total(), 0
    for number, (_, n) in enumerate(chars.most_common(), 1):
        n_covered += n
        if n_covered >= n_required:
            return number
    return len(chars)


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, math.floor(share * len(values)))]
