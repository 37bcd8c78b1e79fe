"""Finished hypotheses of a batch, and the decision when a sentence is done."""

import math
from collections.abc import Callable, Sequence

from mtkit.config.search import SearchConfig
from mtkit.errors import MtkitError
from mtkit.search.batch_layout import filled_gaps
from mtkit.search.beam_state import Beam, FinishedHypothesis
from mtkit.search.constraints.constraints import Constraints
from mtkit.search.hypothesis import Hypothesis, length_penalty


class FinishedHypotheses:
    """The hypotheses that have ended, for each sentence and each group of the beam.

    Args:
        config: Search settings.
        max_lengths: Maximum number of tokens of each sentence, EOS included.
        constraints: Constraints of each sentence; None if there are none.
    """

    def __init__(
        self,
        config: SearchConfig,
        max_lengths: Sequence[int],
        constraints: Sequence[Constraints] | None = None,
    ) -> None:
        self._config, self._max_lengths, self._constraints = config, max_lengths, constraints
        self._group_size = config.beam_size // config.n_groups
        # Hypotheses with their phrases end early, long before better ones have begun theirs.
        self._stops_when_full = [
            not (constraints and constraints[i].positive) for i in range(len(max_lengths))
        ]
        self._hypotheses: list[list[list[Hypothesis]]] = [
            [[] for _ in range(config.n_groups)] for _ in max_lengths
        ]
        self._is_done = [[False] * config.n_groups for _ in max_lengths]

    def add(self, finished: Sequence[FinishedHypothesis], beam: Beam) -> None:
        """Add the hypotheses that end in a step.

        Args:
            finished: The hypotheses.
            beam: The beam before the step.
        """
        penalty = length_penalty(beam.tokens_BWT.size(2) + 1, self._config)
        for row, group, parent, log_prob in finished:
            hypothesis = Hypothesis(
                beam.tokens_BWT[row, parent].tolist(), log_prob, log_prob / penalty
            )
            self._hypotheses[beam.sentences[row]][group].append(hypothesis)

    def unfinished(self, beam: Beam) -> list[int]:
        """Return the rows of the sentences that are not done, in the order in which to keep them.

        A group of the beam is done when `beam_size` of its hypotheses have ended, or when none of
        its live hypotheses can become one of the `n_best`. A sentence is done when all its groups
        are.

        Args:
            beam: The beam after the step.
        """
        best_BG = beam.log_probs_BW.unflatten(1, (self._config.n_groups, -1)).amax(2).tolist()
        for sentence, best_G in zip(beam.sentences, best_BG, strict=True):
            self._is_done[sentence] = [
                self._is_group_done(sentence, group, best) for group, best in enumerate(best_G)
            ]
        return filled_gaps([not all(self._is_done[sentence]) for sentence in beam.sentences])

    def done_groups(self, sentences: Sequence[int]) -> list[list[bool]]:
        """Return whether each group of some sentences is done, as of the last step."""
        return [self._is_done[sentence] for sentence in sentences]

    def rescore(self, score: Callable[[list[list[Hypothesis]]], list[list[Hypothesis]]]) -> None:
        """Replace the hypotheses of all sentences, one group of the beam after the other.

        Args:
            score: Returns the hypotheses of each sentence with their new scores.
        """
        for group in range(self._config.n_groups):
            rescored = score([groups[group] for groups in self._hypotheses])
            for groups, hypotheses in zip(self._hypotheses, rescored, strict=True):
                groups[group] = hypotheses

    def best(self) -> list[list[Hypothesis]]:
        """Return the `n_best` hypotheses of each sentence, the highest score first.

        Raises:
            MtkitError: A sentence has none.
        """
        require_hypotheses(
            [[h for group in groups for h in group] for groups in self._hypotheses],
            self._constraints,
        )
        return [self._best_of_groups(groups) for groups in self._hypotheses]

    def _best_of_groups(self, groups: list[list[Hypothesis]]) -> list[Hypothesis]:
        """Select the best of each group, then the second best, and so on, without duplicates."""
        ranked = [
            (rank, h)
            for group in groups
            for rank, h in enumerate(sorted(group, key=lambda h: h.score, reverse=True))
        ]
        ordered = [h for _, h in sorted(ranked, key=lambda pair: (pair[0], -pair[1].score))]
        unique: dict[tuple[int, ...], Hypothesis] = {}
        for h in ordered:
            unique.setdefault(tuple(h.token_ids), h)
        n_best = list(unique.values())[: self._config.n_best]
        return sorted(n_best, key=lambda h: h.score, reverse=True)

    def _is_group_done(self, sentence: int, group: int, best_log_prob: float) -> bool:
        hypotheses = self._hypotheses[sentence][group]
        if self._stops_when_full[sentence] and len(hypotheses) >= self._group_size:
            return True
        if best_log_prob == -math.inf:
            return True
        # Other groups may find the same hypotheses, so each needs n_best of its own.
        n_best = min(self._config.n_best, self._group_size)
        # A coverage penalty is only known at the end, so that no score is final before.
        if len(hypotheses) < n_best or self._config.coverage_penalty:
            return False
        # A log-probability only falls, and the divisor only grows up to the maximum length.
        bound = best_log_prob / length_penalty(self._max_lengths[sentence], self._config)
        return sorted((h.score for h in hypotheses), reverse=True)[n_best - 1] >= bound


def require_hypotheses(
    hypotheses: list[list[Hypothesis]], constraints: Sequence[Constraints] | None = None
) -> None:
    """Check that each sentence has a finished hypothesis.

    Args:
        hypotheses: Hypotheses of each sentence.
        constraints: Constraints of each sentence; None if there are none.
    Raises:
        MtkitError: A sentence has none.
    """
    if all(hypotheses):
        return
    if constraints is not None:
        raise MtkitError(
            "the constraints cannot be satisfied",
            "check whether the required and the forbidden words exclude each other",
        )
    raise MtkitError(
        "the model's probabilities are not finite numbers",
        "its weights are damaged, or its training diverged; use another model",
    )
