"""Findings, and what a corpus is reported to be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from mtkit.checking.counts import Where
from mtkit.checking.rules import RULES, Severity


class Example(NamedTuple):
    """A line that shows what was found; its text is short, and without characters that a terminal could take for commands."""

    line: int
    src: str | None = None
    tgt: str | None = None
    note: str = ""
    """Such as where the same text stands."""


@dataclass(frozen=True)
class Finding:
    """Something that was found."""

    name: str
    """A key of `RULES`."""
    where: Where
    severity: Severity
    n: int
    n_of: int
    """Lines or pairs that were looked at."""
    lines: tuple[int, ...] = ()
    """Numbers of the first of them."""
    examples: tuple[Example, ...] = ()
    detail: str = ""
    """What more there is to say, in words."""
    todo: str = ""
    """What to do."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """Figures of this rule, for programs."""

    @property
    def share(self) -> float:
        """Of what was looked at."""
        return self.n / self.n_of if self.n_of else 0.0


@dataclass(frozen=True)
class CorpusReport:
    """One corpus, and what was found in it."""

    role: Literal["train", "validation", "test"]
    name: str
    source: str
    """Its files."""
    languages: tuple[str, str]
    """Codes of source and target; empty where none is known."""
    n_lines: tuple[int, int]
    n_chars: tuple[int, int]
    findings: tuple[Finding, ...]
    not_checked: tuple[str, ...] = ()
    """Names of `RULES`."""
    found_elsewhere: tuple[str, ...] = ()
    """Names of `RULES` that were found, and are reported with another corpus."""
    is_complete: bool = True
    """Whether it could be read to its end."""

    @property
    def n_pairs(self) -> int:
        """Lines that both sides have."""
        return min(self.n_lines)

    @property
    def not_found(self) -> tuple[str, ...]:
        """Problems that were looked for in the whole corpus and not found."""
        excluded = {finding.name for finding in self.findings} | {
            *self.not_checked,
            *self.found_elsewhere,
        }
        return tuple(name for name in RULES if name not in excluded)


@dataclass(frozen=True)
class CheckReport:
    """All corpora."""

    corpora: tuple[CorpusReport, ...]

    def count(self, severity: Severity) -> int:
        """How many findings are of this severity."""
        return sum(
            finding.severity == severity for corpus in self.corpora for finding in corpus.findings
        )

    @property
    def can_train(self) -> bool:
        """Whether training would accept them."""
        return self.count("error") == 0
