"""Rules that change a model's log-probabilities: lengths, repetition, prefixes and phrases."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic

import torch
from torch import Tensor

from mtkit.config.search import SearchConfig
from mtkit.search.beam_state import append_tokens
from mtkit.search.constraints.constraints import Constraints
from mtkit.search.scorer import State, StepScorer, TopTokens, top_tokens_of

if TYPE_CHECKING:
    from mtkit.search.constraints.negative import NegativeConstraints
    from mtkit.search.constraints.positive import PositiveConstraints
    from mtkit.search.constraints.prefix import ForcedPrefix


def full_vocab_reasons(config: SearchConfig, constraints: Sequence[Constraints]) -> list[str]:
    """List the settings that need all log-probabilities in every step; empty for a plain search.

    Prefixes are not listed, because they do so only as long as they last.
    """
    is_set = {
        "no_repeat_ngram_size": config.no_repeat_ngram_size > 0,
        "repetition_penalty": config.repetition_penalty != 1.0,
        "sampling without top_k": config.sampling and not config.top_k,
        "words that must appear": any(constraint.positive for constraint in constraints),
        "words that must not appear": any(constraint.negative for constraint in constraints),
    }
    return [reason for reason, holds in is_set.items() if holds]


class LogitsRules(Generic[State]):
    """Rules for a batch of sentences, applied to the log-probabilities of a scorer's steps.

    Args:
        scorer: Computes log-probabilities.
        config: Search settings.
        max_lengths: Maximum number of tokens of each sentence, EOS included.
        constraints: Constraints of each sentence; None if there are none.
    """

    prefix: "ForcedPrefix | None" = None
    negative: "NegativeConstraints | None" = None
    positive: "PositiveConstraints | None" = None

    def __init__(
        self,
        scorer: StepScorer[State],
        config: SearchConfig,
        max_lengths: Sequence[int],
        constraints: Sequence[Constraints] | None,
    ) -> None:
        self.scorer, self.eos_id = scorer, scorer.eos_id
        self.no_repeat_ngram_size = config.no_repeat_ngram_size
        self.repetition_penalty = config.repetition_penalty
        self.max_lengths = list(max_lengths)
        constraints = constraints or [Constraints()] * len(max_lengths)
        self.min_lengths = [config.min_length + constraint.n_hidden for constraint in constraints]
        if any(constraint.prefix_ids for constraint in constraints):
            from mtkit.search.constraints.prefix import ForcedPrefix

            prefixes = [constraint.prefix_ids for constraint in constraints]
            n_tags = [constraint.n_hidden for constraint in constraints]
            self.prefix = ForcedPrefix(prefixes, n_tags, scorer.device)
        if any(constraint.negative for constraint in constraints):
            from mtkit.search.constraints.negative import NegativeConstraints

            self.negative = NegativeConstraints([constraint.negative for constraint in constraints])
        if any(constraint.positive for constraint in constraints):
            from mtkit.search.constraints.positive import PositiveConstraints

            phrases = [constraint.positive for constraint in constraints]
            self.positive = PositiveConstraints(phrases, max_lengths)
        self._tokens_BWT: Tensor | None = None
        self._has_full_vocab_reasons = bool(full_vocab_reasons(config, constraints))

    def needs_full_vocab(self, length: int) -> bool:
        """Return whether the step to hypotheses of `length` tokens needs all log-probabilities."""
        return self._has_full_vocab_reasons or self._is_in_prefix(length)

    def step_top_k(
        self, state: State, token_ids_BW: Tensor, parents_BW: Tensor, k: int, length: int
    ) -> TopTokens:
        """Take a step and return the k most probable next tokens of each hypothesis.

        While a minimum length applies there may be one more, and they are not in order.

        Args:
            state: See `StepScorer.step`.
            token_ids_BW: See `StepScorer.step`.
            parents_BW: See `StepScorer.step`.
            k: Number of tokens.
            length: Number of tokens of a hypothesis after the step, EOS included.
        """
        if self.needs_full_vocab(length):
            log_probs_BWV = self.step(state, token_ids_BW, parents_BW, length)
            return top_tokens_of(log_probs_BWV, k, self.eos_id)
        # Otherwise the scorer's faster step will do. EOS may be among the k best and impossible.
        has_min_length = length <= max(self.min_lengths)
        n_tokens = k + 1 if has_min_length else k
        top = self.scorer.step_top_k(state, token_ids_BW, parents_BW, n_tokens)
        if has_min_length:
            is_too_short_B11 = self._is_too_short(length, top.log_probs_BWC.device)[:, None, None]
            is_eos_BWC = top.token_ids_BWC == self.eos_id
            top.log_probs_BWC.masked_fill_(is_eos_BWC & is_too_short_B11, -math.inf)
        for row in self._rows_at_max_length(length):
            top.log_probs_BWC[row] = -math.inf
            top.log_probs_BWC[row, :, 0] = top.eos_log_probs_BW[row]
            top.token_ids_BWC[row, :, 0] = self.eos_id
        return top

    def step(self, state: State, token_ids_BW: Tensor, parents_BW: Tensor, length: int) -> Tensor:
        """Take a step and return all log-probabilities; see `step_top_k`.

        Returns:
            Shape (B, W, V). At the maximum length of a sentence only EOS is possible.
        """
        log_probs_BWV = self.scorer.step(state, token_ids_BW, parents_BW)
        if self._tokens_BWT is not None and self.repetition_penalty != 1.0:
            log_probs_BWV = penalize_repeated(
                log_probs_BWV, self._tokens_BWT, self.repetition_penalty
            )
        # Prefixes override the rules below, but not what the model thinks of their tokens.
        prefix = self.prefix if self._is_in_prefix(length) else None
        prefix_log_probs_BW1 = None if prefix is None else prefix.read(log_probs_BWV, length)
        if self._tokens_BWT is not None and self.no_repeat_ngram_size:
            # A required phrase may contain an n-gram that has already occurred.
            saved = None if self.positive is None else self.positive.save(log_probs_BWV)
            block_repeated_ngrams(log_probs_BWV, self._tokens_BWT, self.no_repeat_ngram_size)
            if saved is not None:
                saved.restore(log_probs_BWV)
        if self.negative is not None:
            self.negative.mask(log_probs_BWV)
        if self.positive is not None:
            self.positive.mask(log_probs_BWV, length, self.eos_id)
        eos_BW = log_probs_BWV[:, :, self.eos_id].clone()
        if length <= max(self.min_lengths):
            is_too_short_B1 = self._is_too_short(length, log_probs_BWV.device)[:, None]
            block_early_eos(log_probs_BWV, self.eos_id, is_too_short_B1)
        if prefix is not None and prefix_log_probs_BW1 is not None:
            prefix.force(log_probs_BWV, prefix_log_probs_BW1, length)
        for row in self._rows_at_max_length(length):
            log_probs_BWV[row] = -math.inf
            log_probs_BWV[row, :, self.eos_id] = eos_BW[row]
        return log_probs_BWV

    def advance(self, parents_BW: Tensor, token_ids_BW: Tensor) -> None:
        """Append a token to each hypothesis.

        Args:
            parents_BW: Index of the hypothesis that each new one continues.
            token_ids_BW: Token appended to each new one.
        """
        if self.no_repeat_ngram_size or self.repetition_penalty != 1.0:
            self._tokens_BWT = (
                token_ids_BW[:, :, None]
                if self._tokens_BWT is None
                else append_tokens(self._tokens_BWT, parents_BW, token_ids_BW)
            )
        for phrases in (self.negative, self.positive):
            if phrases is not None:
                phrases.advance(parents_BW, token_ids_BW)

    def select(self, rows: Tensor) -> None:
        """Drop all sentences but these. Shape (B',)."""
        numbers = rows.tolist()
        self.min_lengths = [self.min_lengths[row] for row in numbers]
        self.max_lengths = [self.max_lengths[row] for row in numbers]
        if self._tokens_BWT is not None:
            self._tokens_BWT = self._tokens_BWT.index_select(0, rows)
        for constraint in (self.prefix, self.negative, self.positive):
            if constraint is not None:
                constraint.select(rows)

    def _is_in_prefix(self, length: int) -> bool:
        return self.prefix is not None and length <= self.prefix.max_length

    def _is_too_short(self, length: int, device: torch.device) -> Tensor:
        return torch.tensor([length <= minimum for minimum in self.min_lengths], device=device)

    def _rows_at_max_length(self, length: int) -> list[int]:
        return [row for row, maximum in enumerate(self.max_lengths) if maximum == length]


def block_early_eos(log_probs_BWV: Tensor, eos_id: int, is_too_short: Tensor) -> None:
    """Make EOS impossible in place, unless no other token is left.

    Args:
        log_probs_BWV: Log-probabilities of the next tokens.
        eos_id: The token EOS.
        is_too_short: Whether a hypothesis that ends now is too short; broadcasts to (B, W).
    """
    eos_BW = log_probs_BWV[:, :, eos_id].clone()
    log_probs_BWV[:, :, eos_id] = eos_BW.masked_fill(is_too_short, -math.inf)
    is_stuck_BW = log_probs_BWV.amax(2) == -math.inf
    log_probs_BWV[:, :, eos_id] = torch.where(is_stuck_BW, eos_BW, log_probs_BWV[:, :, eos_id])


def block_repeated_ngrams(
    log_probs_BWV: Tensor, tokens_BWT: Tensor, n: int, n_tokens: Tensor | None = None
) -> None:
    """Make tokens impossible that would repeat an n-gram, in place.

    Paulus et al. 2018 (arXiv:1705.04304), section 2.5.

    Args:
        log_probs_BWV: Log-probabilities of the next tokens.
        tokens_BWT: Tokens of the hypotheses so far.
        n: Length of the n-grams, at least 1.
        n_tokens: How many of the T tokens exist, the same for all hypotheses. Shape (1,); None if
            all do.
    """
    T = tokens_BWT.size(2)
    if n > T:
        return
    if n_tokens is None:
        last_BWm = tokens_BWT[:, :, T - n + 1 :]
    else:
        offsets_m = torch.arange(1 - n, 0, device=tokens_BWT.device)
        last_BWm = tokens_BWT.index_select(2, (n_tokens + offsets_m).clamp(min=0))
    starts_BWXm = tokens_BWT.unfold(2, n, 1)[:, :, :, : n - 1]
    is_repeated_BWX = (starts_BWXm == last_BWm[:, :, None]).all(3)
    if n_tokens is not None:
        ends_X = torch.arange(n, T + 1, device=tokens_BWT.device)
        is_repeated_BWX &= ends_X <= n_tokens
    penalty_BWX = torch.zeros_like(is_repeated_BWX, dtype=log_probs_BWV.dtype).masked_fill(
        is_repeated_BWX, -math.inf
    )
    log_probs_BWV.scatter_add_(2, tokens_BWT[:, :, n - 1 :], penalty_BWX)


def penalize_repeated(log_probs_BWV: Tensor, tokens_BWT: Tensor, penalty: float) -> Tensor:
    """Lower the probabilities of tokens that have already occurred.

    Keskar et al. 2019 (arXiv:1909.05858), section 4.1: their log-probabilities are multiplied by
    the penalty. The results are normalized again.

    Args:
        log_probs_BWV: Log-probabilities of the next tokens.
        tokens_BWT: Tokens of the hypotheses so far.
        penalty: Factor; 1 has no effect.
    Returns:
        Shape (B, W, V).
    """
    seen_BWT = log_probs_BWV.gather(2, tokens_BWT)
    return log_probs_BWV.scatter(2, tokens_BWT, seen_BWT * penalty).log_softmax(2)
