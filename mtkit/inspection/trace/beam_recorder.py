"""The steps of a beam search: hypotheses that were kept, that ended, and that were pruned."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from mtkit.engines.protocol import SearchRequest
from mtkit.search.beam import beam_search
from mtkit.search.beam_state import Beam, BeamUpdate
from mtkit.search.ensemble_scorer import EnsembleScorer, EnsembleState
from mtkit.search.hypothesis import Hypothesis, length_penalty
from mtkit.search.scorer import TopTokens


class Continuation(NamedTuple):
    """A hypothesis after a step: an earlier one, continued by a token."""

    parent: int
    """Index of the continued hypothesis among those kept in the step before."""
    token_id: int
    log_prob: float
    """Log-probability of the whole hypothesis."""
    score: float
    """`log_prob` after the length penalty at its present length."""
    index: int | None = None
    """Index in the beam; None if it is not kept."""


@dataclass(frozen=True)
class BeamStep:
    """One step of a beam search, for one sentence."""

    kept: list[Continuation]
    """Hypotheses that stay in the beam, the best first."""
    finished: list[Continuation]
    """Hypotheses that ended in this step, with EOS as their token."""
    pruned: list[Continuation]
    """The best continuations that were not kept, the best first."""


@dataclass(frozen=True)
class RecordedSearch:
    """A search for the translation of one source."""

    src_ids: list[int]
    """Token ids, tags included, without EOS."""
    n_hidden: int
    """Number of tokens at the start of each hypothesis that are not part of the translation."""
    hypotheses: list[Hypothesis]
    """The n best, hidden tokens included."""
    steps: list[BeamStep]


class RecordingScorer(EnsembleScorer):
    """A scorer that keeps the candidates of its last step."""

    candidates: tuple[Tensor, Tensor | None]
    """Log-probabilities of the candidates of each hypothesis, and their token ids; None if they are
    the whole vocabulary. Not copies: rules of the search that exclude tokens are applied to them.
    """

    def step_top_k(
        self, state: EnsembleState, token_ids_BW: Tensor, parents_BW: Tensor, k: int
    ) -> TopTokens:
        """See `StepScorer`."""
        top = super().step_top_k(state, token_ids_BW, parents_BW, k)
        self.candidates = top.log_probs_BWC, top.token_ids_BWC
        return top

    def step(self, state: EnsembleState, token_ids_BW: Tensor, parents_BW: Tensor) -> Tensor:
        """See `StepScorer`."""
        log_probs_BWV = super().step(state, token_ids_BW, parents_BW)
        self.candidates = log_probs_BWV, None
        return log_probs_BWV


class RecordingEngine:
    """An engine that searches source by source with a beam, and records every step.

    Args:
        scorer: Computes log-probabilities.
    """

    def __init__(self, scorer: RecordingScorer) -> None:
        self.scorer = scorer
        self.searches: list[RecordedSearch] = []

    def search(self, request: SearchRequest) -> list[list[Hypothesis]]:
        """See `Engine`."""
        return [self._search(request.select([i])) for i in range(len(request.sources))]

    def _search(self, request: SearchRequest) -> list[Hypothesis]:
        constraints = request.constraints_of([0])
        n_hidden = constraints[0].n_hidden if constraints else 0
        steps: list[BeamStep] = []

        def observe(beam: Beam, update: BeamUpdate) -> None:
            steps.append(self._step(request, beam, update))

        self.scorer = self.scorer.for_search(request.config)
        [hypotheses] = beam_search(
            self.scorer, list(request.sources), request.config, constraints, observe
        )
        self.searches.append(RecordedSearch(request.sources[0], n_hidden, hypotheses, steps))
        return [one._replace(token_ids=one.token_ids[n_hidden:]) for one in hypotheses]

    def _step(self, request: SearchRequest, beam: Beam, update: BeamUpdate) -> BeamStep:
        config = request.config
        penalty = length_penalty(beam.tokens_BWT.size(2) + 1, config)

        def continuation(parent: int, token_id: int, log_prob: float) -> Continuation:
            return Continuation(parent, token_id, log_prob, log_prob / penalty)

        live = zip(
            update.parents_BW[0].tolist(),
            update.token_ids_BW[0].tolist(),
            update.log_probs_BW[0].tolist(),
            strict=True,
        )
        # Minus infinity fills up a beam without enough hypotheses.
        kept = [
            continuation(*one)._replace(index=index)
            for index, one in enumerate(live)
            if one[2] > -math.inf
        ]
        finished = [
            continuation(one.parent, self.scorer.eos_id, one.log_prob) for one in update.finished
        ]
        selected = {(one.parent, one.token_id) for one in kept + finished}
        pruned = [
            continuation(*one)
            for one in self._best_candidates(beam, config.beam_size + len(selected))
            if one[:2] not in selected
        ]
        return BeamStep(kept, finished, pruned[: config.beam_size])

    def _best_candidates(self, beam: Beam, n: int) -> list[tuple[int, int, float]]:
        """Return parent, token id and log-probability of the n best candidates, the best first."""
        log_probs_BWC, token_ids_BWC = self.scorer.candidates
        totals_WC = (log_probs_BWC + beam.log_probs_BW[:, :, None])[0]
        n_each = totals_WC.size(1)
        values, indices = totals_WC.flatten().topk(min(n, totals_WC.numel()))
        found = []
        for total, index in zip(values.tolist(), indices.tolist(), strict=True):
            parent, column = divmod(index, n_each)
            token_id = column if token_ids_BWC is None else int(token_ids_BWC[0, parent, column])
            if total > -math.inf:
                found.append((parent, token_id, total))
        return found


def best_path(search: RecordedSearch) -> list[int]:
    """Return the index in the beam of the best hypothesis after each step but its last.

    The last step appends EOS.
    """
    token_ids = search.hypotheses[0].token_ids
    tails: dict[int | None, list[int]] = {0: []}
    paths: dict[int | None, list[int]] = {0: []}
    for step in search.steps[: len(token_ids)]:
        paths = {one.index: [*paths[one.parent], one.index or 0] for one in step.kept}
        tails = {one.index: [*tails[one.parent], one.token_id] for one in step.kept}
    return next(path for index, path in paths.items() if tails[index] == token_ids)
