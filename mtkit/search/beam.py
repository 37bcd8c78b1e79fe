"""Beam search, over many sentences at once."""

import math

import torch
from torch import Tensor

from mtkit.config.search import SearchConfig
from mtkit.errors import MtkitError
from mtkit.search.greedy import max_lengths
from mtkit.search.hypothesis import Hypothesis
from mtkit.search.penalties import length_penalty
from mtkit.search.scorer import State, StepScorer, next_best, places_of


class _Sentence:
    """The hypotheses of one sentence that have ended."""

    def __init__(self, index: int, max_length: int) -> None:
        self.index = index
        self.max_length = max_length
        self.ended: list[Hypothesis] = []

    def is_done(self, best_live_log_prob: float, config: SearchConfig) -> bool:
        """Whether `beam_size` hypotheses have ended, or none that goes on can enter the n best."""
        if len(self.ended) >= config.beam_size or best_live_log_prob == -math.inf:
            return True
        if len(self.ended) < config.n_best:
            return False
        # A log-probability only falls, and the divisor only grows up to the maximum length.
        bound = best_live_log_prob / length_penalty(self.max_length, config)
        return sorted((h.score for h in self.ended), reverse=True)[config.n_best - 1] >= bound


@torch.inference_mode()
def beam_search(scorer: StepScorer[State], sources: list[list[int]], config: SearchConfig) -> list[list[Hypothesis]]:
    """Keep the `beam_size` most probable beginnings of each sentence and lengthen them until enough have ended.

    A hypothesis ends when EOS is among the `beam_size` best continuations of its sentence, or at the maximum length, where EOS is forced. A sentence
    is done when `beam_size` hypotheses have ended or no other can come among the `n_best`; it leaves the batch at once.

    Args:
        scorer: Gives log-probabilities.
        sources: Token ids of each sentence.
        config: Beam size, lengths and length penalty.
    Returns:
        For each sentence, in order, its `n_best` hypotheses (fewer if no more exist), the highest score first.
    Raises:
        MtkitError: The scorer gives no probabilities that are numbers.
    """
    if not sources:
        return []
    state = scorer.start(sources)
    sentences = [_Sentence(i, limit) for i, limit in enumerate(max_lengths(sources, config, scorer.max_length))]
    live = sentences
    last_BW = torch.full((len(sources), 1), scorer.bos_id)
    parents_BW = torch.zeros_like(last_BW)
    scores_BW: Tensor | None = None
    tokens_BWT: Tensor | None = None
    for length in range(1, max(s.max_length for s in sentences) + 1):
        # Of one hypothesis no more than `beam_size` can be kept, and EOS may be among its best too.
        best = next_best(scorer, state, last_BW, parents_BW, config.beam_size + 1, may_end=length > config.min_length)
        totals_BWC, tokens_BWC = best.log_probs_BWC, best.token_ids_BWC
        for row, sentence in enumerate(live):
            if sentence.max_length == length:
                totals_BWC[row] = -math.inf
                totals_BWC[row, :, 0], tokens_BWC[row, :, 0] = best.eos_log_probs_BW[row], scorer.eos_id
        if scores_BW is not None:
            totals_BWC = totals_BWC + scores_BW[:, :, None]
        C = totals_BWC.size(2)
        flat_BX = totals_BWC.flatten(1)
        values_BX, places_BX = flat_BX.topk(min(2 * config.beam_size, flat_BX.size(1)), dim=1)
        parent_BX, token_BX = places_BX // C, tokens_BWC.flatten(1).gather(1, places_BX)

        ends_BX = token_BX == scorer.eos_id
        for row, column in (ends_BX[:, : config.beam_size] & values_BX[:, : config.beam_size].isfinite()).nonzero().tolist():
            log_prob = float(values_BX[row, column])
            ids = [] if tokens_BWT is None else tokens_BWT[row, parent_BX[row, column]].tolist()
            live[row].ended.append(Hypothesis(ids, log_prob, log_prob / length_penalty(length, config)))

        open_BX = values_BX.masked_fill(ends_BX, -math.inf)
        scores_BW, columns_BW = open_BX.topk(min(config.beam_size, open_BX.size(1)), dim=1)
        parents_BW, last_BW = parent_BX.gather(1, columns_BW), token_BX.gather(1, columns_BW)
        tokens_BWT = _append(tokens_BWT, parents_BW, last_BW)

        best_live = scores_BW[:, 0].tolist()
        going_on = places_of([not sentence.is_done(log_prob, config) for sentence, log_prob in zip(live, best_live, strict=True)])
        if not going_on:
            break
        if len(going_on) < len(live):
            rows = torch.tensor(going_on, device=scores_BW.device)
            state.keep(rows)
            live = [live[row] for row in going_on]
            last_BW, parents_BW, scores_BW, tokens_BWT = (t.index_select(0, rows) for t in (last_BW, parents_BW, scores_BW, tokens_BWT))
    if not all(s.ended for s in sentences):
        raise MtkitError("the model's probabilities are not numbers", "its weights are damaged, or its training diverged; use another model")
    return [sorted(s.ended, key=lambda h: h.score, reverse=True)[: config.n_best] for s in sentences]


def _append(tokens_BWT: Tensor | None, parents_BW: Tensor, last_BW: Tensor) -> Tensor:
    if tokens_BWT is None:
        return last_BW[:, :, None]
    T = tokens_BWT.size(2)
    inherited = tokens_BWT.gather(1, parents_BW[:, :, None].expand(-1, -1, T))
    return torch.cat((inherited, last_BW[:, :, None]), dim=2)
