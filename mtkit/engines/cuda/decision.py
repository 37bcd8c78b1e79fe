"""The decision of a beam search step, in tensors of the same shapes at every step."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from mtkit.search.candidates import top_candidates
from mtkit.search.scorer import TopTokens


class BeamTensors(NamedTuple):
    """State of the search for each sentence: B sentences, W hypotheses each."""

    log_probs_BW: Tensor
    """Log-probabilities of the live hypotheses, in float32."""
    parents_BW: Tensor
    """Index of the hypothesis of the previous step that each one continues."""
    token_ids_BW: Tensor
    """Last token of each hypothesis."""
    max_lengths_B: Tensor
    """Maximum number of tokens, EOS included."""
    n_finished_B: Tensor
    """Number of hypotheses that have ended."""
    best_scores_BN: Tensor
    """Scores of the `n_best` hypotheses that have ended; minus infinity where there are fewer."""
    final_penalties_B: Tensor
    """Length penalty at the maximum length."""
    is_done_B: Tensor
    """Whether the sentence is done."""
    past_tokens_BWT: Tensor
    """Tokens of the hypotheses; T is 0 unless n-grams must not be repeated."""


class DecisionTensors(NamedTuple):
    """All tensors that a decision reads and updates, for at most T steps."""

    beam: BeamTensors
    n_unfinished: Tensor
    """Number of sentences that are not done, as int32. Shape (1,)."""
    penalties_T: Tensor
    """Length penalty of each number of tokens, from 0. Shape (T + 1,)."""
    length: Tensor
    """Number of tokens of a hypothesis after the step, EOS included. Shape (1,)."""
    step: Tensor
    """Row of the log to write. Shape (1,)."""
    log_TBX: Tensor
    """Decisions of all steps; see `DecisionLog`."""


def decide(top: TopTokens, tensors: DecisionTensors, eos_id: int, min_length: int) -> None:
    """Select the hypotheses to keep, end others, find the sentences that are done, and log it all.

    Computes what `beam_search` computes, without waiting for the device. All tensors are updated in
    place.

    Args:
        top: The most probable next tokens of each hypothesis; changed.
        tensors: State of the search.
        eos_id: Token that ends a hypothesis.
        min_length: Minimum number of tokens, EOS not included.
    """
    beam, length = tensors.beam, tensors.length
    beam_size, n_best = beam.log_probs_BW.size(1), beam.best_scores_BN.size(1)
    log_probs_BWC, token_ids_BWC = top.log_probs_BWC, top.token_ids_BWC
    if min_length:
        log_probs_BWC = log_probs_BWC.masked_fill(
            (token_ids_BWC == eos_id) & (length <= min_length), -math.inf
        )
    # At the maximum length, EOS is the only candidate.
    must_end_B1 = (beam.max_lengths_B == length)[:, None]
    log_probs_BWC = log_probs_BWC.masked_fill(must_end_B1[:, :, None], -math.inf)
    log_probs_BWC[:, :, 0] = torch.where(must_end_B1, top.eos_log_probs_BW, log_probs_BWC[:, :, 0])
    token_ids_BWC[:, :, 0].masked_fill_(must_end_B1, eos_id)

    totals_BWC = log_probs_BWC + beam.log_probs_BW[:, :, None]
    best = top_candidates(totals_BWC, token_ids_BWC, beam_size, eos_id)
    penalty = tensors.penalties_T.index_select(0, length)
    scores_BW = (best.finished_log_probs_BW / penalty).masked_fill(~best.is_finished_BW, -math.inf)
    best_scores_BN = torch.cat((beam.best_scores_BN, scores_BW), dim=1).topk(n_best, dim=1).values
    beam.best_scores_BN.copy_(best_scores_BN)
    beam.n_finished_B.add_(best.is_finished_BW.sum(1))
    best_live_B = best.log_probs_BW.amax(1)
    # A log-probability only falls, and the divisor only grows up to the maximum length.
    is_final_B = (beam.n_finished_B >= n_best) & (
        best_scores_BN[:, -1] >= best_live_B / beam.final_penalties_B
    )
    is_full_B = beam.n_finished_B >= beam_size
    beam.is_done_B.logical_or_(is_full_B | (best_live_B == -math.inf) | is_final_B)
    tensors.n_unfinished.copy_((~beam.is_done_B).sum())

    beam.log_probs_BW.copy_(best.log_probs_BW)
    beam.parents_BW.copy_(best.parents_BW)
    beam.token_ids_BW.copy_(best.token_ids_BW)
    numbers_BX = torch.cat(
        (
            best.parents_BW,
            best.token_ids_BW,
            best.is_finished_BW,
            best.finished_parents_BW,
            beam.is_done_B[:, None],
        ),
        dim=1,
    ).int()
    log_prob_bits_BW = best.finished_log_probs_BW.contiguous().view(torch.int32)
    record_BX = torch.cat((numbers_BX, log_prob_bits_BW), dim=1)
    tensors.log_TBX.index_copy_(0, tensors.step, record_BX[None])
