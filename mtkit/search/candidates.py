"""Selection of a beam's best continuations, in tensors of the same shapes at every step."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from mtkit.search.beam_state import BeamUpdate, FinishedHypothesis


class TopCandidates(NamedTuple):
    """The W best continuations of each sentence, and the W best that do not end a hypothesis."""

    is_finished_BW: Tensor
    """Whether each of the W best continuations, best first, ends a hypothesis."""
    finished_log_probs_BW: Tensor
    """Log-probabilities of these continuations."""
    finished_parents_BW: Tensor
    """Index of the hypothesis that each of them continues."""
    log_probs_BW: Tensor
    """Log-probabilities of the hypotheses that continue; minus infinity fills up the beam."""
    parents_BW: Tensor
    """Index of the hypothesis that each one continues."""
    token_ids_BW: Tensor
    """Token appended to each one."""

    def to_update(self, group: int = 0) -> BeamUpdate:
        """Convert to an update; waits for the device.

        Args:
            group: Index of the beam group to which the hypotheses belong.
        """
        finished = [
            FinishedHypothesis(
                row,
                group,
                int(self.finished_parents_BW[row, column]),
                float(self.finished_log_probs_BW[row, column]),
            )
            for row, column in self.is_finished_BW.nonzero().tolist()
        ]
        return BeamUpdate(finished, self.log_probs_BW, self.parents_BW, self.token_ids_BW)


def top_candidates(
    totals_BWC: Tensor,
    token_ids_BWC: Tensor,
    beam_size: int,
    eos_id: int,
    ranking_BWC: Tensor | None = None,
) -> TopCandidates:
    """Select the best continuations without waiting for the device.

    A hypothesis ends if EOS is among the `beam_size` best continuations of its sentence. The best
    of the other continuations stay in the beam.

    Args:
        totals_BWC: Log-probabilities of whole hypotheses, with C continuations each.
        token_ids_BWC: Token of each continuation.
        beam_size: Number of hypotheses to select, W.
        eos_id: Token that ends a hypothesis.
        ranking_BWC: Values to rank the continuations by; None ranks them by `totals_BWC`.
    """
    C = totals_BWC.size(2)
    flat_BX = (totals_BWC if ranking_BWC is None else ranking_BWC).flatten(1)
    # At most `beam_size` of the candidates end, so twice as many include those that continue.
    values_BX, indices_BX = flat_BX.topk(min(2 * beam_size, flat_BX.size(1)), dim=1)
    totals_BX = values_BX if ranking_BWC is None else totals_BWC.flatten(1).gather(1, indices_BX)
    parent_BX, token_BX = indices_BX // C, token_ids_BWC.flatten(1).gather(1, indices_BX)
    is_eos_BX = token_BX == eos_id
    best = slice(0, beam_size)
    live_BX = values_BX.masked_fill(is_eos_BX, -math.inf)
    log_probs_BW, columns_BW = live_BX.topk(min(beam_size, live_BX.size(1)), dim=1)
    if ranking_BWC is not None:
        is_impossible_BW = log_probs_BW == -math.inf
        log_probs_BW = totals_BX.gather(1, columns_BW).masked_fill(is_impossible_BW, -math.inf)
    n_missing = beam_size - log_probs_BW.size(1)
    return TopCandidates(
        is_eos_BX[:, best] & values_BX[:, best].isfinite(),
        totals_BX[:, best],
        parent_BX[:, best],
        _append_columns(log_probs_BW, n_missing, -math.inf),
        _append_columns(parent_BX.gather(1, columns_BW), n_missing, 0),
        _append_columns(token_BX.gather(1, columns_BW), n_missing, 0),
    )


def _append_columns(values_BW: Tensor, n: int, value: float) -> Tensor:
    if n == 0:
        return values_BW
    return torch.cat((values_BW, values_BW.new_full((values_BW.size(0), n), value)), dim=1)
