"""Greedy search: the most probable token, again and again."""

from collections.abc import Sequence

import torch

from mtkit.config.search import SearchConfig
from mtkit.search.constraints.constraints import Demands
from mtkit.search.hypothesis import Hypothesis
from mtkit.search.scorer import State, StepScorer
from mtkit.search.single_path import Moment, Picked, walk


@torch.inference_mode()
def greedy_search(
    scorer: StepScorer[State],
    sources: list[list[int]],
    config: SearchConfig,
    demands: Sequence[Demands] | None = None,
) -> list[Hypothesis]:
    """Follow the most probable token until EOS; at the maximum length EOS is forced.

    Args:
        scorer: Gives log-probabilities.
        sources: Token ids of each sentence.
        config: Of which the lengths, the length penalty and the rules against repetition count.
        demands: Of each sentence; None where there are none. Phrases that must appear need a beam.
    Returns:
        One hypothesis for each sentence, in order.
    """

    def pick(state: State, at: Moment) -> Picked:
        best = at.rules.best(scorer, state, at.last_B1, torch.zeros_like(at.last_B1), 1, at.length)
        top = best.log_probs_BWC[:, 0].max(1)
        return Picked(
            best.token_ids_BWC[:, 0].gather(1, top.indices[:, None]),
            top.values,
            best.eos_log_probs_BW[:, 0],
        )

    return walk(scorer, sources, config, demands, pick)
