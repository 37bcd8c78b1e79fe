"""The coverage penalty, which lowers the scores of translations that omit parts of the source."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from mtkit.errors import MtkitError
from mtkit.search.hypothesis import Hypothesis
from mtkit.search.scorer import StepScorer

_MIN_COVERAGE = 1e-10


def coverage_penalty(attention_TS: Tensor, beta: float) -> float:
    """Compute the term that is added to the score of a hypothesis; at most 0.

    Wu et al. 2016 (arXiv:1609.08144), section 7: beta times the sum over the source tokens of
    log(min(sum of attention over the target, 1)).

    Args:
        attention_TS: Attention of the target tokens, EOS included, to the source tokens without
            EOS.
        beta: Strength; 0.2 is usual.
    """
    return beta * float(attention_TS.sum(0).clamp(min=_MIN_COVERAGE, max=1.0).log().sum())


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
    hypotheses: Sequence[list[Hypothesis]],
    beta: float,
) -> list[list[Hypothesis]]:
    """Add the penalty to the scores of hypotheses.

    The result of a sentence depends on that sentence alone.

    Args:
        scorer: Computes the attention, all tokens at a time.
        sources: Token ids of each sentence, without EOS.
        hypotheses: Hypotheses of each sentence.
        beta: Strength of the penalty.
    """
    return [
        list(_rescored(scorer, source, candidates, beta)) if candidates else []
        for source, candidates in zip(sources, hypotheses, strict=True)
    ]


def _rescored(
    scorer: StepScorer[Any], source: list[int], hypotheses: list[Hypothesis], beta: float
) -> Iterator[Hypothesis]:
    # With other sentences in the batch there would be more padding, which changes the last bits.
    attention_WTS = scorer.attention(
        [source] * len(hypotheses), [hypothesis.token_ids for hypothesis in hypotheses]
    )
    for attention_TS, hypothesis in zip(attention_WTS, hypotheses, strict=True):
        penalty = coverage_penalty(
            attention_TS[: len(hypothesis.token_ids) + 1, : len(source)], beta
        )
        yield hypothesis._replace(score=hypothesis.score + penalty)
