"""Dynamic beam allocation, which keeps hypotheses with and without required phrases."""

import math
from typing import Generic, NamedTuple

import torch
from torch import Tensor

from mtkit.config.search import SearchConfig
from mtkit.search.beam_state import Beam, BeamUpdate, FinishedHypothesis
from mtkit.search.constraints.phrase_tracker import PhraseTracker
from mtkit.search.constraints.positive import PositiveConstraints
from mtkit.search.logits_rules import LogitsRules
from mtkit.search.scorer import State


class _Candidate(NamedTuple):
    """One continuation of a hypothesis; sorts by log-probability."""

    log_prob: float
    parent: int
    token_id: int


class ConstrainedExpansion(Generic[State]):
    """Expansion by dynamic beam allocation (Post and Vilar 2018, arXiv:1804.06609).

    Candidates are the best continuations of all hypotheses, the best of each one, and those that
    lead further into a phrase. They are grouped in banks by the number of tokens that the missing
    phrases still need. The beam takes one candidate of each bank in turn, so that hypotheses with
    phrases do not compete with those without; see `_order_banks`.

    A hypothesis ends if EOS is among the `beam_size` best continuations with all phrases.

    Args:
        rules: Takes the scorer's steps, with EOS possible only after all phrases.
        positive: State of the hypotheses in their phrases.
        config: Search settings.
    """

    def __init__(
        self, rules: LogitsRules[State], positive: PositiveConstraints, config: SearchConfig
    ) -> None:
        self.rules, self.positive, self.beam_size = rules, positive, config.beam_size

    def __call__(self, beam: Beam, state: State, length: int) -> BeamUpdate:
        """See `Expand`."""
        log_probs_BWV = self.rules.step(state, beam.token_ids_BW, beam.parents_BW, length)
        totals_BWV = log_probs_BWV + beam.log_probs_BW[:, :, None]
        B, W = totals_BWV.size(0), self.beam_size
        finished: list[FinishedHypothesis] = []
        log_probs_BW = torch.full((B, W), -math.inf, dtype=totals_BWV.dtype)
        parents_BW = torch.zeros(B, W, dtype=torch.long)
        token_ids_BW = torch.zeros(B, W, dtype=torch.long)
        for row in range(B):
            finished_parents, kept = self._allocate(row, totals_BWV[row])
            finished += [
                FinishedHypothesis(row, 0, candidate.parent, candidate.log_prob)
                for candidate in finished_parents
            ]
            for column, (log_prob, parent, token_id) in enumerate(kept):
                log_probs_BW[row, column] = log_prob
                parents_BW[row, column] = parent
                token_ids_BW[row, column] = token_id
        device = totals_BWV.device
        return BeamUpdate(
            finished, log_probs_BW.to(device), parents_BW.to(device), token_ids_BW.to(device)
        )

    def _allocate(self, row: int, totals_WV: Tensor) -> tuple[list[_Candidate], list[_Candidate]]:
        """Return the candidates of one sentence that end a hypothesis, and those to keep."""
        tracker, states = self.positive.trackers[row], self.positive.states[row]
        eos_id = self.rules.eos_id
        banks: dict[int, list[_Candidate]] = {}
        for candidate in _candidates(totals_WV, tracker, states, 2 * self.beam_size):
            _, parent, token_id = candidate
            n_needed = (
                0
                if token_id == eos_id
                else tracker.n_needed(tracker.next(states[parent], token_id))
            )
            banks.setdefault(n_needed, []).append(candidate)
        complete = banks.get(0, [])
        ending = [
            candidate for candidate in complete[: self.beam_size] if candidate.token_id == eos_id
        ]
        banks[0] = [candidate for candidate in complete if candidate.token_id != eos_id]
        return ending, sorted(_deal(_order_banks(banks), self.beam_size), reverse=True)


def _candidates(
    totals_WV: Tensor, tracker: PhraseTracker, states: list[int], n: int
) -> list[_Candidate]:
    """Return the possible candidates of one sentence, best first."""
    V = totals_WV.size(1)
    flat_X = totals_WV.flatten()
    chosen = set(flat_X.topk(min(n, flat_X.size(0))).indices.tolist())
    chosen.update(w * V + token for w, token in enumerate(totals_WV.argmax(1).tolist()))
    for w, state in enumerate(states):
        if tokens := tracker.advancing(state):
            index = torch.tensor(tokens, device=totals_WV.device)
            best = totals_WV[w, index].topk(min(n, len(tokens))).indices
            chosen.update((w * V + index[best]).tolist())
    order = sorted(chosen)
    log_probs = flat_X[torch.tensor(order, device=flat_X.device)].tolist()
    candidates = [
        _Candidate(log_prob, *divmod(x, V))
        for log_prob, x in zip(log_probs, order, strict=True)
        if math.isfinite(log_prob)
    ]
    return sorted(candidates, key=lambda c: (-c.log_prob, c.parent, c.token_id))


def _order_banks(banks: dict[int, list[_Candidate]]) -> list[list[_Candidate]]:
    """Order banks: the most complete, the least complete, then the others by their best candidates.

    If there are more banks than the beam is wide, the most complete one ensures progress, and the
    least complete one keeps the hypotheses that will contain their phrases later.
    """
    most_complete, *others = [banks[n_needed] for n_needed in sorted(banks) if banks[n_needed]] or [
        []
    ]
    by_best = sorted(others[:-1], key=lambda bank: bank[0], reverse=True)
    return [most_complete, *others[-1:], *by_best]


def _deal(banks: list[list[_Candidate]], n: int) -> list[_Candidate]:
    """Take one candidate of each bank in turn, until there are n or none is left."""
    dealt: list[_Candidate] = []
    for depth in range(max(map(len, banks), default=0)):
        for bank in banks:
            if depth < len(bank) and len(dealt) < n:
                dealt.append(bank[depth])
    return dealt
