"""Greedy search: the most probable token, again and again."""

from collections.abc import Sequence

import torch

from mtkit.config.search import SearchConfig
from mtkit.search.constraints.constraints import Constraints
from mtkit.search.hypothesis import Hypothesis
from mtkit.search.scorer import State, StepScorer
from mtkit.search.single_path import NextTokens, StepContext, decode_single_path


@torch.inference_mode()
def greedy_search(
    scorer: StepScorer[State],
    sources: list[list[int]],
    config: SearchConfig,
    constraints: Sequence[Constraints] | None = None,
) -> list[Hypothesis]:
    """Follow the most probable token until EOS; at the maximum length EOS is forced.

    Args:
        scorer: Gives log-probabilities.
        sources: Token ids of each sentence.
        config: Of which the lengths, the length penalty and the rules against repetition count.
        constraints: Of each sentence; None where there are none. Phrases that must appear need a beam.
    Returns:
        One hypothesis for each sentence, in order.
    """

    def pick(state: State, at: StepContext) -> NextTokens:
        best = at.rules.step_top_k(
            scorer, state, at.last_B1, torch.zeros_like(at.last_B1), 1, at.length
        )
        top = best.log_probs_BWC[:, 0].max(1)
        return NextTokens(
            best.token_ids_BWC[:, 0].gather(1, top.indices[:, None]),
            top.values,
            best.eos_log_probs_BW[:, 0],
        )

    return decode_single_path(scorer, sources, config, constraints, pick)
