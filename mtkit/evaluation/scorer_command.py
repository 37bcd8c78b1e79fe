"""Metrics computed by another program, such as a neural metric in its own environment.

The program reads one JSON object per line from stdin, with `id`, `source`, `hypothesis` and
`reference`, and writes the same lines in the same order to stdout, each with a `prediction` added.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mtkit.errors import MtkitError
from mtkit.evaluation.comparison import System
from mtkit.evaluation.corpus_metric import Rows
from mtkit.io.json_command import Answer, run_json_command
from mtkit.io.json_lines import is_number
from mtkit.version import __version__

_DIRECTIONS = {"higher": True, "lower": False}
_TAKEN = {"bleu", "chrf", "chrf++", "ter", "f1"}
_UNIT = 1 << 24
"""Predictions are rounded to multiples of 1/_UNIT, which makes their sums exact: systems with equal
outputs in all but a few segments would otherwise seem to differ by rounding errors."""


class ScorerSpec(NamedTuple):
    """A program that scores segments."""

    name: str
    higher_is_better: bool
    command: str

    @classmethod
    def parse(cls, text: str) -> "ScorerSpec":
        """Parse `NAME:higher:COMMAND` or `NAME:lower:COMMAND`.

        Raises:
            MtkitError: The text has another form.
        """
        name, _, rest = text.partition(":")
        direction, _, command = rest.partition(":")
        if not name.strip() or direction not in _DIRECTIONS or not command.strip():
            raise MtkitError(
                f"--scorer '{text}': not of the form NAME:higher:COMMAND or NAME:lower:COMMAND",
                "say which scores are better, as in 'COMET:higher:python score.py'",
            )
        return cls(name.strip(), _DIRECTIONS[direction], command)


def parse_scorers(texts: Sequence[str]) -> list[ScorerSpec]:
    """Parse the programs of `--scorer`.

    Raises:
        MtkitError: A text has another form than `ScorerSpec.parse` reads, or a name occurs twice.
    """
    specs = [ScorerSpec.parse(text) for text in texts]
    names = [spec.name.lower() for spec in specs]
    if taken := next((name for name in names if names.count(name) > 1 or name in _TAKEN), None):
        raise MtkitError(
            f"--scorer: the name {taken} is taken", "give each scorer a different name"
        )
    return specs


class ScorerMetric:
    """A `CorpusMetric` that is the mean of the predictions of a program.

    The program is run once, with the distinct segments of all systems.

    Args:
        spec: The program.
        systems: All systems that will be scored.
        src: The source text; without it, each source is the empty text.
        references: References, of which the program gets the first that is not blank.
    Raises:
        MtkitError: The program fails, or its output is not as described above.
    """

    n_digits = 4
    bootstrap_type = np.float64

    def __init__(
        self,
        spec: ScorerSpec,
        systems: Sequence[System],
        src: Sequence[str] | None,
        references: Sequence[Sequence[str]],
    ) -> None:
        self.name = spec.name
        self.higher_is_better = spec.higher_is_better
        self.version = __version__
        keys = list(
            dict.fromkeys(
                key for system in systems for run in system.runs for key in enumerate(run)
            )
        )
        firsts = [
            next((line for line in lines if line.strip()), "")
            for lines in zip(*references, strict=True)
        ]
        segments = [
            {
                "id": str(number),
                "source": "" if src is None else src[index],
                "hypothesis": hypothesis,
                "reference": firsts[index],
            }
            for number, (index, hypothesis) in enumerate(keys, 1)
        ]
        self._predictions = dict(zip(keys, run_scorer(spec.command, segments), strict=True))

    def statistics(self, hypotheses: Sequence[str]) -> Rows:
        """See `CorpusMetric`."""
        predictions = np.array([self._predictions[key] for key in enumerate(hypotheses)])
        return np.stack([np.rint(predictions * _UNIT) / _UNIT, np.ones(len(predictions))], axis=1)

    def score(self, sums: Sequence[float]) -> float:
        """See `CorpusMetric`."""
        return sums[0] / sums[1]

    def segment_score(self, sums: Sequence[float]) -> float:
        """See `CorpusMetric`."""
        return sums[0]

    def detail(self, sums: Sequence[float]) -> str:
        """See `CorpusMetric`."""
        return ""

    def signature(self, **resampling: int) -> str:
        """See `CorpusMetric`."""
        fields = {
            "scorer": self.name,
            "better": "higher" if self.higher_is_better else "lower",
            "agg": "mean",
            **{key: resampling[key] for key in ("bs", "ar", "seed") if key in resampling},
            "mtkit": self.version,
        }
        return "|".join(f"{key}:{value}" for key, value in fields.items())


def run_scorer(command: str, segments: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return a program's prediction for each segment; its stderr is passed on.

    Args:
        command: See `run_json_command`.
        segments: See `run_json_command`.
    Raises:
        MtkitError: See `run_json_command`; or a prediction is not a finite number.
    """
    return [_prediction(answer) for answer in run_json_command("scorer", command, segments)]


def _prediction(answer: Answer) -> float:
    prediction = answer.fields.get("prediction")
    if not is_number(prediction):
        raise MtkitError(
            f"{answer.where}: prediction {prediction!r:.60} is not a finite number",
            "each line needs the field prediction, a number",
        )
    return float(prediction)
