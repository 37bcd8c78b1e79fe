"""From counts to findings: what the tally of a corpus says about it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from mtkit.checking.counts import MAX_LINES, SIDES, CorpusCounts, Occurrences, SideName, Where
from mtkit.checking.rules import RULES
from mtkit.corpus.misalignment.line_shifts import Shift
from mtkit.corpus.scripts import scripts_of_language
from mtkit.tokenizer.pretokenized import MAX_MARKER_SHARE

MIN_SAMPLE = 50
"""Lines below which nothing is said of a side as a whole."""
MAX_UPPER_SHARE = 0.05
"""Of the lines with letters that have case; raw text of news, captions and learners' sentences has capitals in 95% of them or more."""
MAX_LISTED_SHIFTS = 5
WORD_RULES = ("swapped", "wrong_language")
"""Rules that go by the words of a line, which has a meaning only where the script cannot decide."""


class FindingDraft(NamedTuple):
    """A finding before its lines are looked up."""

    name: str
    where: Where
    places: Occurrences
    n_of: int
    detail: str = ""
    notes: Mapping[int, str] = MappingProxyType({})
    """By line, what else there is to say of it."""
    todo: str = ""
    """What to do, where it is not what the rule says."""
    translated_by: Mapping[int, int] = MappingProxyType({})
    """By line of the source, the line of the target that translates it."""
    more: Mapping[str, Any] = MappingProxyType({})
    """Figures for programs."""


def make_findings(
    tally: CorpusCounts, languages: tuple[str, str], shifts: Sequence[Shift]
) -> Iterator[FindingDraft]:
    """Findings from the counts of one corpus.

    Args:
        tally: All counts.
        languages: Codes of source and target; empty where unknown.
        shifts: Where its sides slip.
    """
    yield from _count_findings(tally, shifts)
    scripts = _expected_scripts(tally, languages)
    are_apart = all(scripts) and not scripts[0] & scripts[1]
    for (name, where), places in tally.occurrences.items():
        if are_apart and name in WORD_RULES:
            continue
        yield FindingDraft(
            name,
            where,
            places,
            tally.n_pairs if where == "pair" or name == "one_sided" else tally.sides[where].n_lines,
        )
    yield from _side_findings(tally)
    yield from _script_findings(tally, scripts, are_apart=are_apart)
    outliers = tally.ratios.outliers()
    if outliers.n:
        usual = f"usual are {outliers.usual:.2f} characters of the target for each of the source; the worst come first"
        yield FindingDraft(
            "length_ratio", "pair", Occurrences(outliers.n, outliers.lines), tally.n_usable, usual
        )
    if shifts:
        told = "; ".join(shift.describe() for shift in shifts[:MAX_LISTED_SHIFTS]) + (
            "; and so on" if len(shifts) > MAX_LISTED_SHIFTS else ""
        )
        places = Occurrences(len(shifts), [shift.line for shift in shifts])
        goes_with = {
            shift.line: shift.line + shift.offset_after
            for shift in shifts
            if shift.offset_after is not None
        }
        yield FindingDraft(
            "shift",
            "pair",
            places,
            tally.n_pairs,
            told,
            translated_by=goes_with,
            more={"shifts": [shift._asdict() for shift in shifts]},
        )


def _count_findings(tally: CorpusCounts, shifts: Sequence[Shift]) -> Iterator[FindingDraft]:
    n_src, n_tgt = tally.sides["src"].n_lines, tally.sides["tgt"].n_lines
    if n_src != n_tgt:
        told = f"{n_src:,} lines of the source, {n_tgt:,} of the target; "
        if shifts:
            told += f"they come apart at line {shifts[0].line:,} or a few lines off"
        else:
            told += f"no place was found where they come apart: look at the end, from line {tally.n_pairs + 1:,} on, or near the blank lines"
        longer: Where = "src" if n_src > n_tgt else "tgt"
        yield FindingDraft(
            "unequal_counts",
            longer,
            Occurrences(abs(n_src - n_tgt), [tally.n_pairs + 1]),
            max(n_src, n_tgt),
            told,
        )
    if not tally.n_usable:
        yield FindingDraft("no_pairs", "pair", Occurrences(tally.n_pairs), tally.n_pairs)


