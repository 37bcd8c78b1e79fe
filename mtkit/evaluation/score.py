"""Scores of a corpus in one metric or several, with confidence intervals."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Score:
    """Score of a corpus in one metric."""

    name: str
    """Name in reports: BLEU, chrF2, chrF2++ or TER."""
    value: float
    """Percentage; for TER, lower is better, and it may exceed 100."""
    signature: str
    """Signature of sacreBLEU; scores are comparable only if their signatures are equal."""
    detail: str = ""
    """For BLEU: precisions, brevity penalty and lengths."""
    interval: "Interval | None" = None
    """Confidence interval, if it was requested."""
    n_digits: int = 2
    """Number of decimals in reports."""

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return f"{self.name} {self.value:.2f} ({self.signature})"

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON, those of the interval among them."""
        fields = {
            "name": self.name,
            "value": self.value,
            "signature": self.signature,
            "detail": self.detail,
        }
        return fields | (vars(self.interval) if self.interval else {})


@dataclass(frozen=True)
class Interval:
    """Confidence interval of a score, by the bootstrap."""

    mean: float
    """Mean over the resamples."""
    low: float
    """2.5 % of the resamples are below."""
    high: float
    """2.5 % of the resamples are above."""
    n_bootstrap: int
    """Number of resamples."""
    seed: int
    """Seed of the random numbers."""
    version: str
    """Version of sacreBLEU, or of mtkit for other metrics."""


@dataclass(frozen=True)
class Scores:
    """Scores of one evaluation, in the requested order."""

    by_metric: dict[str, Score]
    """Scores by metric: bleu, chrf, ter, chrf++, or the name of another program's."""
    n_segments: int
    """Number of translations."""

    @property
    def bleu(self) -> Score:
        """BLEU (Papineni et al. 2002)."""
        return self._get("bleu")

    @property
    def chrf(self) -> Score:
        """chrF (Popović 2015)."""
        return self._get("chrf")

    @property
    def ter(self) -> Score:
        """Translation edit rate (Snover et al. 2006); lower is better."""
        return self._get("ter")

    @property
    def chrf_pp(self) -> Score:
        """chrF++ (Popović 2017): chrF with words and pairs of words."""
        return self._get("chrf++")

    def __iter__(self) -> Iterator[Score]:
        return iter(self.by_metric.values())

    def __len__(self) -> int:
        return len(self.by_metric)

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Return the fields of each score, for JSON."""
        return {metric: score.as_dict() for metric, score in self.by_metric.items()}

    def _get(self, metric: str) -> Score:
        if metric not in self.by_metric:
            raise AttributeError(
                f"{metric} was not computed; request it: evaluate(..., metrics=[..., '{metric}'])"
            )
        return self.by_metric[metric]
