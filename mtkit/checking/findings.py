"""Findings and reports of a check."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from mtkit.checking.counts import Where
from mtkit.checking.rules import RULES, Severity

Role = Literal["train", "validation", "test"]


class Example(NamedTuple):
    """A line with the finding; its texts are short and safe to print to a terminal."""

    line: int
    src: str | None = None
    tgt: str | None = None
    note: str = ""
    """A note, such as where the same text occurs."""


@dataclass(frozen=True)
class Finding:
    """A finding in a corpus."""

    name: str
    """A key of RULES."""
    where: Where
    severity: Severity
    n: int
    n_of: int
    """Number of lines or pairs that were checked."""
    lines: tuple[int, ...] = ()
    """Numbers of the first lines."""
    examples: tuple[Example, ...] = ()
    detail: str = ""
    """Further explanation."""
    todo: str = ""
    """Recommended action."""
    why: str = ""
    """Why it matters, if that differs from the rule's."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """Figures of this rule for the JSON report."""

    @property
    def share(self) -> float:
        """Share of the checked lines or pairs."""
        return self.n / self.n_of if self.n_of else 0.0


@dataclass(frozen=True)
class CorpusReport:
    """A corpus and its findings."""

    role: Role
    name: str
    source: str
    """Its files."""
    languages: tuple[str, str]
    """Codes of source and target; empty if unknown."""
    n_lines: tuple[int, int]
    n_chars: tuple[int, int]
    findings: tuple[Finding, ...]
    not_checked: tuple[str, ...] = ()
    """Rules that were not checked."""
    found_elsewhere: tuple[str, ...] = ()
    """Rules whose findings are reported with another corpus."""
    is_complete: bool = True
    """Whether the corpus was read to its end."""

    @property
    def n_pairs(self) -> int:
        """Number of lines that both sides have."""
        return min(self.n_lines)

    @property
    def not_found(self) -> tuple[str, ...]:
        """Rules that were checked in the whole corpus without a finding."""
        excluded = {*self.not_checked, *self.found_elsewhere}
        excluded.update(finding.name for finding in self.findings)
        return tuple(name for name in RULES if name not in excluded)


@dataclass(frozen=True)
class CheckReport:
    """Reports of all corpora."""

    corpora: tuple[CorpusReport, ...]

    def count(self, severity: Severity) -> int:
        """Return the number of findings of a severity."""
        return sum(
            finding.severity == severity for corpus in self.corpora for finding in corpus.findings
        )

    @property
    def can_train(self) -> bool:
        """Whether training would accept the corpora."""
        return self.count("error") == 0
