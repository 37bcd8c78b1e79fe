"""Check corpora: read them, compare them with each other, and report findings before training."""

import errno
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from mtkit.checking.counts import Occurrences
from mtkit.checking.cross_corpus import find_overlaps, find_repeats
from mtkit.checking.excerpts import excerpt, first_invalid_byte
from mtkit.checking.findings import CheckReport, CorpusReport, Example, Finding, Role
from mtkit.checking.lenient_reader import RawLine, lookup_lines
from mtkit.checking.make_findings import FindingDraft, make_findings
from mtkit.checking.rules import RULES, SEVERITIES, severity_of
from mtkit.checking.scan import (
    CheckedCorpus,
    ScanResult,
    TolerantReader,
    held_out_keys,
    read_texts,
    scan_corpus,
)
from mtkit.config.clean import TestOverlap
from mtkit.config.data import DataConfig, corpus_name
from mtkit.corpus.misalignment.line_shifts import Shift, find_shifts
from mtkit.corpus.read.change_guard import corpus_snapshot
from mtkit.corpus.read.file_names import language_of_file
from mtkit.corpus.read.pairs import describe_source
from mtkit.errors import MtkitError
from mtkit.io.arguments import require_count, require_type, require_workers
from mtkit.io.progress import progress
from mtkit.io.spool import is_stream
from mtkit.io.text import invalid_utf8_hint
from mtkit.workers.cpu_info import n_cores

_MIN_PARALLEL_BYTES = 1 << 26
"""A smaller corpus is read in less time than it takes to start worker processes."""
_SHOWN_AS_PAIRS = ("one_sided", "wrong_language", "wrong_script", "few_letters")
"""Findings about one side that can be understood only with the other."""


def check_corpora(
    data: DataConfig,
    *,
    n_shown: int = 3,
    find_shift: bool = True,
    n_workers: int | None = None,
    test_overlap: TestOverlap = "off",
) -> CheckReport:
    """Check training, validation and test corpora.

    Damaged or missing data is a finding, not an error. Memory does not grow with the training
    corpora; about 100 bytes per training pair are written to a temporary directory.

    Args:
        data: The corpora and their languages; `UNKNOWN_LANG` for an unknown language.
        n_shown: Number of examples per finding, at most MAX_LINES.
        find_shift: Whether to search for shifted lines, which takes longer than all other checks.
        n_workers: Number of processes; by default one per core, or none for small corpora.
        test_overlap: `clean.test_overlap` of the recipe: what training leaves out is only noted.
    Raises:
        MtkitError: A corpus changes while it is read, or the temporary directory is full.
    """
    require_type(data, DataConfig, "data", "a recipe has it as recipe.data")
    require_count(n_shown, "n_shown", minimum=0)
    require_workers(n_workers)
    sources = [(role, source) for role in get_args(Role) for source in getattr(data, role)]
    corpora = [
        CheckedCorpus(number, role, source, data) for number, (role, source) in enumerate(sources)
    ]
    if n_workers is None:
        n_workers = n_cores() if sum(map(_n_bytes, corpora)) >= _MIN_PARALLEL_BYTES else 0
    snapshot = corpus_snapshot(corpus.source for corpus in corpora)
    with tempfile.TemporaryDirectory(prefix="mtkit-check-") as temp_dir:
        try:
            report = CheckReport(
                tuple(
                    _corpus_reports(
                        corpora, Path(temp_dir), n_shown, find_shift, n_workers, test_overlap
                    )
                )
            )
        except OSError as exc:
            if exc.errno != errno.ENOSPC:
                raise
            raise MtkitError(
                f"`{temp_dir}`: disk full",
                "set TMPDIR to a directory with 100 bytes of free space per pair",
            ) from None
    snapshot.check()
    return report


def _n_bytes(corpus: CheckedCorpus) -> int:
    paths = (corpus.source.src, corpus.source.tgt, corpus.source.file)
    return sum(path.stat().st_size for path in paths if path is not None and path.is_file())


def _corpus_reports(
    corpora: Sequence[CheckedCorpus],
    temp_dir: Path,
    n_shown: int,
    find_shift: bool,
    n_workers: int,
    test_overlap: TestOverlap,
) -> Iterator[CorpusReport]:
    held_out = {
        corpus.number: held_out_keys(corpus) for corpus in corpora if corpus.role != "train"
    }
    all_keys = frozenset(
        key for keys_of_line in held_out.values() for keys in keys_of_line.values() for key in keys
    )
    with progress("Checking") as bar:
        scans = [
            scan_corpus(
                corpus,
                temp_dir,
                all_keys if corpus.role == "train" else frozenset(),
                n_workers,
                bar,
            )
            for corpus in corpora
        ]
    drafts: defaultdict[int, list[FindingDraft]] = defaultdict(list)
    training = [result for result in scans if result.corpus.role == "train"]
    others = [result for result in scans if result.corpus.role != "train"]
    # Different held-out corpora may contain the same pairs.
    for group in [training, *([result] for result in others)]:
        for number, draft in find_repeats(group, temp_dir, n_shown):
            drafts[number].append(draft)
    overlaps = {
        number: list(find_overlaps(keys_of_line, training, test_overlap))
        for number, keys_of_line in held_out.items()
    }
    looks_for_overlap = any(result.error is None for result in others)
    for result in scans:
        corpus = result.corpus
        shifts = _shifts(corpus) if find_shift else []
        drafts_of_corpus = [
            *drafts[corpus.number],
            *overlaps.get(corpus.number, ()),
            *_swapped_names(corpus),
            *make_findings(result.counts, corpus.languages, shifts),
        ]
        report = _corpus_report(result, drafts_of_corpus, n_shown, () if find_shift else ("shift",))
        if corpus.role == "train" and not looks_for_overlap and report.is_complete:
            report = replace(report, not_checked=(*report.not_checked, "overlap"))
        # An overlap concerns a training and a held-out corpus, and is reported with the latter.
        if corpus.role == "train" and any(overlaps.values()):
            report = replace(report, found_elsewhere=("overlap",))
        yield report


