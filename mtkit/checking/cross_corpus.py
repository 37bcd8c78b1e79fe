"""Find pairs that are repeated, and pairs that occur in held-out and training corpora."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

from mtkit.checking.counts import MAX_LINES, Occurrences
from mtkit.checking.line_keys import KEY_KINDS, REPEAT_KINDS, find_occurrences, first_equal_rows
from mtkit.checking.make_findings import FindingDraft
from mtkit.checking.scan import ScanResult
from mtkit.config.clean import TestOverlap
from mtkit.config.data import corpus_name
from mtkit.corpus.clean.duplicates import find_duplicates

_REPEAT_RULES: dict[str, tuple[str, str | None]] = {
    "duplicates": ("pair", None),
    "folded_duplicates": ("folded_pair", "pair"),
    "several_translations": ("src", "pair"),
    "several_sources": ("tgt", "pair"),
}
"""For each rule, what an earlier line must share, and what it must not share."""

_KIND_DESCRIPTIONS = {
    "pair": "the pair",
    "folded_pair": "the pair, ignoring case and punctuation,",
    "src": "the source",
    "tgt": "the target",
    "folded_src": "the source, ignoring case and punctuation,",
    "folded_tgt": "the target, ignoring case and punctuation,",
}
"""Descriptions, the most informative first."""


def find_repeats(
    group: Sequence[ScanResult], temp_dir: Path, n_shown: int
) -> Iterator[tuple[int, FindingDraft]]:
    """Find repeated pairs in corpora that are read as one.

    Args:
        group: Scan results of the corpora, in order.
        temp_dir: A directory to work in.
        n_shown: Number of lines per finding for which the first equal line is looked up.
    Yields:
        Number of a corpus, and a finding in it.
    """
    masks = {
        kind: find_duplicates(
            [result.key_paths[kind] for result in group],
            temp_dir / f"{group[0].corpus.number}.{kind}.found",
        )
        for kind in REPEAT_KINDS
    }
    starts = [0]
    for result in group:
        starts.append(starts[-1] + result.counts.n_pairs)
    for index, result in enumerate(group):
        start, end = starts[index], starts[index + 1]
        for name, (kind, other) in _REPEAT_RULES.items():
            occurrences = find_occurrences(
                masks[kind][start:end], None if other is None else masks[other][start:end]
            )
            if occurrences.n:
                lines = occurrences.lines[:n_shown]
                firsts = first_equal_rows(
                    [result.key_paths[kind] for result in group],
                    [start + line - 1 for line in lines],
                )
                notes = {
                    line: f"as in {_describe_row(first, starts, group, index)}"
                    for line, first in zip(lines, firsts, strict=True)
                }
                yield (
                    result.corpus.number,
                    FindingDraft(name, "pair", occurrences, result.counts.n_pairs, notes=notes),
                )


def _describe_row(row: int, starts: Sequence[int], group: Sequence[ScanResult], reader: int) -> str:
    """Describe a row of all corpora in a report on one of them."""
    index = bisect_right(starts, row) - 1
    line = f"line {row - starts[index] + 1:,}"
    return line if index == reader else f"{line} of {corpus_name(group[index].corpus.source)}"


def find_overlaps(
    keys_of_line: dict[int, tuple[bytes, ...]],
    training: Sequence[ScanResult],
    test_overlap: TestOverlap = "off",
) -> Iterator[FindingDraft]:
    """Find what a held-out corpus shares with the training corpora.

    Args:
        keys_of_line: Keys of the held-out corpus by line.
        training: Scan results of the training corpora for these keys.
        test_overlap: What training leaves out; a finding about nothing else is a note.
    """
    counts: dict[str, int] = dict.fromkeys(KEY_KINDS, 0)
    lines = []
    notes = {}
    for line, keys in keys_of_line.items():
        matches = {
            kind: location
            for kind, key in zip(KEY_KINDS, keys, strict=True)
            if (location := _training_line(key, training))
        }
        for kind in matches:
            counts[kind] += 1
        if matches:
            lines.append(line)
            if len(lines) <= MAX_LINES:
                kind = next(kind for kind in _KIND_DESCRIPTIONS if kind in matches)
                notes[line] = f"{_KIND_DESCRIPTIONS[kind]} is {matches[kind]}"
    if lines:
        exact, folded = (
            [counts[prefix + kind] for kind in ("src", "tgt", "pair")] for prefix in ("", "folded_")
        )
        detail = (
            "the source of {:,}, the target of {:,}, and both sides of {:,} occur in the "
            "training corpus"
        ).format(*exact)
        if folded != exact:
            detail += "; ignoring case and punctuation, {:,}, {:,} and {:,}".format(*folded)
        draft = FindingDraft(
            "overlap",
            "pair",
            Occurrences(len(lines), lines[:MAX_LINES]),
            len(keys_of_line),
            detail,
            notes=notes,
            figures=counts,
        )
        n_left_out = {"off": 0, "pair": counts["folded_pair"], "either": len(lines)}[test_overlap]
        if n_left_out == len(lines):
            why = f"`clean.test_overlap: {test_overlap}` leaves them out of training."
            draft = draft._replace(severity="note", why=why, todo="Nothing to do.")
        yield draft


def _training_line(key: bytes, training: Sequence[ScanResult]) -> str | None:
    for result in training:
        if key in result.held_out:
            return f"line {result.held_out[key]:,} of {corpus_name(result.corpus.source)}"
    return None
