"""Robustness against careless text: scores on altered test sets, compared with the original's."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from mtkit.evaluation.metrics import check_counts, check_metrics, evaluate
from mtkit.evaluation.score import Scores

TestSet = tuple[list[str], list[list[str]], int]
"""Sources, one list of references or several, and the number of altered lines."""


class AlteredScores(NamedTuple):
    """Scores on a test set altered in one way."""

    name: str
    """Name of the alteration."""
    n_altered: int
    """Number of altered lines."""
    scores: Scores | None
    """None if no line was altered."""


class Robustness(NamedTuple):
    """Scores on the original test set, and on each altered one."""

    clean: Scores
    altered: list[AlteredScores]


def evaluate_robustness(
    translate: Callable[[list[str]], list[str]],
    src: list[str],
    references: list[list[str]],
    altered: Mapping[str, TestSet],
    metrics: Sequence[str] = ("bleu",),
    tokenize: str | None = None,
) -> Robustness:
    """Translate and score a test set, and the same set altered in several ways.

    Args:
        translate: Called once, with every distinct line of all sets.
        src: The sources.
        references: One list or several, each as long as the sources.
        altered: The altered sets by the name of the alteration, as `alter_test_set` returns them.
        metrics: See `evaluate`.
        tokenize: See `evaluate`.
    Raises:
        MtkitError: See `evaluate`; raised before anything is translated.
    """
    check_counts(len(src), references, "lines to translate")
    check_metrics(metrics, tokenize)
    lines = list(
        dict.fromkeys([*src, *(line for lines, _, _ in altered.values() for line in lines)])
    )
    translations = dict(zip(lines, translate(lines), strict=True))

    def score(src: list[str], references: list[list[str]], *, warns: bool = False) -> Scores:
        return evaluate(
            [translations[line] for line in src], references, metrics, tokenize, warns=warns
        )

    return Robustness(
        score(src, references, warns=True),
        [
            AlteredScores(name, n_altered, score(lines, streams) if n_altered else None)
            for name, (lines, streams, n_altered) in altered.items()
        ],
    )