def _shifts(corpus: CheckedCorpus) -> list[Shift]:
    with progress("Searching for shifted lines") as bar:
        return find_shifts(lambda: read_texts(corpus, bar))


def _swapped_names(corpus: CheckedCorpus) -> Iterator[FindingDraft]:
    """Report file names that contradict the language codes."""
    src, tgt = corpus.source.src, corpus.source.tgt
    if src is None or tgt is None or corpus.languages[0] == corpus.languages[1]:
        return
    if (language_of_file(tgt), language_of_file(src)) == corpus.languages:
        yield FindingDraft(
            "exchanged_names",
            "pair",
            Occurrences(1),
            1,
            f"`{src.name}` is given as {corpus.languages[0]}, "
            f"`{tgt.name}` as {corpus.languages[1]}",
        )


def _corpus_report(
    result: ScanResult, drafts: Sequence[FindingDraft], n_shown: int, not_checked: tuple[str, ...]
) -> CorpusReport:
    """Look up the lines of the findings and build the report."""
    corpus, sides = result.corpus, result.counts.sides
    if result.error is not None:
        # A file that could not be read obviously contains no pairs.
        drafts = [draft for draft in drafts if draft.name != "no_pairs"]
        drafts.append(
            FindingDraft(
                "unreadable",
                "pair",
                Occurrences(1),
                1,
                result.error.message,
                todo=result.error.hint,
            )
        )
        found_rules = {draft.name for draft in drafts}
        not_checked = tuple(name for name in RULES if name not in found_rules)
    lines: set[int] = set()
    for draft in drafts:
        shown = draft.occurrences.lines[:n_shown]
        lines.update(shown, (draft.translated_by[n] for n in shown if n in draft.translated_by))
    texts = lookup_lines(TolerantReader(corpus), lines)
    return CorpusReport(
        role=corpus.role,
        name=corpus_name(corpus.source),
        source=describe_source(corpus.source),
        languages=corpus.languages,
        n_lines=(sides["src"].n_lines, sides["tgt"].n_lines),
        n_chars=(sides["src"].n_chars, sides["tgt"].n_chars),
        findings=_worst_first(_finding(corpus, draft, texts, n_shown) for draft in drafts),
        not_checked=not_checked,
        is_complete=result.error is None,
    )


def _finding(
    corpus: CheckedCorpus,
    draft: FindingDraft,
    texts: dict[int, tuple[RawLine | None, RawLine | None]],
    n_shown: int,
) -> Finding:
    examples = []
    for line in draft.occurrences.lines[:n_shown]:
        side_texts: dict[str, RawLine | None] = dict(
            zip(("src", "tgt"), texts.get(line, (None, None)), strict=True)
        )
        if draft.where != "pair" and draft.name not in _SHOWN_AS_PAIRS:
            side_texts = {draft.where: side_texts[draft.where]}
        note = draft.notes.get(line, "")
        if (partner := draft.translated_by.get(line)) is not None and (
            text := texts.get(partner, (None, None))[1]
        ) is not None:
            note = f"corresponds to line {partner:,}: {excerpt(text)}"
        if draft.name == "invalid_utf8":
            note = f"byte {first_invalid_byte(side_texts[draft.where] or b'')}"
        examples.append(
            Example(
                line,
                note=note,
                **{
                    side: excerpt(text, draft.name)
                    for side, text in side_texts.items()
                    if text is not None
                },
            )
        )
    return Finding(
        name=draft.name,
        where=draft.where,
        severity=draft.severity
        or severity_of(
            draft.name,
            draft.occurrences.n / max(1, draft.n_of),
            is_trained_on=corpus.role == "train",
        ),
        n=draft.occurrences.n,
        n_of=draft.n_of,
        lines=tuple(draft.occurrences.lines),
        examples=tuple(examples),
        detail=draft.detail,
        todo=_todo(corpus, draft) or RULES[draft.name].todo,
        why=draft.why,
        figures=draft.figures,
    )


def _todo(corpus: CheckedCorpus, draft: FindingDraft) -> str:
    path = {"src": corpus.source.src, "tgt": corpus.source.tgt}.get(draft.where)
    if draft.name != "invalid_utf8" or path is None or is_stream(path):
        return draft.todo
    hint = invalid_utf8_hint(b"", str(path), corpus.languages[("src", "tgt").index(draft.where)])
    return f"{hint[0].upper()}{hint[1:]}."


def _worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort by the higher severity of both sides, then in the order of RULES."""
    findings = list(findings)
    worst: dict[str, int] = {}
    for finding in findings:
        rank = SEVERITIES.index(finding.severity)
        worst[finding.name] = min(worst.get(finding.name, rank), rank)
    order = list(RULES)
    findings.sort(
        key=lambda finding: (worst[finding.name], order.index(finding.name), finding.where)
    )
    return tuple(findings)
