"""What changes the probabilities of the next pieces, beyond the model: lengths, repetitions, what a translation must begin with and must not hold."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mtkit.config.search import SearchConfig
from mtkit.search.constraints.constraints import Constraints
from mtkit.search.constraints.negative import NegativeConstraints
from mtkit.search.constraints.positive import PositiveConstraints
from mtkit.search.prefix import ForcedPrefix
from mtkit.search.repetition import block_repeated_ngrams, penalise_repeated
from mtkit.search.scorer import State, StepScorer, TopTokens, top_tokens_of

NO_CONSTRAINTS = Constraints()


def full_vocab_reasons(config: SearchConfig, constraints: Sequence[Constraints]) -> list[str]:
    """What makes a search look at all log-probabilities in every step, in words; nothing in a plain one. Prefixes do so only as long as they last."""
    asked = {
        "no_repeat_ngram_size": config.no_repeat_ngram_size > 0,
        "repetition_penalty": config.repetition_penalty != 1.0,
        "sampling without top_k": config.sampling and not config.top_k,
        "words that must appear": any(constraint.positive for constraint in constraints),
        "words that must not appear": any(constraint.negative for constraint in constraints),
    }
    return [name for name, is_asked in asked.items() if is_asked]


class LogitsRules:
    """The rules for one batch of sentences, and what of their hypotheses the rules have to remember.

    Args:
        config: Search settings.
        max_lengths: Most tokens of each sentence, EOS counted.
        scorer: Whose probabilities are changed.
        constraints: Of each sentence; None where there are none.
    """

    def __init__(
        self,
        config: SearchConfig,
        max_lengths: list[int],
        scorer: StepScorer[State],
        constraints: Sequence[Constraints] | None,
    ) -> None:
        self.eos_id = scorer.eos_id
        self.no_repeat_ngram_size, self.repetition_penalty = (
            config.no_repeat_ngram_size,
            config.repetition_penalty,
        )
        every = constraints or [NO_CONSTRAINTS] * len(max_lengths)
        self.min_lengths = [config.min_length + constraint.n_hidden for constraint in every]
        self.prefix = (
            ForcedPrefix([constraint.prefix_ids for constraint in every], scorer.device)
            if any(constraint.prefix_ids for constraint in every)
            else None
        )
        self.negative = (
            NegativeConstraints([constraint.negative for constraint in every])
            if any(constraint.negative for constraint in every)
            else None
        )
        self.positive = (
            PositiveConstraints([constraint.positive for constraint in every], max_lengths)
            if any(constraint.positive for constraint in every)
            else None
        )
        self.tokens_BWT: Tensor | None = None
        self._looks_at_all = bool(full_vocab_reasons(config, every))

    def needs_full_vocab(self, length: int) -> bool:
        """Whether the next step, in which token number `length` is chosen, has to see all log-probabilities."""
        return self._looks_at_all or (self.prefix is not None and length <= self.prefix.longest)

    def step_top_k(
        self,
        scorer: StepScorer[State],
        state: State,
        token_ids_BW: Tensor,
        parents_BW: Tensor,
        n: int,
        length: int,
    ) -> TopTokens:
        """Take a step and give the n most probable next tokens of each hypothesis, as the rules have it.

        Without a rule that changes them all, the scorer's fast way is taken. Where EOS may not come yet there is one more, and they are not in order.
        """
        if self.needs_full_vocab(length):
            log_probs_BWV, eos_BW = self.step(scorer, state, token_ids_BW, parents_BW, length)
            return top_tokens_of(log_probs_BWV, n, self.eos_id)._replace(eos_log_probs_BW=eos_BW)
        if length > max(self.min_lengths):
            return scorer.step_top_k(state, token_ids_BW, parents_BW, n)
        best = scorer.step_top_k(state, token_ids_BW, parents_BW, n + 1)
        best.log_probs_BWC.masked_fill_(
            (best.token_ids_BWC == self.eos_id) & self._may_not_end(length, best.log_probs_BWC),
            -math.inf,
        )
        return best

    def step(
        self,
        scorer: StepScorer[State],
        state: State,
        token_ids_BW: Tensor,
        parents_BW: Tensor,
        length: int,
    ) -> tuple[Tensor, Tensor]:
        """Take a step and give all log-probabilities, as the rules have it.

        Returns:
            Shape (B, W, V); and those of EOS whatever the minimum length, which count at the maximum length. Shape (B, W).
        """
        log_probs_BWV = scorer.step(state, token_ids_BW, parents_BW)
        if self.tokens_BWT is not None and self.repetition_penalty != 1.0:
            log_probs_BWV = penalise_repeated(
                log_probs_BWV, self.tokens_BWT, self.repetition_penalty
            )
        is_prefix = self.prefix is not None and length <= self.prefix.longest
        forced = (
            self.prefix.take(log_probs_BWV, length)
            if self.prefix is not None and is_prefix
            else None
        )
        if self.tokens_BWT is not None and self.no_repeat_ngram_size:
            # A phrase that must appear may need a run that is there already.
            wanted = None if self.positive is None else self.positive.take(log_probs_BWV)
            block_repeated_ngrams(log_probs_BWV, self.tokens_BWT, self.no_repeat_ngram_size)
            if self.positive is not None:
                self.positive.put(log_probs_BWV, wanted)
        if self.negative is not None:
            self.negative.block(log_probs_BWV)
        if self.positive is not None:
            self.positive.block(log_probs_BWV, length, self.eos_id)
        eos_BW = log_probs_BWV[:, :, self.eos_id].clone()
        if length <= max(self.min_lengths):
            log_probs_BWV[:, :, self.eos_id] = eos_BW.masked_fill(
                self._may_not_end(length, log_probs_BWV)[:, :, 0], -math.inf
            )
        # Where nothing else is left, a translation may end early.
        is_stuck_BW = log_probs_BWV.amax(2) == -math.inf
        log_probs_BWV[:, :, self.eos_id] = torch.where(
            is_stuck_BW, eos_BW, log_probs_BWV[:, :, self.eos_id]
        )
        if self.prefix is not None and forced is not None:
            self.prefix.put(log_probs_BWV, forced, length)
        return log_probs_BWV, eos_BW

    def advance(self, parents_BW: Tensor, token_ids_BW: Tensor) -> None:
        """Follow hypotheses into their next tokens, which continue these ones of the step before."""
        if self.no_repeat_ngram_size or self.repetition_penalty != 1.0:
            self.tokens_BWT = append_tokens(self.tokens_BWT, parents_BW, token_ids_BW)
        for one in (self.negative, self.positive):
            if one is not None:
                one.advance(parents_BW, token_ids_BW)

    def keep(self, sentences: Tensor) -> None:
        """Forget all sentences but these. Indices of shape (B',)."""
        self.min_lengths = [self.min_lengths[row] for row in sentences.tolist()]
        if self.tokens_BWT is not None:
            self.tokens_BWT = self.tokens_BWT.index_select(0, sentences)
        for one in (self.prefix, self.negative, self.positive):
            if one is not None:
                one.keep(sentences)

    def _may_not_end(self, length: int, like: Tensor) -> Tensor:
        return torch.tensor(
            [length <= shortest for shortest in self.min_lengths], device=like.device
        )[:, None, None]


def append_tokens(tokens_BWT: Tensor | None, parents_BW: Tensor, token_ids_BW: Tensor) -> Tensor:
    """The tokens of hypotheses after one more step. Shape (B, W, T + 1)."""
    if tokens_BWT is None:
        return token_ids_BW[:, :, None]
    inherited_BWT = tokens_BWT.gather(1, parents_BW[:, :, None].expand(-1, -1, tokens_BWT.size(2)))
    return torch.cat((inherited_BWT, token_ids_BW[:, :, None]), dim=2)
