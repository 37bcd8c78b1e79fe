"""Turn the counts of a corpus into findings."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from mtkit.checking.counts import MAX_LINES, CorpusCounts, Occurrences, Where
from mtkit.checking.rules import RULES, Severity
from mtkit.corpus.misalignment.line_shifts import Shift
from mtkit.corpus.scripts import scripts_of_language
from mtkit.corpus.sentence_pair import SIDES, Side
from mtkit.tokenizer.pretokenized import MAX_MARKER_SHARE

MIN_SAMPLE = 50
"""Minimum number of lines for a finding about a side as a whole."""
MAX_UPPER_SHARE = 0.05
"""Share of lines with capitals among those with cased letters; above 95% in ordinary news,
subtitles and learner sentences.
"""
MAX_LISTED_SHIFTS = 5
WORD_RULES = ("swapped", "wrong_language")
"""Rules by the words of a line, which apply only if the script cannot decide."""


class FindingDraft(NamedTuple):
    """A finding before its lines are looked up."""

    name: str
    where: Where
    occurrences: Occurrences
    n_of: int
    detail: str = ""
    notes: Mapping[int, str] = MappingProxyType({})
    """Notes by line."""
    todo: str = ""
    """Recommended action, if it differs from the rule's."""
    why: str = ""
    """Why it matters, if that differs from the rule's."""
    severity: Severity | None = None
    """Severity, if it differs from the rule's."""
    translated_by: Mapping[int, int] = MappingProxyType({})
    """For lines of the source, the line of the target that translates them."""
    figures: Mapping[str, Any] = MappingProxyType({})
    """Figures for the JSON report."""


def make_findings(
    counts: CorpusCounts, languages: tuple[str, str], shifts: Sequence[Shift]
) -> Iterator[FindingDraft]:
    """Yield the findings from the counts of a corpus.

    Args:
        counts: All counts.
        languages: Codes of source and target; empty if unknown.
        shifts: The shifts between its sides.
    """
    yield from _count_findings(counts, shifts)
    # If a language is unknown, its scripts are those of at least half of the lines.
    scripts = [
        scripts_of_language(code) or _usual_scripts(counts, index)
        for index, code in enumerate(languages)
    ]
    are_apart = all(scripts) and not scripts[0] & scripts[1]
    for (name, where), occurrences in counts.occurrences.items():
        if are_apart and name in WORD_RULES:
            continue
        n_of = counts.n_pairs
        if where != "pair" and name != "one_sided":
            n_of = counts.sides[where].n_lines
        yield FindingDraft(name, where, occurrences, n_of)
    yield from _side_findings(counts)
    yield from _script_findings(counts, scripts, are_apart=are_apart)
    outliers = counts.ratios.outliers()
    if outliers.n:
        detail = (
            f"typical: {outliers.usual:.2f} characters of the target per character of the "
            "source; the most unusual come first"
        )
        yield FindingDraft(
            "length_ratio", "pair", Occurrences(outliers.n, outliers.lines), counts.n_usable, detail
        )
    if shifts:
        detail = "; ".join(shift.describe() for shift in shifts[:MAX_LISTED_SHIFTS]) + (
            "; and more" if len(shifts) > MAX_LISTED_SHIFTS else ""
        )
        occurrences = Occurrences(len(shifts), [shift.line for shift in shifts])
        goes_with = {
            shift.line: shift.line + shift.offset_after
            for shift in shifts
            if shift.offset_after is not None
        }
        yield FindingDraft(
            "shift",
            "pair",
            occurrences,
            counts.n_pairs,
            detail,
            translated_by=goes_with,
            figures={"shifts": [shift._asdict() for shift in shifts]},
        )


