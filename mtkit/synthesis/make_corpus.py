"""Make a synthetic corpus: select lines, translate them, filter the pairs, write the corpus."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mtkit.corpus.clean.clean_corpus import CleanReport, following_line
from mtkit.corpus.clean.drop_counts import DropCounts, dropped_lines
from mtkit.corpus.write_pairs import open_output, open_pair_writer
from mtkit.errors import MtkitError
from mtkit.io.logs import counted
from mtkit.io.text import read_lines
from mtkit.synthesis.agreement import Keep, parse_scores, threshold_of
from mtkit.synthesis.corpus_dir import CorpusSteps, is_finished
from mtkit.synthesis.line_selection import LineSource, refuse_no_lines, select_lines
from mtkit.synthesis.pair_rules import PAIR_REASONS, PairRules, SyntheticPair

_BATCH_SIZE = 5_000
"""Pairs written at a time."""
_BREAK = SyntheticPair("", "", None)
"""Blank line on both sides, which ends a document."""


class Teacher(Protocol):
    """Translates the texts of a file of JSON objects."""

    def made_from(self) -> dict[str, Any]:
        """Return everything that determines the translations."""
        ...

    def translate(self, lines_path: Path, out_path: Path) -> None:
        """Add `translation` to each object: `text`, `score`, `flags`, and `n_best` if requested.

        The output appears complete or not at all; another call continues where one was interrupted.
        """
        ...

    def seconds_per_line(self, records: Sequence[dict[str, Any]]) -> float:
        """Translate some lines to measure the time, without that for loading."""
        ...


class PairFilter(Protocol):
    """Scores translations, of which the best are kept; see `AgreementFilter`."""

    @property
    def keep(self) -> Keep:
        """Share of the pairs that is kept."""
        ...

    def made_from(self) -> dict[str, Any]:
        """Return everything that determines the scores, except the translations."""
        ...

    def score(self, translations_path: Path, scores_path: Path) -> None:
        """Write a score for each translation."""
        ...


@dataclass(frozen=True)
class SyntheticCorpus:
    """A corpus to make."""

    name: str
    source: LineSource
    teacher: Teacher
    rules: PairRules
    paths: tuple[Path, Path]
    """Files of the two sides."""
    pair_filter: PairFilter | None = None
    alignment_path: Path | None = None
    """File of word alignments, if there are any."""


@dataclass(frozen=True)
class CorpusReport:
    """Counts of a synthetic corpus."""

    name: str
    lines: CleanReport
    """Lines of the text, and those that were translated."""
    pairs: CleanReport
    """Translated lines, and pairs of the corpus."""
    threshold: float | None = None
    """Lowest score that was kept, if pairs were scored."""
    n_following: int | None = None
    """Pairs that follow the pair before them in their document; None without documents."""

    def to_json(self) -> dict[str, Any]:
        """Return the counts as a JSON object."""
        return {
            "name": self.name,
            "lines": _counts(self.lines),
            "pairs": _counts(self.pairs),
            "threshold": self.threshold,
            **({} if self.n_following is None else {"n_following": self.n_following}),
        }

    def text_lines(self) -> Iterator[str]:
        """Format the counts line by line."""
        yield from format_counts(self.lines, "lines read", "to translate")
        yield from format_counts(self.pairs, "lines translated", "pairs kept")
        if self.threshold is not None:
            yield f"  lowest score kept: {self.threshold:.3g}"
        if self.n_following is not None:
            yield following_line(self.n_following, self.pairs.n_kept)


def make_corpus(corpus: SyntheticCorpus, steps: CorpusSteps) -> CorpusReport:
    """Make a synthetic corpus. Steps that an earlier run has finished are not repeated.

    Raises:
        MtkitError: A file cannot be read, a model cannot be loaded, or no pair is left.
    """
    lines = select_lines(corpus.source, steps)
    refuse_no_lines(lines, f"{corpus.name}: ")
    if not is_finished(steps.translations_path):
        corpus.teacher.translate(steps.lines_path, steps.translations_path)
    scores_path = None
    if corpus.pair_filter is not None:
        scores_path = steps.scores_path(corpus.pair_filter.made_from())
        if not is_finished(scores_path):
            corpus.pair_filter.score(steps.translations_path, scores_path)
    return _filter(corpus, steps.translations_path, lines, scores_path)


def _filter(
    corpus: SyntheticCorpus, translations_path: Path, lines: CleanReport, scores_path: Path | None
) -> CorpusReport:
    """Write the pairs that satisfy all rules."""
    threshold, scores = None, None
    # The share that is kept is one of the pairs that satisfy all other rules.
    if scores_path is not None and corpus.pair_filter is not None:
        scores = parse_scores(read_lines(scores_path))
        pairs = corpus.rules.pairs(translations_path)
        is_kept = np.fromiter((pair.reason is None for pair in pairs), np.bool_)
        if is_kept.any():
            threshold = threshold_of(scores[is_kept], corpus.pair_filter.keep)
    n_read, dropped, documents = 0, DropCounts(), DocumentEnds()
    with ExitStack() as stack:
        write = stack.enter_context(open_pair_writer(corpus.paths, ("src", "tgt")))
        alignments = None
        if corpus.alignment_path is not None:
            alignments = stack.enter_context(open_output(corpus.alignment_path))
        pairs = stack.enter_context(
            closing(_reasoned(corpus, translations_path, scores, threshold))
        )
        while batch := list(islice(pairs, _BATCH_SIZE)):
            kept: list[SyntheticPair] = []
            for number, pair in enumerate(batch, n_read + 1):
                if pair.reason is not None:
                    dropped.add(pair.reason, number, pair.src, pair.tgt)
                elif documents.ends_before(pair, number):
                    kept += [_BREAK, pair]
                else:
                    kept.append(pair)
            n_read += len(batch)
            write((pair.src, pair.tgt) for pair in kept)
            if alignments is not None:
                alignments.writelines(f"{pair.alignment}\n".encode() for pair in kept)
        if dropped.counts.total() == n_read:
            rule, n = dropped.counts.most_common(1)[0]
            raise MtkitError(
                f"{corpus.name}: no pair is left: {n:,} of {n_read:,} are dropped by the rule "
                f"`{rule}`: {PAIR_REASONS[rule]}",
                "check the direction of the model and the languages of the recipe; "
                f"the translations are in `{translations_path}`",
            )
    pairs = CleanReport(n_read, n_read - dropped.counts.total(), dropped)
    n_following = pairs.n_kept - documents.n if corpus.source.has_documents else None
    return CorpusReport(corpus.name, lines, pairs, threshold, n_following)


class DocumentEnds:
    """Finds the ends of documents among the pairs that are kept.

    A dropped pair ends a document, since the pairs before and after it are no neighbors.
    """

    def __init__(self) -> None:
        self.n = 0
        """Number of documents so far."""
        self._last: tuple[int, int | None] = 0, None

    def ends_before(self, pair: SyntheticPair, number: int) -> bool:
        """Return whether a document ends between the pair that was kept before and this one.

        Args:
            pair: A pair that is kept.
            number: Its number among all pairs, from 1.
        """
        if pair.document is None:
            return False
        follows = self._last == (number - 1, pair.document)
        self._last = number, pair.document
        self.n += not follows
        return not follows and self.n > 1


def _reasoned(
    corpus: SyntheticCorpus, translations_path: Path, scores: Any, threshold: float | None
) -> Generator[SyntheticPair, None, None]:
    """Yield all pairs with their reasons, that of a low score included."""
    for index, pair in enumerate(corpus.rules.pairs(translations_path)):
        is_low = threshold is not None and pair.reason is None and scores[index] < threshold
        yield pair._replace(reason="agreement") if is_low else pair


def _counts(report: CleanReport) -> dict[str, Any]:
    dropped, fixed = dict(report.dropped.counts), dict(report.dropped.fixed)
    return {"n_read": report.n_read, "n_kept": report.n_kept, "dropped": dropped, "fixed": fixed}


def format_counts(report: CleanReport, read: str, kept: str) -> Iterator[str]:
    """Format counts line by line.

    Args:
        report: The counts.
        read: Name of what was read.
        kept: Name of what was kept.
    """
    share = f" ({report.n_kept / report.n_read:.2%})" if report.n_read else ""
    yield f"{counted(report.n_read, read)}, {counted(report.n_kept, kept)}{share}"
    reasons = PAIR_REASONS | {"duplicate": "occurs earlier in the text (clean.duplicates)"}
    yield from dropped_lines(report.dropped, 0, report.n_read, reasons)
