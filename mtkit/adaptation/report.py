"""Scores of an adaptation before and after, on the memory and on general text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mtkit.adaptation.texts import Domain, TextCounts
from mtkit.evaluation.comparison import Comparison, Difference
from mtkit.evaluation.comparison_report import (
    FEW_DIFFERENT,
    difference_to_dict,
    format_interval,
    format_p_value,
)
from mtkit.evaluation.metrics import compare
from mtkit.evaluation.tables import Table, render

Verdict = Literal["better", "no significant difference", "worse"]
_SIGNIFICANT = 0.05
_FEW = 100
"""Test sets with fewer segments show large differences only."""


@dataclass(frozen=True)
class DomainResult:
    """Translations of the test of one domain, before and after."""

    domain: Domain
    comparison: Comparison
    n_segments: int
    n_exact: tuple[int, int]
    """Segments translated exactly as the reference, before and after."""

    @classmethod
    def of(
        cls,
        domain: Domain,
        translations: Mapping[str, Sequence[str]],
        references: Sequence[str],
        metrics: tuple[Sequence[str], str | None],
    ) -> "DomainResult":
        """Compare the translations `before` and `after`.

        Args:
            domain: The domain.
            translations: Translations by `before` and `after`.
            references: One for each segment.
            metrics: See `BaseModel.metrics`.
        """
        names, tokenize = metrics
        before, after = (
            sum(one == other for one, other in zip(texts, references, strict=True))
            for texts in (translations["before"], translations["after"])
        )
        comparison = compare(translations, references, names, tokenize)
        return cls(domain, comparison, len(references), (before, after))

    @property
    def difference(self) -> Difference:
        """The difference in the main metric."""
        return self.comparison.differences[0]

    @property
    def verdict(self) -> Verdict:
        """Whether the main metric has changed significantly.

        With few different translations, their outputs can be exchanged in too few ways for a test.
        """
        found = self.difference
        if found.p is None or found.p >= _SIGNIFICANT or found.n_different < FEW_DIFFERENT:
            return "no significant difference"
        return "better" if found.value > 0 else "worse"

    def rows(self) -> Iterator[list[str]]:
        """Yield a row of the table for each metric."""
        before, after = self.comparison.systems
        for found in self.comparison.differences:
            metric = self.comparison.metrics[found.metric]
            n = metric.n_digits
            yield [
                self.domain,
                metric.name,
                f"{before.scores[found.metric].score.value:.{n}f}",
                f"{after.scores[found.metric].score.value:.{n}f}",
                f"{found.value:+.{n}f}",
                format_interval(found.low, found.high, n, "+"),
                format_p_value(found.p),
            ]

    def to_json(self) -> dict[str, Any]:
        """Return the result as a JSON object, with unrounded values."""
        return {
            "n_segments": self.n_segments,
            "n_exact": dict(zip(("before", "after"), self.n_exact, strict=True)),
            "verdict": self.verdict,
            "systems": {
                result.system.name: {
                    key: scores.score.as_dict() for key, scores in result.scores.items()
                }
                for result in self.comparison.systems
            },
            "differences": [
                difference_to_dict(found, self.comparison) for found in self.comparison.differences
            ],
        }


@dataclass(frozen=True)
class AdaptationReport:
    """Result of an adaptation."""

    model_dir: Path
    """The adapted model."""
    recipe_path: Path
    texts: TextCounts
    n_steps: int
    """Updates of training."""
    domains: list[DomainResult]
    """The memory, and general text if there is any."""

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {
            "verdict": self.verdict(),
            "n_steps": self.n_steps,
            "texts": self.texts.to_json(),
            "domains": {result.domain: result.to_json() for result in self.domains},
        }

    def text_lines(self) -> Iterator[str]:
        """Format the report line by line."""
        yield from self.texts.text_lines()
        yield f"{self.recipe_path}: trained for {self.n_steps:,} updates"
        header = ["test", "metric", "before", "after", "difference", "95 % interval", "p"]
        rows = [row for result in self.domains for row in result.rows()]
        yield from render(Table("", header, rows, n_left=2), "text").splitlines()
        for result in self.domains:
            before, after = result.n_exact
            yield (
                f"{result.domain}: {result.n_segments:,} segments, of which {before:,} before and"
                f" {after:,} after are exactly the reference"
            )
            if result.n_segments < _FEW:
                yield f"note: {result.n_segments} segments can show large differences only"
            if 0 < (n := result.difference.n_different) < FEW_DIFFERENT:
                yield f"note: only {n} of these translations differ, too few for a test"
        if self.texts.tests_general_training:
            yield (
                "note: the general test is held out from the general text; if the model was trained"
                " on it, the score before is too high (--general-test)"
            )
        yield f"model: {self.model_dir}"
        yield self.verdict()

    def verdict(self) -> str:
        """Return in one sentence whether the adaptation has helped, and at what cost."""
        by_domain = {result.domain: result.verdict for result in self.domains}
        memory, general = by_domain["memory"], by_domain.get("general")
        helped = {
            "better": "the adapted model is better on the memory",
            "worse": "the adapted model is WORSE on the memory: keep the original",
        }.get(memory, "the adaptation has NOT helped: no significant difference on the memory")
        forgot = {
            None: "; what it has forgotten was not measured",
            "better": ", and on general text",
            "worse": f", {'but' if memory == 'better' else 'and'} WORSE on general text: more of it"
            " (--ratio), or a lower --learning-rate, may keep it",
        }.get(general, "; no significant difference on general text")
        return helped + forgot
