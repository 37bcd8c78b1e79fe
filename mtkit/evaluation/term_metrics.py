"""Metrics of terminology: how many terms of the source are translated as a list says.

The exact-match accuracy is that of the WMT shared tasks on terminology (Alam et al. 2021,
aclanthology.org/2021.wmt-1.69; Semenov et al. 2023, aclanthology.org/2023.wmt-1.54), here with all
forms that the list allows. A translation may contain a term by chance or repeat it, so each
occurrence in the source counts at most once.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

import numpy as np

from mtkit.corpus.languages import SCRIPTS_WITHOUT_SPACES
from mtkit.corpus.terms.find_terms import FormCounter, TermFinder
from mtkit.corpus.terms.lexicon import Lexicon
from mtkit.corpus.terms.term_list import TermList
from mtkit.errors import MtkitError
from mtkit.evaluation.corpus_metric import CorpusMetric, Rows, SacreBleuMetric
from mtkit.evaluation.words import count_scripts
from mtkit.version import __version__

MIN_PREFIX, MIN_PREFIX_SHARE = 4, 0.7
"""Two words have the same stem if they share a prefix of at least four characters, and of at least
70 % of the longer word."""


class Occurrence(NamedTuple):
    """Occurrence of a term in a source."""

    source: str
    forms: tuple[str, ...]
    """Translations that are accepted."""


class ShareMetric:
    """Share of occurrences in which something holds, in percent; a `CorpusMetric`.

    Args:
        name: Name in reports.
        count: Returns hits and total for each segment, given the translations.
        settings: Settings, for the signature.
    """

    higher_is_better = True
    n_digits = 2
    bootstrap_type = np.float64
    version = __version__

    def __init__(
        self,
        name: str,
        count: Callable[[Sequence[str]], Sequence[tuple[int, int]]],
        settings: dict[str, Any],
    ) -> None:
        self.name, self._count, self._settings = name, count, settings

    def statistics(self, hypotheses: Sequence[str]) -> Rows:
        """See `CorpusMetric`. The columns are hits and total."""
        return np.array(self._count(hypotheses), np.float64).reshape(-1, 2)

    def score(self, sums: Sequence[float]) -> float:
        """See `CorpusMetric`. It is 0 if there are no occurrences, as in some resamples."""
        return 100.0 * float(sums[0]) / max(float(sums[1]), 1.0)

    def segment_score(self, sums: Sequence[float]) -> float:
        """See `CorpusMetric`."""
        return self.score(sums)

    def detail(self, sums: Sequence[float]) -> str:
        """See `CorpusMetric`."""
        return f"{sums[0]:,.0f} of {sums[1]:,.0f}"

    def signature(self, **resampling: int) -> str:
        """See `CorpusMetric`."""
        fields = self._settings | resampling | {"version": f"mtkit.{self.version}"}
        return "|".join(f"{name}:{value}" for name, value in fields.items())


class RestMetric(SacreBleuMetric):
    """ChrF of some of the segments.

    Args:
        references: One list or several; None is a missing reference.
        is_counted: Whether each segment counts.
    """

    def __init__(
        self, references: Sequence[Sequence[str | None]], is_counted: Sequence[bool]
    ) -> None:
        super().__init__("chrf", references)
        self.name = "chrF2 without terms"
        self._is_counted = np.array(is_counted, np.float64)[:, None]

    def statistics(self, hypotheses: Sequence[str]) -> Rows:
        """See `CorpusMetric`."""
        return super().statistics(hypotheses) * self._is_counted


def term_metrics(
    terms: TermList,
    src: Sequence[str],
    references: Sequence[Sequence[str]],
    langs: tuple[str, str] = ("", ""),
    documents: Sequence[str] = (),
) -> dict[str, CorpusMetric]:
    """Return the metrics of the terms in a test set, by their keys.

    terms: share of the occurrences that are translated by an allowed form. terms_stem: also by a
    word of the same stem. terms_consistent: share of the occurrences that are translated by the
    same form as the one before in the document. terms_control: share of random other words that are
    translated as in the first references, which says how often a term would be right anyway.
    chrf_rest: chrF of the lines without terms. Those without any occurrence are left out.

    Args:
        terms: The terms.
        src: Sources.
        references: One list or several.
        langs: Language codes of source and target; blank ones are guessed from the script.
        documents: Document of each line; by default, the file is one.
    Raises:
        MtkitError: No term occurs, or the number of documents differs.
    """
    if documents and len(documents) != len(src):
        raise MtkitError(
            f"{len(documents):,} lines name a document, but there are {len(src):,} lines",
            "name the document of each line",
        )
    src_lang, tgt_lang = (
        lang or _guessed_language(texts)
        for lang, texts in zip(langs, (src, references[0]), strict=True)
    )
    finder = TermFinder(terms.terms, src_lang, terms.protected)
    found = [finder.find(line) for line in src]
    occurrences = [[Occurrence(one.term.source, one.term.forms) for one in row] for row in found]
    n_occurrences = sum(map(len, occurrences))
    if not n_occurrences:
        raise MtkitError(
            f"`{terms.name}`: none of the {len(terms.terms):,} terms occurs in the source",
            "check that the first column has words of the source language",
        )
    counter = FormCounter(tgt_lang)
    settings = {"terms": len({one.source for row in occurrences for one in row})}
    spans = [[(one.begin, one.end) for one in row] for row in found]
    control = _control(src, references[0], (src_lang, tgt_lang), spans, n_occurrences)
    metrics: dict[str, CorpusMetric] = {
        "terms": ShareMetric(
            "terms", lambda texts: _hits(texts, occurrences, counter), settings | {"match": "exact"}
        ),
        "terms_stem": ShareMetric(
            "terms, by stem",
            lambda texts: _hits(texts, occurrences, counter, by_stem=True),
            settings | {"match": "stem"},
        ),
        "terms_consistent": ShareMetric(
            "consistent terms",
            lambda texts: _consistent(texts, occurrences, counter, documents),
            settings | {"documents": len(set(documents)) or 1},
        ),
        "terms_control": ShareMetric(
            "random words", lambda texts: _hits(texts, control, counter), {"match": "exact"}
        ),
    }
    metrics = {
        key: metric
        for key, metric in metrics.items()
        if metric.statistics(references[0])[:, 1].any()
    }
    if not all(occurrences):
        metrics["chrf_rest"] = RestMetric(references, [not row for row in occurrences])
    return metrics


def _hits(
    texts: Sequence[str],
    occurrences: Sequence[Sequence[Occurrence]],
    counter: FormCounter,
    *,
    by_stem: bool = False,
) -> list[tuple[int, int]]:
    """Return how many of the occurrences in each segment are translated, and how many there are."""
    rows = []
    for text, row in zip(texts, occurrences, strict=True):
        words = counter.words(text) if row else []
        n_hits = 0
        for term in dict.fromkeys(row):
            n_found = counter.count_in_words(words, term.forms)
            if by_stem:
                stems = [_as_in(words, counter.words(form)) for form in term.forms]
                n_found = max(n_found, *(_n_subsequences(words, one) for one in stems))
            n_hits += min(row.count(term), n_found)
        rows.append((n_hits, len(row)))
    return rows


def _as_in(words: Sequence[str], form: list[str]) -> list[list[str]]:
    """Return for each word of a form the words of a text with the same stem."""
    return [[word for word in words if have_same_stem(word, part)] for part in form]


def have_same_stem(one: str, other: str) -> bool:
    """Return whether two words share enough of their beginning to be forms of one word."""
    one, other = one.casefold(), other.casefold()
    if one == other:
        return True
    n_common = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    return n_common >= max(MIN_PREFIX, MIN_PREFIX_SHARE * max(len(one), len(other)))


def _n_subsequences(words: Sequence[str], parts: Sequence[Sequence[str]]) -> int:
    """Return how often words of some sets follow each other."""
    n = len(parts)
    return sum(
        all(word in part for word, part in zip(words[i : i + n], parts, strict=True))
        for i in range(len(words) - n + 1)
    )


def _consistent(
    texts: Sequence[str],
    occurrences: Sequence[Sequence[Occurrence]],
    counter: FormCounter,
    documents: Sequence[str],
) -> list[tuple[int, int]]:
    """Return for each segment how many occurrences are translated as the one before.

    Two translations are alike if they contain forms of the same stem.
    """
    before: dict[tuple[str, str], str] = {}
    rows = []
    for number, (text, row) in enumerate(zip(texts, occurrences, strict=True)):
        words = counter.words(text) if row else []
        n_alike = n_total = 0
        for term in dict.fromkeys(row):
            key = documents[number] if documents else "", term.source
            forms = (form for form in term.forms if counter.count_in_words(words, [form]))
            form = next(forms, "")
            if key in before:
                n_total += 1
                n_alike += bool(form) and have_same_stem(form, before[key])
            before[key] = form
        rows.append((n_alike, n_total))
    return rows


def _control(
    src: Sequence[str],
    references: Sequence[str],
    langs: tuple[str, str],
    spans: Sequence[Sequence[tuple[int, int]]],
    n: int,
) -> list[list[Occurrence]]:
    """Draw as many aligned words outside the terms, with their translations in the references."""
    lexicon = Lexicon.learn(src, references, langs)
    aligned = [
        (number, Occurrence(one.src.text, (one.tgt.text,)))
        for number, (line, reference) in enumerate(zip(src, references, strict=True))
        for one in lexicon.align(line, reference)
        if not any(begin < one.src.end and one.src.begin < end for begin, end in spans[number])
    ]
    drawn = Random(1).sample(aligned, min(n, len(aligned)))
    rows: list[list[Occurrence]] = [[] for _ in src]
    for number, occurrence in drawn:
        rows[number].append(occurrence)
    return rows


def _guessed_language(texts: Sequence[str]) -> str:
    """Return a language with the words and particles of the script of most letters."""
    scripts = count_scripts(texts)
    if not scripts:
        return ""
    [(script, _)] = scripts.most_common(1)
    if script == "hangul":
        return "ko"
    return "zh" if script in SCRIPTS_WITHOUT_SPACES else ""
