"""Which continuations of a beam's hypotheses are kept, and which have ended."""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class FinishedHypothesis(NamedTuple):
    """A hypothesis that ends with this step."""

    row: int
    """Its sentence."""
    group: int
    """Of the beam; 0 where there is one."""
    parent: int
    """The hypothesis that EOS was added to."""
    log_prob: float


class TopCandidates(NamedTuple):
    """What becomes of the hypotheses of a plain beam in one step, in tensors of the same shapes at every step."""

    ends_BW: Tensor
    """Which of the W best continuations, the best first, end a hypothesis."""
    end_log_probs_BW: Tensor
    """Of these continuations, and of what they continue:"""
    end_parents_BW: Tensor
    log_probs_BW: Tensor
    """Of the hypotheses that go on; minus infinity where there are not enough of them."""
    parents_BW: Tensor
    token_ids_BW: Tensor


class BeamUpdate(NamedTuple):
    """What becomes of the hypotheses in one step."""

    ended: list[FinishedHypothesis]
    log_probs_BW: Tensor
    """Of the hypotheses that go on; minus infinity where there are not enough of them."""
    parents_BW: Tensor
    token_ids_BW: Tensor


def choose_best(
    totals_BWC: Tensor, token_ids_BWC: Tensor, beam_size: int, eos_id: int
) -> BeamUpdate:
    """The plain beam: hypotheses end that are among the `beam_size` best continuations, and the best of the others go on.

    Args:
        totals_BWC: Log-probabilities of whole hypotheses, C continuations of each.
        token_ids_BWC: The tokens that they would be continued with.
        beam_size: How many go on.
        eos_id: The token that ends one.
    """
    return _listed(top_candidates(totals_BWC, token_ids_BWC, beam_size, eos_id), group=0)


def top_candidates(
    totals_BWC: Tensor,
    token_ids_BWC: Tensor,
    beam_size: int,
    eos_id: int,
    judged_BWC: Tensor | None = None,
) -> TopCandidates:
    """As `choose_best`, without asking the device for anything.

    Args:
        totals_BWC: As in `choose_best`, as are token_ids_BWC, beam_size and eos_id.
        judged_BWC: What decides in place of the log-probabilities.
    """
    C = totals_BWC.size(2)
    flat_BX = (totals_BWC if judged_BWC is None else judged_BWC).flatten(1)
    values_BX, places_BX = flat_BX.topk(min(2 * beam_size, flat_BX.size(1)), dim=1)
    totals_BX = values_BX if judged_BWC is None else totals_BWC.flatten(1).gather(1, places_BX)
    parent_BX, token_BX = places_BX // C, token_ids_BWC.flatten(1).gather(1, places_BX)
    ends_BX = token_BX == eos_id
    best = slice(0, beam_size)
    open_BX = values_BX.masked_fill(ends_BX, -math.inf)
    kept_BW, columns_BW = open_BX.topk(min(beam_size, open_BX.size(1)), dim=1)
    if judged_BWC is not None:
        kept_BW = totals_BX.gather(1, columns_BW).masked_fill(kept_BW == -math.inf, -math.inf)
    going_on = _filled_up(
        kept_BW, parent_BX.gather(1, columns_BW), token_BX.gather(1, columns_BW), beam_size
    )
    return TopCandidates(
        ends_BX[:, best] & values_BX[:, best].isfinite(),
        totals_BX[:, best],
        parent_BX[:, best],
        *going_on,
    )


def choose_in_groups(
    totals_BWC: Tensor,
    token_ids_BWC: Tensor,
    group_size: int,
    n_groups: int,
    diversity: float,
    eos_id: int,
) -> BeamUpdate:
    """Diverse beam search (Vijayakumar et al. 2018, arXiv:1610.02424) with Hamming diversity.

    The groups choose one after the other, each as a beam of its own. For choosing, `diversity` is taken off a continuation for each time that an
    earlier group goes on with the same token in this step; the log-probabilities of hypotheses stay what they are.

    Args:
        totals_BWC: As in `choose_best`; the groups lie side by side along W. In the first step all start from the one hypothesis that there is.
        token_ids_BWC: As in `choose_best`; of each hypothesis at least the `group_size` + 1 + beam size most probable.
        group_size: Hypotheses of each group.
        n_groups: How many groups.
        diversity: Strength.
        eos_id: The token that ends a hypothesis, which costs nothing.
    """
    chosen: list[BeamUpdate] = []
    judged_BWC = totals_BWC.clone()
    is_first = totals_BWC.size(1) == 1
    for group in range(n_groups):
        own = slice(0, 1) if is_first else slice(group * group_size, (group + 1) * group_size)
        choice = _listed(
            top_candidates(
                totals_BWC[:, own], token_ids_BWC[:, own], group_size, eos_id, judged_BWC[:, own]
            ),
            group,
        )
        shift = own.start or 0
        ended = [one._replace(parent=one.parent + shift) for one in choice.ended]
        chosen.append(choice._replace(ended=ended, parents_BW=choice.parents_BW + shift))
        is_same_BWCG = (
            token_ids_BWC[..., None]
            == choice.token_ids_BW.masked_fill(choice.log_probs_BW == -math.inf, -1)[
                :, None, None, :
            ]
        )
        judged_BWC -= diversity * is_same_BWCG.sum(3)
    return BeamUpdate(
        [one for choice in chosen for one in choice.ended],
        torch.cat([choice.log_probs_BW for choice in chosen], dim=1),
        torch.cat([choice.parents_BW for choice in chosen], dim=1),
        torch.cat([choice.token_ids_BW for choice in chosen], dim=1),
    )


def _listed(chosen: TopCandidates, group: int) -> BeamUpdate:
    ended = [
        FinishedHypothesis(
            row,
            group,
            int(chosen.end_parents_BW[row, column]),
            float(chosen.end_log_probs_BW[row, column]),
        )
        for row, column in chosen.ends_BW.nonzero().tolist()
    ]
    return BeamUpdate(ended, chosen.log_probs_BW, chosen.parents_BW, chosen.token_ids_BW)


def _filled_up(
    log_probs_BW: Tensor, parents_BW: Tensor, token_ids_BW: Tensor, beam_size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """To the full width, with hypotheses that are impossible."""
    B, W = log_probs_BW.shape
    if beam_size == W:
        return log_probs_BW, parents_BW, token_ids_BW
    rest = beam_size - W
    nothing_BX, zeros_BX = (
        log_probs_BW.new_full((B, rest), -math.inf),
        parents_BW.new_zeros(B, rest),
    )
    return (
        torch.cat((log_probs_BW, nothing_BX), 1),
        torch.cat((parents_BW, zeros_BX), 1),
        torch.cat((token_ids_BW, zeros_BX), 1),
    )
