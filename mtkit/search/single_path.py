"""Writing one hypothesis of each sentence, token by token; how a token is picked is the caller's."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mtkit.config.search import SearchConfig
from mtkit.model.cache import filled_gaps
from mtkit.search.constraints.constraints import Constraints
from mtkit.search.hypothesis import Hypothesis
from mtkit.search.logits_rules import LogitsRules
from mtkit.search.max_length import max_target_lengths
from mtkit.search.penalties import length_penalty
from mtkit.search.scorer import State, StepScorer


class NextTokens(NamedTuple):
    """The next token of each row."""

    token_ids_B1: Tensor
    log_probs_B: Tensor
    eos_log_probs_B: Tensor
    """Of EOS, whether it was picked or not."""


class StepContext(NamedTuple):
    """What picking a token needs to know."""

    rules: LogitsRules
    last_B1: Tensor
    length: int
    """Tokens of a hypothesis once this one is there."""
    rows: list[int]
    """Which sentences are still being written."""


def decode_single_path(
    scorer: StepScorer[State],
    sources: list[list[int]],
    config: SearchConfig,
    constraints: Sequence[Constraints] | None,
    pick: Callable[[State, StepContext], NextTokens],
) -> list[Hypothesis]:
    """Add tokens until EOS is picked; at the maximum length EOS is forced.

    Args:
        scorer: Gives log-probabilities.
        sources: Token ids of each sentence.
        config: Of which the lengths, the length penalty and the rules against repetition count.
        constraints: Of each sentence; None where there are none. Phrases that must appear need a beam.
        pick: Takes a step of the scorer and picks a token for each row.
    Returns:
        One hypothesis for each sentence, in order.
    """
    if not sources:
        return []
    max_lengths = max_target_lengths(sources, config, scorer.max_length, constraints)
    rules = LogitsRules(config, max_lengths, scorer, constraints)
    state = scorer.start(sources)
    found: list[Hypothesis | None] = [None] * len(sources)
    token_ids: list[list[int]] = [[] for _ in sources]
    log_probs = [0.0] * len(sources)
    live = list(range(len(sources)))
    last_B1 = torch.full((len(sources), 1), scorer.bos_id)
    for length in range(1, max(max_lengths) + 1):
        picked = pick(state, StepContext(rules, last_B1, length, live))
        last_B1 = picked.token_ids_B1
        eos = picked.eos_log_probs_B.tolist()
        goes_on = [False] * len(live)
        for row, (i, token, log_prob) in enumerate(
            zip(live, last_B1[:, 0].tolist(), picked.log_probs_B.tolist(), strict=True)
        ):
            is_last = length == max_lengths[i]
            log_probs[i] += eos[row] if is_last else log_prob
            if is_last or token == scorer.eos_id:
                found[i] = Hypothesis(
                    token_ids[i], log_probs[i], log_probs[i] / length_penalty(length, config)
                )
            else:
                token_ids[i].append(token)
                goes_on[row] = True
        if not any(goes_on):
            break
        going_on = filled_gaps(goes_on)
        rules.advance(torch.zeros_like(last_B1), last_B1)
        if len(going_on) < len(live):
            rows = torch.tensor(going_on, device=last_B1.device)
            last_B1 = last_B1.index_select(0, rows)
            state.keep(rows)
            rules.keep(rows)
            live = [live[row] for row in going_on]
    return [hypothesis for hypothesis in found if hypothesis is not None]
