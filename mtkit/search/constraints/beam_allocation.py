"""Which continuations a beam keeps when phrases must appear."""

import math

import torch
from torch import Tensor

from mtkit.search.candidates import BeamUpdate, FinishedHypothesis
from mtkit.search.constraints.phrase_tracker import PhraseTracker
from mtkit.search.constraints.positive import PositiveConstraints


def choose_from_banks(
    totals_BWV: Tensor, must: PositiveConstraints, beam_size: int, eos_id: int
) -> BeamUpdate:
    """Choose by dynamic beam allocation (Post and Vilar 2018, arXiv:1804.06609).

    Candidates are the best continuations of all hypotheses, the best of each one, and those that
    lead further into a phrase. They are grouped in banks by the number of pieces that their phrases
    still need. The beam takes one candidate of each bank in turn, so that hypotheses with phrases do
    not compete with those without; see `_in_turn` for the order of the banks.

    Args:
        totals_BWV: Log-probabilities of whole hypotheses, as `Must.block` leaves them; EOS is possible for those alone that hold all phrases.
        must: Where the hypotheses are in their phrases.
        beam_size: How many go on.
        eos_id: The token that ends a hypothesis; it does so when it is among the `beam_size` best continuations with all phrases.
    """
    B = totals_BWV.size(0)
    ended: list[FinishedHypothesis] = []
    log_probs_BW = torch.full((B, beam_size), -math.inf, dtype=totals_BWV.dtype)
    parents_BW, token_ids_BW = (
        torch.zeros(B, beam_size, dtype=torch.long),
        torch.zeros(B, beam_size, dtype=torch.long),
    )
    for row in range(B):
        found = _candidates(totals_BWV[row], must.trackers[row], must.places[row], 2 * beam_size)
        banks: dict[int, list[tuple[float, int, int]]] = {}
        for total, parent, token in found:
            tracker, place = must.trackers[row], must.places[row][parent]
            n_needed = 0 if token == eos_id else tracker.n_needed(tracker.next(place, token))
            banks.setdefault(n_needed, []).append((total, parent, token))
        whole = banks.get(0, [])
        ended += [
            FinishedHypothesis(row, 0, parent, total)
            for total, parent, token in whole[:beam_size]
            if token == eos_id
        ]
        banks[0] = [one for one in whole if one[2] != eos_id]
        kept = sorted(_dealt(_in_turn(banks), beam_size), reverse=True)
        for column, (total, parent, token) in enumerate(kept):
            log_probs_BW[row, column], parents_BW[row, column], token_ids_BW[row, column] = (
                total,
                parent,
                token,
            )
    device = totals_BWV.device
    return BeamUpdate(
        ended, log_probs_BW.to(device), parents_BW.to(device), token_ids_BW.to(device)
    )


def _candidates(
    totals_WV: Tensor, tracker: PhraseTracker, places: list[int], n: int
) -> list[tuple[float, int, int]]:
    """Log-probability, parent and token of each, the best first; no impossible ones."""
    V = totals_WV.size(1)
    flat_X = totals_WV.flatten()
    chosen = set(flat_X.topk(min(n, flat_X.size(0))).indices.tolist())
    chosen.update(w * V + token for w, token in enumerate(totals_WV.argmax(1).tolist()))
    for w, place in enumerate(places):
        if tokens := tracker.advancing(place):
            index = torch.tensor(tokens, device=totals_WV.device)
            best = totals_WV[w, index].topk(min(n, len(tokens))).indices
            chosen.update((w * V + index[best]).tolist())
    order = sorted(chosen)
    values = flat_X[torch.tensor(order, device=flat_X.device)].tolist()
    found = [
        (value, *divmod(x, V))
        for value, x in zip(values, order, strict=True)
        if math.isfinite(value)
    ]
    return sorted(found, key=lambda one: (-one[0], one[1], one[2]))


def _in_turn(banks: dict[int, list[tuple[float, int, int]]]) -> list[list[tuple[float, int, int]]]:
    """Order banks: the fullest, the emptiest, and then those with the best candidates.

    Where there are more banks than places in the beam, the fullest bank makes progress certain, and
    the emptiest keeps the hypotheses that will write their phrases later.
    """
    fullest, *others = [banks[n_needed] for n_needed in sorted(banks) if banks[n_needed]] or [[]]
    return [fullest, *others[-1:], *sorted(others[:-1], key=lambda bank: bank[0], reverse=True)]


def _dealt(banks: list[list[tuple[float, int, int]]], n: int) -> list[tuple[float, int, int]]:
    """One of each bank in turn, until there are n or none is left."""
    dealt: list[tuple[float, int, int]] = []
    for depth in range(max(map(len, banks), default=0)):
        for bank in banks:
            if depth < len(bank) and len(dealt) < n:
                dealt.append(bank[depth])
    return dealt
