"""Ways to expand a beam by one token; lexical constraints have theirs in `constraints`."""

import math
from collections.abc import Callable
from typing import Generic

import torch
from torch import Tensor

from mtkit.config.search import SearchConfig
from mtkit.search.beam_state import Beam, BeamUpdate
from mtkit.search.candidates import top_candidates
from mtkit.search.finished import FinishedHypotheses
from mtkit.search.logits_rules import LogitsRules
from mtkit.search.scorer import State

Expand = Callable[[Beam, State, int], BeamUpdate]
"""Function that expands each live hypothesis by one token and selects which ones to keep.

Called with the beam, with the scorer's state, which the step advances, and with the number of
tokens of a hypothesis after the step, EOS included.
"""


class PlainExpansion(Generic[State]):
    """Expansion that keeps the most probable continuations.

    Args:
        rules: Takes the scorer's steps.
        config: Search settings.
    """

    def __init__(self, rules: LogitsRules[State], config: SearchConfig) -> None:
        self.rules, self.beam_size = rules, config.beam_size

    def __call__(self, beam: Beam, state: State, length: int) -> BeamUpdate:
        """See `Expand`."""
        # At most `beam_size` continuations of a hypothesis can be kept, and EOS may precede them.
        top = self.rules.step_top_k(
            state, beam.token_ids_BW, beam.parents_BW, self.beam_size + 1, length
        )
        totals_BWC = top.log_probs_BWC + beam.log_probs_BW[:, :, None]
        eos_id = self.rules.eos_id
        return top_candidates(totals_BWC, top.token_ids_BWC, self.beam_size, eos_id).to_update()


class GroupedExpansion(Generic[State]):
    """Diverse beam search (Vijayakumar et al. 2018, arXiv:1610.02424) with Hamming diversity.

    The groups select their continuations in turn, each as its own beam. A continuation is ranked
    lower by `diversity` for each hypothesis of an earlier group that this step continues with the
    same token; log-probabilities are not changed. EOS is not penalized.

    Args:
        rules: Takes the scorer's steps.
        config: Search settings.
        finished: Knows which groups are done.
    """

    def __init__(
        self, rules: LogitsRules[State], config: SearchConfig, finished: FinishedHypotheses
    ) -> None:
        self.rules, self.config, self.finished = rules, config, finished
        self.group_size = config.beam_size // config.n_groups

    def __call__(self, beam: Beam, state: State, length: int) -> BeamUpdate:
        """See `Expand`."""
        # Earlier groups may penalize as many tokens of a hypothesis as the beam is wide.
        top = self.rules.step_top_k(
            state, beam.token_ids_BW, beam.parents_BW, 2 * self.config.beam_size + 1, length
        )
        totals_BWC = top.log_probs_BWC + self._live_log_probs(beam)[:, :, None]
        ranking_BWC = totals_BWC.clone()
        updates: list[BeamUpdate] = []
        for group in range(self.config.n_groups):
            update = self._select(group, totals_BWC, top.token_ids_BWC, ranking_BWC)
            updates.append(update)
            is_impossible_BX = update.log_probs_BW == -math.inf
            chosen_BX = update.token_ids_BW.masked_fill(is_impossible_BX, -1)
            is_chosen_BWCX = top.token_ids_BWC[..., None] == chosen_BX[:, None, None, :]
            ranking_BWC -= self.config.diversity * is_chosen_BWCX.sum(3)
        return BeamUpdate(
            [hypothesis for update in updates for hypothesis in update.finished],
            torch.cat([update.log_probs_BW for update in updates], dim=1),
            torch.cat([update.parents_BW for update in updates], dim=1),
            torch.cat([update.token_ids_BW for update in updates], dim=1),
        )

    def _select(
        self, group: int, totals_BWC: Tensor, token_ids_BWC: Tensor, ranking_BWC: Tensor
    ) -> BeamUpdate:
        """Select the continuations of one group, which owns a range of columns of the beam."""
        # In the first step all groups start from the one empty hypothesis.
        first = 0 if totals_BWC.size(1) == 1 else group * self.group_size
        columns = slice(first, first + self.group_size)
        update = top_candidates(
            totals_BWC[:, columns],
            token_ids_BWC[:, columns],
            self.group_size,
            self.rules.eos_id,
            ranking_BWC[:, columns],
        ).to_update(group)
        return update._replace(
            finished=[h._replace(parent=h.parent + first) for h in update.finished],
            parents_BW=update.parents_BW + first,
        )

    def _live_log_probs(self, beam: Beam) -> Tensor:
        """Return the log-probabilities of hypotheses, minus infinity in groups that are done."""
        if beam.log_probs_BW.size(1) == 1:
            return beam.log_probs_BW
        is_done_BG1 = torch.tensor(
            self.finished.done_groups(beam.sentences), device=beam.log_probs_BW.device
        )[:, :, None]
        log_probs_BGX = beam.log_probs_BW.unflatten(1, (self.config.n_groups, -1))
        return log_probs_BGX.masked_fill(is_done_BG1, -math.inf).flatten(1)