def _side_findings(tally: CorpusCounts) -> Iterator[FindingDraft]:
    for side in SIDES:
        counts = tally.sides[side]
        if counts.n_sampled < MIN_SAMPLE:
            continue
        signs = {
            sign: count
            for sign, count in counts.markers.items()
            if count > MAX_MARKER_SHARE * counts.n_sampled
        }
        if signs:
            detail = ", ".join(
                f"{sign} in {count / counts.n_sampled:.0%} of the lines"
                for sign, count in signs.items()
            )
            yield FindingDraft(
                "tokenised", side, Occurrences(max(signs.values())), counts.n_sampled, detail
            )
        if (
            counts.n_cased > counts.n_sampled / 2
            and counts.n_with_upper < MAX_UPPER_SHARE * counts.n_cased
        ):
            yield FindingDraft(
                "lower_cased",
                side,
                Occurrences(counts.n_cased - counts.n_with_upper),
                counts.n_cased,
            )


def _expected_scripts(
    tally: CorpusCounts, languages: tuple[str, str]
) -> tuple[frozenset[str], frozenset[str]]:
    """The scripts that each side should be in: its language's, or where that is unknown those of at least half of its lines."""
    src, tgt = (
        scripts_of_language(code) or _usual_scripts(tally, place)
        for place, code in enumerate(languages)
    )
    return src, tgt


def _script_findings(
    tally: CorpusCounts, expected: tuple[frozenset[str], frozenset[str]], *, are_apart: bool
) -> Iterator[FindingDraft]:
    """Lines in the script of the other side, or of neither."""
    if not all(expected):
        return
    swapped: list[Occurrences] = []
    wrong: dict[SideName, list[tuple[frozenset[str], Occurrences]]] = {"src": [], "tgt": []}
    for mix, places in tally.scripts.items():
        is_wrong = [
            bool(scripts) and not scripts & own for scripts, own in zip(mix, expected, strict=True)
        ]
        if all(is_wrong) and are_apart and mix.src & expected[1] and mix.tgt & expected[0]:
            swapped.append(places)
            continue
        for place, side in enumerate(SIDES):
            if is_wrong[place]:
                wrong[side].append((mix[place], places))
    if swapped:
        all_swapped = _merge_occurrences(swapped)
        todo = RULES["exchanged_names"].todo if all_swapped.n > tally.n_usable / 2 else ""
        yield FindingDraft("swapped", "pair", all_swapped, tally.n_pairs, todo=todo)
    for place, side in enumerate(SIDES):
        if wrong[side]:
            counts: Counter[str] = Counter()
            for scripts, places in wrong[side]:
                counts[" and ".join(sorted(scripts))] += places.n
            found = ", ".join(f"{script} ({count:,})" for script, count in counts.most_common(3))
            detail = f"{' or '.join(sorted(expected[place]))} is usual here; these are in {found}"
            yield FindingDraft(
                "wrong_script",
                side,
                _merge_occurrences([places for _, places in wrong[side]]),
                tally.n_pairs,
                detail,
                more={"scripts": dict(counts)},
            )


def _usual_scripts(tally: CorpusCounts, place: int) -> frozenset[str]:
    counts: dict[str, int] = {}
    n_lines = 0
    for mix, places in tally.scripts.items():
        n_lines += places.n if mix[place] else 0
        for script in mix[place]:
            counts[script] = counts.get(script, 0) + places.n
    return frozenset(script for script, count in counts.items() if 2 * count >= n_lines)


def _merge_occurrences(parts: Sequence[Occurrences]) -> Occurrences:
    return Occurrences(
        sum(part.n for part in parts),
        sorted(line for part in parts for line in part.lines)[:MAX_LINES],
    )
