"""Format the findings as text and as JSON."""

import json
import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from mtkit.checking.findings import CheckReport, CorpusReport, Finding
from mtkit.checking.rules import RULES, SEVERITIES

_WHERE = {"src": "source", "tgt": "target", "pair": ""}
_INDENT = " " * 9
_WIDTH = 120


def to_text(report: CheckReport) -> str:
    """Format the findings of each corpus, worst first, with examples and a conclusion.

    There is no newline at the end.
    """
    return "\n".join(_lines(report))


def _lines(report: CheckReport) -> Iterator[str]:
    for corpus in report.corpora:
        yield from _corpus_lines(corpus, with_role=len(report.corpora) > 1)
        yield ""
    yield f"Training would {'accept' if report.can_train else 'reject'} this."


def _corpus_lines(corpus: CorpusReport, *, with_role: bool) -> Iterator[str]:
    yield f"{corpus.role} corpus {corpus.name}: {corpus.source}" if with_role else corpus.source
    src, tgt = (code or "?" for code in corpus.languages)
    per_line = [
        n_chars / max(1, n_lines)
        for n_chars, n_lines in zip(corpus.n_chars, corpus.n_lines, strict=True)
    ]
    yield (
        f"{_count(corpus.n_pairs, 'pair')}, {src} to {tgt}, {per_line[0]:.0f} and "
        f"{per_line[1]:.0f} characters per line: {_count_by_severity(corpus)}"
    )
    for _, group in groupby(corpus.findings, key=lambda finding: finding.name):
        yield ""
        yield from _rule_lines(list(group))
    yield ""
    if not corpus.is_complete:
        yield "not checked: everything else, since the corpus cannot be read to its end"
        return
    for head, names in (("not found: ", corpus.not_found), ("not checked: ", corpus.not_checked)):
        if names:
            listed = textwrap.fill(
                ", ".join(names), _WIDTH, initial_indent=head, subsequent_indent=" " * len(head)
            )
            yield listed.replace("_", " ")


def _count_by_severity(corpus: CorpusReport) -> str:
    counts = {
        severity: len({finding.name for finding in corpus.findings if finding.severity == severity})
        for severity in SEVERITIES
    }
    return ", ".join(_count(n, severity) for severity, n in counts.items() if n) or "no findings"


def _rule_lines(findings: list[Finding]) -> Iterator[str]:
    """Format the findings of one rule for both sides."""
    rule = RULES[findings[0].name]
    severity = min((finding.severity for finding in findings), key=SEVERITIES.index)
    words = [", ".join(map(_describe_count, findings)), rule.title]
    yield f"{severity:<8} {findings[0].name.replace('_', ' ')}: {' '.join(filter(None, words))}"
    for finding in findings:
        if finding.detail:
            yield f"{_INDENT}{finding.detail}"
    yield f"{_INDENT}{findings[0].why or rule.why}"
    if findings[0].todo:
        yield f"{_INDENT}-> {findings[0].todo}"
    examples = [example for finding in findings for example in finding.examples]
    width = max((len(f"{example.line:,}") for example in examples), default=0)
    for example in examples:
        texts = [
            f"{side}  {text}"
            for side, text in (("src", example.src), ("tgt", example.tgt))
            if text is not None
        ]
        margin = f"{_INDENT}{example.line:>{width},}  "
        for text in texts + ([f"     {example.note}"] if example.note else []):
            yield f"{margin}{text}"
            margin = " " * len(margin)


def _describe_count(finding: Finding) -> str:
    """Format as `16 target lines (0.055%)`, or `target` if nothing is counted."""
    side = _WHERE[finding.where]
    noun = RULES[finding.name].noun
    if noun is None:
        noun = "line/lines" if side else "pair/pairs"
    singular, _, plural = noun.partition("/")
    if not singular:
        return side
    words = " ".join(
        word for word in (f"{finding.n:,}", side, singular if finding.n == 1 else plural) if word
    )
    return words if finding.name in _WITHOUT_SHARE else f"{words} ({_percent(finding.share)})"


_WITHOUT_SHARE = ("unequal_counts", "shift")


def _percent(share: float) -> str:
    """Format with two significant digits: 12%, 1.2%, 0.012%."""
    return f"{share:.0%}" if share >= 0.1 else f"{float(f'{100 * share:.2g}'):g}%"


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def to_json(report: CheckReport) -> str:
    """Format as a JSON object: can_train, n_errors, n_warnings, n_notes, and corpora with findings.

    Future versions only add keys.
    """
    return json.dumps(to_dict(report), ensure_ascii=False, indent=2)


def to_dict(report: CheckReport) -> dict[str, Any]:
    """Return the report as a dictionary; see `to_json`."""
    counts = {f"n_{severity}s": report.count(severity) for severity in SEVERITIES}
    return {
        "can_train": report.can_train,
        **counts,
        "corpora": [_corpus_dict(corpus) for corpus in report.corpora],
    }


def _corpus_dict(corpus: CorpusReport) -> dict[str, Any]:
    return {
        "name": corpus.name,
        "role": corpus.role,
        "source": corpus.source,
        "src_lang": corpus.languages[0],
        "tgt_lang": corpus.languages[1],
        "n_pairs": corpus.n_pairs,
        "n_src_lines": corpus.n_lines[0],
        "n_tgt_lines": corpus.n_lines[1],
        "n_src_chars": corpus.n_chars[0],
        "n_tgt_chars": corpus.n_chars[1],
        "findings": [_finding_dict(finding) for finding in corpus.findings],
        "not_found": list(corpus.not_found),
        "not_looked_for": list(corpus.not_checked),
    }


def _finding_dict(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.name,
        "where": finding.where,
        "severity": finding.severity,
        "n": finding.n,
        "n_of": finding.n_of,
        "share": finding.share,
        "lines": list(finding.lines),
        "examples": [example._asdict() for example in finding.examples],
        "title": RULES[finding.name].title,
        "detail": finding.detail,
        "why": finding.why or RULES[finding.name].why,
        "todo": finding.todo,
        **finding.figures,
    }
