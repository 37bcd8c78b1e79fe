"""Beam search over many sentences at once."""

from collections.abc import Callable, Sequence

import torch

from mtkit.config.search import SearchConfig
from mtkit.search.beam_state import Beam, BeamUpdate
from mtkit.search.constraints.constraints import Constraints
from mtkit.search.expansion import Expand, GroupedExpansion, PlainExpansion
from mtkit.search.finished import FinishedHypotheses
from mtkit.search.hypothesis import Hypothesis
from mtkit.search.logits_rules import LogitsRules
from mtkit.search.max_length import max_target_lengths
from mtkit.search.scorer import State, StepScorer

Observer = Callable[[Beam, BeamUpdate], None]
"""Called in every step with the beam before the step, and with the update."""


@torch.inference_mode()
def beam_search(
    scorer: StepScorer[State],
    sources: list[list[int]],
    config: SearchConfig,
    constraints: Sequence[Constraints] | None = None,
    observer: Observer | None = None,
) -> list[list[Hypothesis]]:
    """Find probable translations by extending the `beam_size` best hypotheses of each sentence.

    A hypothesis ends if EOS is among the `beam_size` best continuations of its sentence, or at the
    maximum length, where EOS is forced. A sentence is done when `beam_size` of its hypotheses have
    ended or when no other can become one of the `n_best`; it leaves the batch at once. With
    `n_groups`, each group is such a beam, and a sentence is done when all its groups are. A
    sentence with required phrases is done only when no other hypothesis can become one of the
    `n_best`.

    Args:
        scorer: Computes log-probabilities; with `coverage_penalty`, it must also compute attention,
            and reads all finished hypotheses again.
        sources: Token ids of each sentence, without EOS.
        config: Beam size, lengths, penalties and groups.
        constraints: Constraints of each sentence; None if there are none.
        observer: Watches the search, without changing it.
    Returns:
        The `n_best` hypotheses of each sentence (fewer if no more exist), the highest score first.
    Raises:
        MtkitError: The scorer's probabilities are not finite, it has no attention for a coverage
            penalty, or the constraints cannot be satisfied.
    """
    if not sources:
        return []
    if config.coverage_penalty:
        from mtkit.search.coverage import require_attention, with_coverage

        require_attention(scorer)
    max_lengths = max_target_lengths(sources, config, scorer.max_length, constraints)
    finished = FinishedHypotheses(config, max_lengths, constraints)
    rules = LogitsRules(scorer, config, max_lengths, constraints)
    expand = _choose_expansion(rules, config, finished)
    state = scorer.start(sources)
    beam = Beam.start(len(sources), scorer.bos_id, scorer.device)
    for length in range(1, max(max_lengths) + 1):
        update = expand(beam, state, length)
        if observer is not None:
            observer(beam, update)
        finished.add(update.finished, beam)
        beam = beam.advance(update)
        rules.advance(update.parents_BW, update.token_ids_BW)
        unfinished = finished.unfinished(beam)
        if not unfinished:
            break
        if len(unfinished) < len(beam.sentences):
            rows = torch.tensor(unfinished, device=beam.log_probs_BW.device)
            state.select(rows)
            rules.select(rows)
            beam = beam.select(rows)
    if config.coverage_penalty:
        finished.rescore(
            lambda hypotheses: with_coverage(scorer, sources, hypotheses, config.coverage_penalty)
        )
    return finished.best()


def _choose_expansion(
    rules: LogitsRules[State], config: SearchConfig, finished: FinishedHypotheses
) -> Expand[State]:
    if rules.positive is not None:
        from mtkit.search.constraints.beam_allocation import ConstrainedExpansion

        return ConstrainedExpansion(rules, rules.positive, config)
    if config.n_groups > 1:
        return GroupedExpansion(rules, config, finished)
    return PlainExpansion(rules, config)
