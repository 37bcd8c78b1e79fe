"""Choice of the length penalty and the beam size by the scores of a validation set."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mtkit.evaluation.comparison import Comparison, Difference, System, compare_systems
from mtkit.evaluation.comparison_report import (
    difference_to_dict,
    format_interval,
    format_p_value,
    format_score,
)
from mtkit.evaluation.corpus_metric import CorpusMetric
from mtkit.evaluation.resampling import Resampling
from mtkit.evaluation.score import Score
from mtkit.evaluation.tables import Table, render, signature_table
from mtkit.io.logs import get_logger

logger = get_logger(__name__)

FIRST_ALPHAS = (0.6, 1.0, 1.4, 1.8)
"""Values that are tried first, if none are given."""
_STEP, _LAST_ALPHA = 0.4, 5.0


class SearchSettings(NamedTuple):
    """Settings of a search that are chosen."""

    beam_size: int
    alpha: float

    def __str__(self) -> str:
        return f"alpha {self.alpha:g}, beam size {self.beam_size}"


@dataclass(frozen=True)
class Trial:
    """Translation of the validation set with some settings."""

    settings: SearchSettings
    translations: list[str]
    score: Score
    length_ratio: float
    """Characters of the translations per character of the (first) references."""


@dataclass(frozen=True)
class Tuning:
    """Trials, and the best one."""

    trials: list[Trial]
    """Ordered by beam size and alpha."""
    current: Trial
    """Trial of the model's own settings."""
    best: Trial
    comparison: Comparison | None
    """Comparison of the best trial with the current one; None if they are the same."""

    @property
    def difference(self) -> Difference | None:
        """Score of the best trial minus that of the current one."""
        return self.comparison.differences[0] if self.comparison else None

    def lines(self) -> Iterator[str]:
        """Format the trials as a table, and the choice."""
        metric = self.best.score
        rows = [
            [
                str(trial.settings.beam_size),
                f"{trial.settings.alpha:g}",
                format_score(trial.score),
                f"{trial.length_ratio:.3f}",
                ", ".join(self._notes(trial)),
            ]
            for trial in self.trials
        ]
        header = ["beam size", "alpha", f"{metric.name} [95 % interval]", "length ratio", ""]
        yield render(Table("", header, rows, n_left=0), "text")
        yield ""
        if (difference := self.difference) is None:
            yield f"best: {self.best.settings}, the model's own settings"
        else:
            interval = format_interval(difference.low, difference.high, metric.n_digits, "+")
            yield (
                f"best: {self.best.settings}: {difference.value:+.{metric.n_digits}f} {interval} "
                f"{metric.name} (p = {format_p_value(difference.p)}) over {self.current.settings}"
            )
        yield ""
        yield render(signature_table([(metric.name, metric.signature)]), "text")

    def to_json(self) -> str:
        """Return the trials and the choice as a JSON object."""
        content = {
            "n_segments": len(self.best.translations),
            "trials": [_to_dict(trial) for trial in self.trials],
            "current": self.current.settings._asdict(),
            "best": self.best.settings._asdict(),
            "difference": self.comparison
            and difference_to_dict(self.comparison.differences[0], self.comparison),
        }
        return json.dumps(content, indent=2)

    def _notes(self, trial: Trial) -> Iterator[str]:
        if trial is self.current:
            yield "the model's"
        if trial is self.best:
            yield "best"


def _to_dict(trial: Trial) -> dict[str, Any]:
    settings = trial.settings._asdict()
    return settings | {"score": trial.score.as_dict(), "length_ratio": trial.length_ratio}


class _Trials:
    """Trials of settings, each made once; first that of the current ones."""

    def __init__(
        self,
        translate: Callable[[SearchSettings], list[str]],
        references: Sequence[Sequence[str]],
        metric: CorpusMetric,
        resampling: Resampling,
        current: SearchSettings,
    ) -> None:
        self._translate, self._metric, self._resampling = translate, metric, resampling
        self._n_characters = sum(map(len, references[0]))
        self._made: dict[SearchSettings, Trial] = {}
        self.current = self.get(current)

    def get(self, settings: SearchSettings) -> Trial:
        if settings not in self._made:
            translations = self._translate(settings)
            score = self._compare({settings: translations}).systems[0].scores[""].score
            logger.info("%s: %s %.2f", settings, score.name, score.value)
            ratio = sum(map(len, translations)) / max(self._n_characters, 1)
            self._made[settings] = Trial(settings, translations, score, ratio)
        return self._made[settings]

    def all(self) -> list[Trial]:
        return [self._made[settings] for settings in sorted(self._made)]

    def result(self) -> Tuning:
        """Return all trials, and the comparison of the best one with the current one."""
        best = max(self.all(), key=self.goodness)
        pair = {trial.settings: trial.translations for trial in (self.current, best)}
        comparison = self._compare(pair) if len(pair) > 1 else None
        return Tuning(self.all(), self.current, best, comparison)

    def goodness(self, trial: Trial) -> tuple[float, ...]:
        """Return a sort key, the largest for the best trial.

        Of equal scores, that of the smaller beam and the nearer alpha is better.
        """
        sign = 1 if self._metric.higher_is_better else -1
        beam_size, alpha = trial.settings
        return sign * trial.score.value, -beam_size, -abs(alpha - self.current.settings.alpha)

    def _compare(self, translations: Mapping[SearchSettings, list[str]]) -> Comparison:
        systems = [System(str(settings), [texts]) for settings, texts in translations.items()]
        return compare_systems(systems, {"": self._metric}, self._resampling)


def tune_search(
    translate: Callable[[SearchSettings], list[str]],
    references: Sequence[Sequence[str]],
    current: SearchSettings,
    metric: CorpusMetric,
    *,
    alphas: Sequence[float] = (),
    beam_sizes: Sequence[int] = (),
    resampling: Resampling | None = None,
) -> Tuning:
    """Find the settings whose translations of a validation set have the best score.

    Args:
        translate: Translates the set with some settings.
        references: References of the set, one list or several.
        current: Settings of the model, which are tried too.
        metric: The metric, with these references.
        alphas: Values of the length penalty's alpha to try. By default 0.6 to 1.8 in steps of 0.4,
            and on until the best value has neighbors on both sides. Greedy search (beam size 1) has
            no length penalty, so one value is tried.
        beam_sizes: Beam sizes to try, each with all values of alpha; by default the model's.
        resampling: Settings of intervals and tests.
    """
    trials = _Trials(translate, references, metric, resampling or Resampling(), current)
    for beam_size in beam_sizes or (current.beam_size,):
        if beam_size == 1:
            trials.get(SearchSettings(1, current.alpha))
            continue
        tried: list[float] = sorted({*(alphas or (*FIRST_ALPHAS, current.alpha))})
        while True:
            row = [trials.get(SearchSettings(beam_size, alpha)) for alpha in tried]
            best = max(row, key=trials.goodness).settings.alpha
            if alphas or not (further := _around(best, tried)):
                break
            tried = sorted({*tried, *further})
    return trials.result()


def _around(best: float, tried: Sequence[float]) -> list[float]:
    """Return the values to try next: those a step away from the best, unless one is nearer."""
    further = []
    if best > 0 and not any(best - _STEP - 1e-6 < alpha < best for alpha in tried):
        further.append(max(0.0, round(best - _STEP, 6)))
    if not any(best < alpha < best + _STEP + 1e-6 for alpha in tried):
        further.append(round(best + _STEP, 6))
    return [alpha for alpha in further if alpha <= _LAST_ALPHA]
