"""Dry run: count the lines, and measure the speed of the teacher on a sample."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

from mtkit.corpus.clean.clean_corpus import CleanPairs, CleanReport
from mtkit.corpus.clean.drop_counts import DropCounts
from mtkit.io.progress import format_duration, format_rate
from mtkit.synthesis.line_selection import LineSource, refuse_no_lines, selected_records
from mtkit.synthesis.make_corpus import Teacher, format_counts
from mtkit.tokenizer.train import reservoir_sample

SAMPLE_LINES = 200
"""Lines of each corpus that are translated."""
_DOCUMENT_LINES = 20
"""Consecutive lines in the sample of a corpus with documents, so that most have their context."""
_SEED = 1


class DryRun(NamedTuple):
    """Estimate of the size and the time of a translation."""

    lines: CleanReport
    """Counts of the text; duplicates are not known yet."""
    seconds: float
    """Time to translate them all."""

    def text_lines(self) -> Iterator[str]:
        """Format the estimate line by line."""
        n = self.lines.n_kept
        yield from format_counts(self.lines, "lines read", "to translate, duplicates included")
        yield (
            f"about {format_duration(self.seconds)} to translate, at "
            f"{format_rate(n / max(self.seconds, 1e-9))} lines/s, measured on a sample"
        )
        yield "dry run: nothing was written"

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as a JSON object."""
        return {
            "dry_run": True,
            "n_read": self.lines.n_read,
            "n_to_translate": self.lines.n_kept,
            "dropped": dict(self.lines.dropped.counts),
            "seconds": self.seconds,
        }


def measure(work: Sequence[tuple[LineSource, Teacher]]) -> DryRun:
    """Count the lines to translate, and measure the speed on a random sample of them.

    Args:
        work: Lines of each corpus, and the teacher that translates them.
    Raises:
        MtkitError: A file cannot be read, a model cannot be loaded, or no line is left.
    """
    n_read = n_kept = 0
    dropped, seconds = DropCounts(), 0.0
    for source, teacher in work:
        pairs = CleanPairs(source.chunks(), "keep")
        size = _DOCUMENT_LINES if source.has_documents else 1
        records = selected_records(source, pairs)
        runs = iter(lambda: list(islice(records, size)), [])  # noqa: B023
        sample = list(chain(*reservoir_sample(runs, SAMPLE_LINES // size, _SEED)))
        report = pairs.report()
        n_read, n_kept = n_read + report.n_read, n_kept + report.n_kept
        dropped.merge(report.dropped)
        if sample:
            seconds += report.n_kept * teacher.seconds_per_line(sample)
    lines = CleanReport(n_read, n_kept, dropped)
    refuse_no_lines(lines)
    return DryRun(lines, seconds)
