"""Beam search, over many sentences at once."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mtkit.config.search import SearchConfig
from mtkit.errors import MtkitError
from mtkit.model.cache import filled_gaps
from mtkit.search.candidates import BeamUpdate, choose_best, choose_in_groups
from mtkit.search.constraints.beam_allocation import choose_from_banks
from mtkit.search.constraints.constraints import Constraints
from mtkit.search.coverage import attentive, with_coverage
from mtkit.search.hypothesis import Hypothesis
from mtkit.search.logits_rules import LogitsRules, append_tokens
from mtkit.search.max_length import max_target_lengths
from mtkit.search.penalties import length_penalty
from mtkit.search.scorer import State, StepScorer, TopTokens


class _Sentence:
    """The hypotheses of one sentence that have ended, in each group of the beam.

    Args:
        index: Position of the sentence in the batch.
        max_length: Maximum number of tokens, EOS included.
        config: Search settings.
        ends_when_full: Whether a group is done when `beam_size` hypotheses have ended.
    """

    def __init__(
        self, index: int, max_length: int, config: SearchConfig, ends_when_full: bool
    ) -> None:
        self.index = index
        self.max_length = max_length
        self.config = config
        self.ends_when_full = ends_when_full
        self.ended: list[list[Hypothesis]] = [[] for _ in range(config.n_groups)]

    def done_groups(self, best_live_log_probs: list[float]) -> list[bool]:
        """Which groups are done: all have ended that may, or none that goes on can come among the best."""
        return [self._is_done(*pair) for pair in zip(self.ended, best_live_log_probs, strict=True)]

    def best(self) -> list[Hypothesis]:
        """The n best. Of a beam in groups: the best of each group, then the second ones, and so on; what several groups have found counts once."""
        ranked = [
            (rank, h)
            for group in self.ended
            for rank, h in enumerate(sorted(group, key=lambda h: h.score, reverse=True))
        ]
        ordered = [h for _, h in sorted(ranked, key=lambda one: (one[0], -one[1].score))]
        chosen: dict[tuple[int, ...], Hypothesis] = {}
        for h in ordered:
            chosen.setdefault(tuple(h.token_ids), h)
        return sorted(
            list(chosen.values())[: self.config.n_best], key=lambda h: h.score, reverse=True
        )

    def _is_done(self, ended: list[Hypothesis], best_live_log_prob: float) -> bool:
        group_size = self.config.beam_size // self.config.n_groups
        if (self.ends_when_full and len(ended) >= group_size) or best_live_log_prob == -math.inf:
            return True
        # Another group may find the same.
        n_wanted = min(self.config.n_best, group_size)
        # What a coverage penalty will take off is not known yet.
        if len(ended) < n_wanted or self.config.coverage_penalty:
            return False
        # A log-probability only falls, and the divisor only grows up to the maximum length.
        bound = best_live_log_prob / length_penalty(self.max_length, self.config)
        return sorted((h.score for h in ended), reverse=True)[n_wanted - 1] >= bound


@torch.inference_mode()
def beam_search(
    scorer: StepScorer[State],
    sources: list[list[int]],
    config: SearchConfig,
    constraints: Sequence[Constraints] | None = None,
) -> list[list[Hypothesis]]:
    """Keep the `beam_size` most probable beginnings of each sentence and lengthen them until enough have ended.

    A hypothesis ends when EOS is among the `beam_size` best continuations of its sentence, or at the maximum length, where EOS is forced. A sentence
    is done when `beam_size` hypotheses have ended or no other can come among the `n_best`; it leaves the batch at once. With `n_groups`, each
    group is such a beam, and the sentence is done when all its groups are.

    A sentence with phrases that must appear is done only when no other hypothesis can come among the
    `n_best`.

    Args:
        scorer: Gives log-probabilities; with `coverage_penalty` an `AttentiveScorer`, which reads all hypotheses that have ended once more.
        sources: Token ids of each sentence.
        config: Beam size, lengths, penalties and groups.
        constraints: Of each sentence; None where there are none.
    Returns:
        For each sentence, in order, its `n_best` hypotheses (fewer if no more exist), the highest score first.
    Raises:
        MtkitError: The scorer gives no probabilities that are numbers or no attention; or constraints cannot be met.
    """
    if not sources:
        return []
    reader = attentive(scorer) if config.coverage_penalty else None
    max_lengths = max_target_lengths(sources, config, scorer.max_length, constraints)
    rules = LogitsRules(config, max_lengths, scorer, constraints)
    state = scorer.start(sources)
    # Hypotheses with their phrases end early, long before better ones have begun theirs.
    sentences = [
        _Sentence(i, limit, config, ends_when_full=not (constraints and constraints[i].positive))
        for i, limit in enumerate(max_lengths)
    ]
    live = sentences
    last_BW = torch.full((len(sources), 1), scorer.bos_id)
    parents_BW = torch.zeros_like(last_BW)
    scores_BW: Tensor | None = None
    tokens_BWT: Tensor | None = None
    for length in range(1, max(max_lengths) + 1):
        must_end = [row for row, sentence in enumerate(live) if sentence.max_length == length]
        choice = _choose(
            scorer, state, last_BW, parents_BW, scores_BW, rules, config, length, must_end
        )
        for row, group, parent, log_prob in choice.ended:
            ids = [] if tokens_BWT is None else tokens_BWT[row, parent].tolist()
            live[row].ended[group].append(
                Hypothesis(ids, log_prob, log_prob / length_penalty(length, config))
            )
        scores_BW, parents_BW, last_BW = choice.log_probs_BW, choice.parents_BW, choice.token_ids_BW
        tokens_BWT = append_tokens(tokens_BWT, parents_BW, last_BW)
        rules.advance(parents_BW, last_BW)

        best_live = scores_BW.unflatten(1, (config.n_groups, -1)).amax(2).tolist()
        done = [sentence.done_groups(best_live[row]) for row, sentence in enumerate(live)]
        going_on = filled_gaps([not all(groups) for groups in done])
        if not going_on:
            break
        if config.n_groups > 1:
            is_done_BG1 = torch.tensor(done, device=scores_BW.device)[:, :, None]
            scores_BW = (
                scores_BW.unflatten(1, (config.n_groups, -1))
                .masked_fill(is_done_BG1, -math.inf)
                .flatten(1)
            )
        if len(going_on) < len(live):
            rows = torch.tensor(going_on, device=scores_BW.device)
            state.keep(rows)
            rules.keep(rows)
            live = [live[row] for row in going_on]
            last_BW, parents_BW, scores_BW, tokens_BWT = (
                t.index_select(0, rows) for t in (last_BW, parents_BW, scores_BW, tokens_BWT)
            )
    refuse_without_end(
        [[h for group in sentence.ended for h in group] for sentence in sentences], constraints
    )
    if reader is not None:
        for group in range(config.n_groups):
            judged = with_coverage(
                reader,
                sources,
                [sentence.ended[group] for sentence in sentences],
                config.coverage_penalty,
            )
            for sentence, hypotheses in zip(sentences, judged, strict=True):
                sentence.ended[group] = hypotheses
    return [sentence.best() for sentence in sentences]


def refuse_without_end(
    found: list[list[Hypothesis]], constraints: Sequence[Constraints] | None = None
) -> None:
    """See that each sentence has a hypothesis that has ended.

    Raises:
        MtkitError: One has none.
    """
    if all(found):
        return
    if constraints is not None:
        raise MtkitError(
            "the constraints cannot be satisfied",
            "see whether what must and what must not appear exclude each other",
        )
    raise MtkitError(
        "the model's probabilities are not numbers",
        "its weights are damaged, or its training diverged; use another model",
    )


def _choose(
    scorer: StepScorer[State],
    state: State,
    last_BW: Tensor,
    parents_BW: Tensor,
    scores_BW: Tensor | None,
    rules: LogitsRules,
    config: SearchConfig,
    length: int,
    must_end: list[int],
) -> BeamUpdate:
    """Take a step and choose who goes on; the sentences `must_end` are at their maximum length."""
    if rules.positive is not None:
        log_probs_BWV, eos_BW = rules.step(scorer, state, last_BW, parents_BW, length)
        for row in must_end:
            log_probs_BWV[row] = -math.inf
            log_probs_BWV[row, :, scorer.eos_id] = eos_BW[row]
        return choose_from_banks(
            _total(log_probs_BWV, scores_BW), rules.positive, config.beam_size, scorer.eos_id
        )
    # Of one hypothesis no more than `beam_size` can be kept, and EOS may be among its best too.
    n_wanted = config.beam_size + 1
    if config.n_groups > 1:
        n_wanted += config.beam_size
    best = rules.step_top_k(scorer, state, last_BW, parents_BW, n_wanted, length)
    for row in must_end:
        _end(best, row, scorer.eos_id)
    totals_BWC = _total(best.log_probs_BWC, scores_BW)
    if config.n_groups > 1:
        group_size = config.beam_size // config.n_groups
        return choose_in_groups(
            totals_BWC,
            best.token_ids_BWC,
            group_size,
            config.n_groups,
            config.diversity,
            scorer.eos_id,
        )
    return choose_best(totals_BWC, best.token_ids_BWC, config.beam_size, scorer.eos_id)


def _end(best: TopTokens, row: int, eos_id: int) -> None:
    """Leave EOS as the only way to go on."""
    best.log_probs_BWC[row] = -math.inf
    best.log_probs_BWC[row, :, 0], best.token_ids_BWC[row, :, 0] = (
        best.eos_log_probs_BW[row],
        eos_id,
    )


def _total(log_probs: Tensor, scores_BW: Tensor | None) -> Tensor:
    return log_probs if scores_BW is None else log_probs + scores_BW[:, :, None]
