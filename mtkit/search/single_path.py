"""Decoding with one hypothesis per sentence, as in greedy search and in sampling."""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple

import torch
from torch import Tensor

from mtkit.config.search import SearchConfig
from mtkit.search.batch_layout import filled_gaps
from mtkit.search.constraints.constraints import Constraints
from mtkit.search.hypothesis import Hypothesis, length_penalty
from mtkit.search.logits_rules import LogitsRules
from mtkit.search.max_length import max_target_lengths
from mtkit.search.scorer import State, StepScorer


class NextTokens(NamedTuple):
    """The next token of each hypothesis."""

    token_ids_B1: Tensor
    log_probs_B: Tensor


class StepContext(NamedTuple, Generic[State]):
    """The step for which tokens are picked."""

    rules: LogitsRules[State]
    """Takes the step."""
    state: State
    """The scorer's state, to be advanced by one step."""
    last_B1: Tensor
    """Last token of each hypothesis."""
    parents_B1: Tensor
    """Index of the hypothesis that each one continues: 0."""
    length: int
    """Number of tokens of a hypothesis after the step, EOS included."""
    sentences: list[int]
    """Index in the batch of each row's sentence."""


def decode_single_path(
    scorer: StepScorer[State],
    sources: list[list[int]],
    config: SearchConfig,
    constraints: Sequence[Constraints] | None,
    pick_next: Callable[[StepContext[State]], NextTokens],
) -> list[Hypothesis]:
    """Append tokens until EOS is picked; at the maximum length EOS is the only choice.

    Args:
        scorer: Computes log-probabilities.
        sources: Token ids of each sentence, without EOS.
        config: Lengths, length penalty and rules against repetition.
        constraints: Constraints of each sentence; None if there are none. Required phrases need a
            beam.
        pick_next: Takes a step of the scorer and picks a token for each sentence.
    Returns:
        One hypothesis for each sentence.
    """
    if not sources:
        return []
    max_lengths = max_target_lengths(sources, config, scorer.max_length, constraints)
    rules = LogitsRules(scorer, config, max_lengths, constraints)
    state = scorer.start(sources)
    hypotheses: list[Hypothesis | None] = [None] * len(sources)
    token_ids: list[list[int]] = [[] for _ in sources]
    log_probs = [0.0] * len(sources)
    sentences = list(range(len(sources)))
    last_B1 = torch.full((len(sources), 1), scorer.bos_id)
    for length in range(1, max(max_lengths) + 1):
        parents_B1 = torch.zeros_like(last_B1)
        picked = pick_next(StepContext(rules, state, last_B1, parents_B1, length, sentences))
        last_B1 = picked.token_ids_B1
        is_unfinished = [False] * len(sentences)
        for row, (i, token, log_prob) in enumerate(
            zip(sentences, last_B1[:, 0].tolist(), picked.log_probs_B.tolist(), strict=True)
        ):
            log_probs[i] += log_prob
            # Without usable probabilities, the token at the maximum length may be another one.
            if token == scorer.eos_id or length == max_lengths[i]:
                score = log_probs[i] / length_penalty(length, config)
                hypotheses[i] = Hypothesis(token_ids[i], log_probs[i], score)
            else:
                token_ids[i].append(token)
                is_unfinished[row] = True
        unfinished = filled_gaps(is_unfinished)
        if not unfinished:
            break
        rules.advance(torch.zeros_like(last_B1), last_B1)
        if len(unfinished) < len(sentences):
            rows = torch.tensor(unfinished, device=last_B1.device)
            state.select(rows)
            rules.select(rows)
            last_B1 = last_B1.index_select(0, rows)
            sentences = [sentences[row] for row in unfinished]
    return [hypothesis for hypothesis in hypotheses if hypothesis is not None]
