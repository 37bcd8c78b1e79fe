"""Greedy search: the most probable token, again and again."""

from collections.abc import Sequence

import torch

from mtkit.config.search import SearchConfig
from mtkit.search.demands import Demands
from mtkit.search.hypothesis import Hypothesis
from mtkit.search.limits import max_lengths
from mtkit.search.penalties import length_penalty
from mtkit.search.rules import Rules
from mtkit.search.scorer import State, StepScorer


@torch.inference_mode()
def greedy_search(
    scorer: StepScorer[State], sources: list[list[int]], config: SearchConfig, demands: Sequence[Demands] | None = None
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
    if not sources:
        return []
    limits = max_lengths(sources, config, scorer.max_length, demands)
    rules = Rules(config, limits, scorer, demands)
    state = scorer.start(sources)
    found: list[Hypothesis | None] = [None] * len(sources)
    token_ids: list[list[int]] = [[] for _ in sources]
    log_probs = [0.0] * len(sources)
    live = list(range(len(sources)))
    last_B1 = torch.full((len(sources), 1), scorer.bos_id)
    for length in range(1, max(limits) + 1):
        best = rules.best(scorer, state, last_B1, torch.zeros_like(last_B1), 1, length)
        top = best.log_probs_BWC[:, 0].max(1)
        tokens_B1 = best.token_ids_BWC[:, 0].gather(1, top.indices[:, None])
        eos = best.eos_log_probs_BW[:, 0].tolist()
        going_on: list[int] = []
        for row, (i, token, log_prob) in enumerate(zip(live, tokens_B1[:, 0].tolist(), top.values.tolist(), strict=True)):
            is_last = length == limits[i]
            log_probs[i] += eos[row] if is_last else log_prob
            if is_last or token == scorer.eos_id:
                found[i] = Hypothesis(token_ids[i], log_probs[i], log_probs[i] / length_penalty(length, config))
            else:
                token_ids[i].append(token)
                going_on.append(row)
        if not going_on:
            break
        last_B1 = tokens_B1
        rules.advance(torch.zeros_like(last_B1), last_B1)
        if len(going_on) < len(live):
            rows = torch.tensor(going_on, device=tokens_B1.device)
            last_B1 = last_B1.index_select(0, rows)
            state.keep(rows)
            rules.keep(rows)
            live = [live[row] for row in going_on]
    return [hypothesis for hypothesis in found if hypothesis is not None]
