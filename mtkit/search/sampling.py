"""Random translations."""

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

    A draw depends only on the seed, the token ids of the source, the number of the sample and the
    step. Other sentences, batches, their order and the number of workers make no difference, equal
    lines get equal samples, and the first three of ten samples are those of three.

    Args:
        scorer: Computes log-probabilities.
        sources: Token ids of each sentence, without EOS.
        config: `n_best`, `seed` and the sampling settings; lengths and rules against repetition.
        constraints: Constraints of each sentence; None if there are none. Required phrases need a
            beam.
    Returns:
        The samples of each sentence, in the order of their numbers. Their log-probabilities are the
        model's, whatever the temperature.
    """
    n = config.n_best
    streams = UniformStreams(
        config.seed, [(number, source) for source in sources for number in range(n)]
    )

    def pick_next(step: StepContext[State]) -> NextTokens:
        log_probs_BC, token_ids_BC = _candidates(step, config.top_k)
        uniform_B = streams.at(step.sentences, step.length).to(log_probs_BC.device)
        index_B1 = draw(truncate(log_probs_BC, config), uniform_B)
        token_ids_B1 = index_B1 if token_ids_BC is None else token_ids_BC.gather(1, index_B1)
        return NextTokens(token_ids_B1, log_probs_BC.gather(1, index_B1)[:, 0])

    repeated = [source for source in sources for _ in range(n)]
    if constraints is not None:
        constraints = [constraint for constraint in constraints for _ in range(n)]
    samples = decode_single_path(scorer, repeated, config, constraints, pick_next)
    return [samples[i : i + n] for i in range(0, len(samples), n)]


def _candidates(step: StepContext[State], top_k: int | None) -> tuple[Tensor, Tensor | None]:
    """Take a step and return what to draw from: log-probabilities and token ids, shape (B, C).

    Without `top_k` the whole vocabulary is drawn from, and the token ids are None.
    """
    if not top_k:
        log_probs_BWV = step.rules.step(step.state, step.last_B1, step.parents_B1, step.length)
        return log_probs_BWV[:, 0], None
    top = step.rules.step_top_k(step.state, step.last_B1, step.parents_B1, top_k, step.length)
    log_probs_BC, token_ids_BC = top.log_probs_BWC[:, 0], top.token_ids_BWC[:, 0]
    best = log_probs_BC.topk(min(top_k, log_probs_BC.size(1)), dim=1)
    # Ordered by id, so that two tokens of almost the same probability cannot change places.
    token_ids_BC, order_BC = token_ids_BC.gather(1, best.indices).sort(dim=1)
    return best.values.gather(1, order_BC), token_ids_BC


def truncate(log_probs_BC: Tensor, config: SearchConfig) -> Tensor:
    """Apply epsilon, temperature and top_p, in this order. The most probable token always remains.

    Args:
        log_probs_BC: The model's log-probabilities, minus infinity for impossible tokens. The
            probabilities need not sum to 1.
        config: `epsilon`, `temperature` and `top_p`.
    Returns:
        Logarithms of weights in float64. Shape (B, C).
    """
    if config.epsilon:
        # Hewitt et al. 2022 (arXiv:2210.15191): drop tokens with a probability below epsilon.
        is_best_BC = log_probs_BC == log_probs_BC.amax(1, keepdim=True)
        log_probs_BC = log_probs_BC.masked_fill(
            (log_probs_BC < math.log(config.epsilon)) & ~is_best_BC, -math.inf
        )
    weights_BC = log_probs_BC.double() / config.temperature
    if config.top_p < 1.0:
        # Holtzman et al. 2020 (arXiv:1904.09751): the fewest tokens with this total probability.
        descending = weights_BC.softmax(1).sort(dim=1, descending=True)
        before_BC = descending.values.cumsum(1) - descending.values
        is_cut_BC = torch.zeros_like(before_BC, dtype=torch.bool).scatter(
            1, descending.indices, before_BC >= config.top_p
        )
        weights_BC = weights_BC.masked_fill(is_cut_BC, -math.inf)
    return weights_BC


def draw(weights_BC: Tensor, uniform_B: Tensor) -> Tensor:
    """Draw an index for each row, by inverting the cumulative distribution.

    Args:
        weights_BC: Logarithms of weights, in float64.
        uniform_B: Numbers in [0, 1), in float64.
    Returns:
        Shape (B, 1).
    """
    cumulative_BC = weights_BC.softmax(1).cumsum(1)
    total_B1 = cumulative_BC[:, -1:].contiguous()
    index_B1 = torch.searchsorted(cumulative_BC, uniform_B[:, None] * total_B1, right=True)
    # Rounding must not lead beyond the last token that is possible.
    return torch.minimum(index_B1, torch.searchsorted(cumulative_BC, total_B1))
