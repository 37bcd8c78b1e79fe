"""The coverage penalty: translations that leave source pieces out are worth less."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from mtkit.errors import MtkitError
from mtkit.search.hypothesis import Hypothesis
from mtkit.search.scorer import StepScorer

_LEAST = 1e-10


def coverage_penalty(attention_TS: Tensor, beta: float) -> float:
    """What is added to the score of a hypothesis; at most 0.

    Wu et al. 2016 (arXiv:1609.08144), section 7: beta times the sum over the source pieces of log(min(sum of attention over the target, 1)).

    Args:
        attention_TS: Of the target's tokens, EOS included, to the source pieces, the end mark not included.
        beta: Strength; 0.2 is usual.
    """
    return beta * float(attention_TS.sum(0).clamp(min=_LEAST, max=1.0).log().sum())


def require_attention(scorer: StepScorer[Any]) -> None:
    """Check that a scorer implements `attention`.

    Raises:
        MtkitError: It does not.
    """
    if not scorer.has_attention:
        raise MtkitError(
            "coverage_penalty needs the model's attention, which this engine does not provide",
            "leave coverage_penalty at 0",
        )


def with_coverage(
    scorer: StepScorer[Any],
    sources: list[list[int]],
    found: Sequence[list[Hypothesis]],
    beta: float,
) -> list[list[Hypothesis]]:
    """Add the penalty to the scores of hypotheses; those of a sentence depend on that sentence alone.

    Args:
        scorer: Reads them once more, all tokens at a time.
        sources: Token ids of each sentence.
        found: The hypotheses of each sentence.
        beta: Strength.
    """
    return [
        [*_judged(scorer, *one, beta)] if one[1] else [] for one in zip(sources, found, strict=True)
    ]


def _judged(
    scorer: StepScorer[Any], source: list[int], hypotheses: list[Hypothesis], beta: float
) -> Iterator[Hypothesis]:
    # Beside other sentences there would be more padding, which changes sums in the last bit.
    attention_WTS = scorer.attention(
        [source] * len(hypotheses), [hypothesis.token_ids for hypothesis in hypotheses]
    )
    for attention_TS, hypothesis in zip(attention_WTS, hypotheses, strict=True):
        penalty = coverage_penalty(
            attention_TS[: len(hypothesis.token_ids) + 1, : len(source)], beta
        )
        yield hypothesis._replace(score=hypothesis.score + penalty)
