"""Translations drawn at random."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mtkit.config.search import SearchConfig
from mtkit.search.constraints.constraints import Constraints
from mtkit.search.counter_rng import UniformStreams
from mtkit.search.hypothesis import Hypothesis
from mtkit.search.scorer import State, StepScorer
from mtkit.search.single_path import NextTokens, StepContext, decode_single_path


@torch.inference_mode()
def sample(
    scorer: StepScorer[State],
    sources: list[list[int]],
    config: SearchConfig,
    constraints: Sequence[Constraints] | None = None,
) -> list[list[Hypothesis]]:
    """Draw `n_best` translations of each sentence.

    A draw is decided by the seed, the source's own ids, the number of the sample and the step, and by nothing else: neighbours, batches, order and
    workers make no difference, equal lines get equal samples, and the first samples of ten are those of three.

    Args:
        scorer: Gives log-probabilities.
        sources: Token ids of each sentence.
        config: `n_best`, `seed`, and what is drawn among; the lengths and the rules against repetition hold too.
        constraints: Of each sentence; None where there are none. Phrases that must appear need a beam.
    Returns:
        For each sentence, in order, its samples in the order of their numbers. Their log-probabilities are the model's, whatever the temperature.
    """
    n = config.n_best
    streams = UniformStreams(
        config.seed, [(number, source) for source in sources for number in range(n)]
    )

    def pick(state: State, at: StepContext) -> NextTokens:
        zeros_B1 = torch.zeros_like(at.last_B1)
        if config.top_k:
            best = at.rules.step_top_k(scorer, state, at.last_B1, zeros_B1, config.top_k, at.length)
            log_probs_BC, tokens_BC, eos_B = (
                best.log_probs_BWC[:, 0],
                best.token_ids_BWC[:, 0],
                best.eos_log_probs_BW[:, 0],
            )
            top = log_probs_BC.topk(min(config.top_k, log_probs_BC.size(1)), dim=1)
            # In the order of the ids, so that two tokens whose probabilities all but agree do not change places.
            tokens_BC, order_BC = tokens_BC.gather(1, top.indices).sort(dim=1)
            log_probs_BC = top.values.gather(1, order_BC)
        else:
            log_probs_BWV, eos_BW = at.rules.step(scorer, state, at.last_B1, zeros_B1, at.length)
            log_probs_BC, eos_B, tokens_BC = log_probs_BWV[:, 0], eos_BW[:, 0], None
        place_B1 = draw(
            truncated(log_probs_BC, config), streams.at(at.rows, at.length).to(log_probs_BC.device)
        )
        token_B1 = place_B1 if tokens_BC is None else tokens_BC.gather(1, place_B1)
        return NextTokens(token_B1, log_probs_BC.gather(1, place_B1)[:, 0], eos_B)

    repeated = [source for source in sources for _ in range(n)]
    every = (
        None
        if constraints is None
        else [constraint for constraint in constraints for _ in range(n)]
    )
    found = decode_single_path(scorer, repeated, config, every, pick)
    return [found[i : i + n] for i in range(0, len(found), n)]


def truncated(log_probs_BC: Tensor, config: SearchConfig) -> Tensor:
    """What is drawn from: after epsilon, temperature and top_p, in this order. The most probable token always stays.

    Args:
        log_probs_BC: The model's, minus infinity for what may not come; they need not sum to 1.
        config: Of which these three count.
    Returns:
        Logarithms of weights in float64, shape (B, C).
    """
    if config.epsilon:
        # Hewitt et al. 2022 (arXiv:2210.15191): tokens that the model gives less than epsilon.
        is_best_BC = log_probs_BC == log_probs_BC.amax(1, keepdim=True)
        log_probs_BC = log_probs_BC.masked_fill(
            (log_probs_BC < math.log(config.epsilon)) & ~is_best_BC, -math.inf
        )
    weights_BC = log_probs_BC.double() / config.temperature
    if config.top_p < 1.0:
        # Holtzman et al. 2020 (arXiv:1904.09751): the fewest tokens that have this probability together.
        falling = weights_BC.softmax(1).sort(dim=1, descending=True)
        before_BC = falling.values.cumsum(1) - falling.values
        is_cut_BC = torch.zeros_like(before_BC, dtype=torch.bool).scatter(
            1, falling.indices, before_BC >= config.top_p
        )
        weights_BC = weights_BC.masked_fill(is_cut_BC, -math.inf)
    return weights_BC


def draw(weights_BC: Tensor, uniform_B: Tensor) -> Tensor:
    """The place at which the cumulated probability exceeds a number.

    Args:
        weights_BC: Logarithms of weights, in float64.
        uniform_B: Each from 0 to below 1, in float64.
    Returns:
        Shape (B, 1).
    """
    cumulated_BC = weights_BC.softmax(1).cumsum(1)
    total_B1 = cumulated_BC[:, -1:].contiguous()
    place_B1 = torch.searchsorted(cumulated_BC, uniform_B[:, None] * total_B1, right=True)
    # Rounding must not lead beyond the last token that is possible.
    return torch.minimum(place_B1, torch.searchsorted(cumulated_BC, total_B1))