def _count_findings(counts: CorpusCounts, shifts: Sequence[Shift]) -> Iterator[FindingDraft]:
    n_src, n_tgt = counts.sides["src"].n_lines, counts.sides["tgt"].n_lines
    if n_src != n_tgt:
        detail = f"{n_src:,} lines of the source, {n_tgt:,} of the target; "
        if shifts:
            detail += f"they diverge at about line {shifts[0].line:,}"
        else:
            detail += (
                "where they diverge is unknown: check the end, from line "
                f"{counts.n_pairs + 1:,} on, and around blank lines"
            )
        longer: Where = "src" if n_src > n_tgt else "tgt"
        yield FindingDraft(
            "unequal_counts",
            longer,
            Occurrences(abs(n_src - n_tgt), [counts.n_pairs + 1]),
            max(n_src, n_tgt),
            detail,
        )
    if not counts.n_usable:
        yield FindingDraft("no_pairs", "pair", Occurrences(counts.n_pairs), counts.n_pairs)


def _side_findings(counts: CorpusCounts) -> Iterator[FindingDraft]:
    for side in SIDES:
        side_counts = counts.sides[side]
        if side_counts.n_sampled < MIN_SAMPLE:
            continue
        markers = {
            marker: count
            for marker, count in side_counts.markers.items()
            if count > MAX_MARKER_SHARE * side_counts.n_sampled
        }
        if markers:
            detail = ", ".join(
                f"{marker} in {count / side_counts.n_sampled:.0%} of the lines"
                for marker, count in markers.items()
            )
            yield FindingDraft(
                "tokenized", side, Occurrences(max(markers.values())), side_counts.n_sampled, detail
            )
        if (
            side_counts.n_cased > side_counts.n_sampled / 2
            and side_counts.n_with_upper < MAX_UPPER_SHARE * side_counts.n_cased
        ):
            yield FindingDraft(
                "lower_cased",
                side,
                Occurrences(side_counts.n_cased - side_counts.n_with_upper),
                side_counts.n_cased,
            )


def _script_findings(
    counts: CorpusCounts, expected: Sequence[frozenset[str]], *, are_apart: bool
) -> Iterator[FindingDraft]:
    """Yield findings about lines in the script of the other side, or of neither."""
    if not all(expected):
        return
    swapped: list[Occurrences] = []
    wrong: dict[Side, list[tuple[frozenset[str], Occurrences]]] = {"src": [], "tgt": []}
    for mix, occurrences in counts.scripts.items():
        is_wrong = [
            bool(scripts) and not scripts & allowed
            for scripts, allowed in zip(mix, expected, strict=True)
        ]
        if all(is_wrong) and are_apart and mix.src & expected[1] and mix.tgt & expected[0]:
            swapped.append(occurrences)
            continue
        for index, side in enumerate(SIDES):
            if is_wrong[index]:
                wrong[side].append((mix[index], occurrences))
    if swapped:
        all_swapped = _merge_occurrences(swapped)
        todo = RULES["exchanged_names"].todo if all_swapped.n > counts.n_usable / 2 else ""
        yield FindingDraft("swapped", "pair", all_swapped, counts.n_pairs, todo=todo)
    for index, side in enumerate(SIDES):
        if wrong[side]:
            counts_of_scripts: Counter[str] = Counter()
            for scripts, occurrences in wrong[side]:
                counts_of_scripts[" and ".join(sorted(scripts))] += occurrences.n
            listed = ", ".join(
                f"{script} ({count:,})" for script, count in counts_of_scripts.most_common(3)
            )
            detail = f"expected: {' or '.join(sorted(expected[index]))}; these are in {listed}"
            yield FindingDraft(
                "wrong_script",
                side,
                _merge_occurrences([occurrences for _, occurrences in wrong[side]]),
                counts.n_pairs,
                detail,
                figures={"scripts": dict(counts_of_scripts)},
            )


def _usual_scripts(counts: CorpusCounts, index: int) -> frozenset[str]:
    """Return the scripts of at least half of the lines of a side."""
    counts_of_scripts: Counter[str] = Counter()
    n_lines = 0
    for mix, occurrences in counts.scripts.items():
        n_lines += occurrences.n if mix[index] else 0
        for script in mix[index]:
            counts_of_scripts[script] += occurrences.n
    return frozenset(script for script, count in counts_of_scripts.items() if 2 * count >= n_lines)


def _merge_occurrences(parts: Sequence[Occurrences]) -> Occurrences:
    return Occurrences(
        sum(part.n for part in parts),
        sorted(line for part in parts for line in part.lines)[:MAX_LINES],
    )
