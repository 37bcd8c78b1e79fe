"""Greedy search: the most probable token, again and again."""

import torch

from mtkit.config.search import SearchConfig
from mtkit.search.hypothesis import Hypothesis
from mtkit.search.penalties import length_penalty
from mtkit.search.scorer import State, StepScorer, next_best, places_of


def max_lengths(sources: list[list[int]], config: SearchConfig, limit: int | None) -> list[int]:
    """The most tokens that each translation may have, EOS counted: relative to the source, and no more than the scorer's limit."""
    wanted = [max(int(config.max_length_ratio * len(source)) + config.max_length_extra, config.min_length) + 1 for source in sources]
    return wanted if limit is None else [min(length, limit) for length in wanted]


@torch.inference_mode()
def greedy_search(scorer: StepScorer[State], sources: list[list[int]], config: SearchConfig) -> list[Hypothesis]:
    """Follow the most probable token until EOS; at the maximum length EOS is forced.

    Args:
        scorer: Gives log-probabilities.
        sources: Token ids of each sentence.
        config: Of which the lengths and the length penalty count.
    Returns:
        One hypothesis for each sentence, in order.
    """
    if not sources:
        return []
    state = scorer.start(sources)
    limits = max_lengths(sources, config, scorer.max_length)
    found: list[Hypothesis | None] = [None] * len(sources)
    token_ids: list[list[int]] = [[] for _ in sources]
    log_probs = [0.0] * len(sources)
    live = list(range(len(sources)))
    last_B1 = torch.full((len(sources), 1), scorer.bos_id)
    for length in range(1, max(limits) + 1):
        best = next_best(scorer, state, last_B1, torch.zeros_like(last_B1), 1, may_end=length > config.min_length)
        eos, tokens_B = best.eos_log_probs_BW[:, 0].tolist(), best.token_ids_BWC[:, 0, 0]
        goes_on = [False] * len(live)
        for row, (i, token, log_prob) in enumerate(zip(live, tokens_B.tolist(), best.log_probs_BWC[:, 0, 0].tolist(), strict=True)):
            is_last = length == limits[i]
            log_probs[i] += eos[row] if is_last else log_prob
            if is_last or token == scorer.eos_id:
                found[i] = Hypothesis(token_ids[i], log_probs[i], log_probs[i] / length_penalty(length, config))
            else:
                token_ids[i].append(token)
                goes_on[row] = True
        if not any(goes_on):
            break
        going_on = places_of(goes_on)
        rows = torch.tensor(going_on, device=tokens_B.device)
        last_B1 = tokens_B[:, None].index_select(0, rows)
        if len(going_on) < len(live):
            state.keep(rows)
            live = [live[row] for row in going_on]
    return [hypothesis for hypothesis in found if hypothesis is not None]
