"""Greedy search: the most probable token at each step."""

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
    """Append the most probable token until it is EOS; at the maximum length EOS is forced.

    Args:
        scorer: Computes log-probabilities.
        sources: Token ids of each sentence, without EOS.
        config: Lengths, length penalty and rules against repetition.
        constraints: Constraints of each sentence; None if there are none. Required phrases need a
            beam.
    Returns:
        One hypothesis for each sentence.
    """
    return decode_single_path(scorer, sources, config, constraints, _pick_best)


def _pick_best(step: StepContext[State]) -> NextTokens:
    top = step.rules.step_top_k(step.state, step.last_B1, step.parents_B1, 1, step.length)
    if top.token_ids_BWC.size(2) == 1:
        return NextTokens(top.token_ids_BWC[:, 0], top.log_probs_BWC[:, 0, 0])
    # While a minimum length applies there are two tokens, and an impossible EOS may be the first.
    best = top.log_probs_BWC[:, 0].max(1)
    return NextTokens(top.token_ids_BWC[:, 0].gather(1, best.indices[:, None]), best.values)
