"""The interface between search and models: log-probabilities of next tokens."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol, Self, TypeVar

import torch
from torch import Tensor

from mtkit.config.search import SearchConfig
from mtkit.search.hypothesis import Hypothesis
from mtkit.search.top_k import top_k

Averaging = Literal["mean", "log_mean"]
"""Average over an ensemble: of probabilities, or of log-probabilities, which are renormalized."""


class BatchSearch(Protocol):
    """Searches several batches at a time."""

    def __call__(
        self,
        batches: Sequence[list[list[int]]],
        *,
        on_found: Callable[[int, list[list[Hypothesis]]], None],
    ) -> None:
        """Find the n best hypotheses of each source of each batch.

        Args:
            batches: Sources of each batch, as token ids without EOS.
            on_found: Called with the index of each batch as soon as it is done, and its hypotheses.
        Raises:
            torch.OutOfMemoryError: The memory of the device is too small.
        """
        ...


class ScorerState(Protocol):
    """State of the sentences being translated; changed by `step`, `step_top_k` and `select`."""

    def select(self, sentences: Tensor) -> None:
        """Drop all sentences but these. Indices into the present ones, shape (B',)."""
        ...


State = TypeVar("State", bound=ScorerState)


class TopTokens(NamedTuple):
    """The most probable next tokens of W hypotheses of each sentence."""

    log_probs_BWC: Tensor
    """In descending order."""
    token_ids_BWC: Tensor
    eos_log_probs_BW: Tensor
    """Log-probability of EOS, whether it is among them or not."""


def top_tokens_of(log_probs_BWV: Tensor, k: int, eos_id: int) -> TopTokens:
    """Select the k most probable next tokens, or all of them if there are fewer."""
    B, W, V = log_probs_BWV.shape
    values, indices = top_k(log_probs_BWV.flatten(0, 1), min(k, V))
    return TopTokens(values.view(B, W, -1), indices.view(B, W, -1), log_probs_BWV[:, :, eos_id])


class StepScorer(Protocol[State]):
    """Computes log-probabilities of next tokens. Every search works with every scorer.

    A step is `step`, which returns all log-probabilities, or `step_top_k`, which returns those that
    a plain search needs and may be much faster.
    """

    bos_id: int
    eos_id: int
    max_length: int | None
    """Maximum number of tokens in a hypothesis, EOS included; None if there is no limit."""
    mixes_lengths: bool = False
    """Whether sources of different lengths share a batch at no cost and with the same results."""
    has_attention: bool = False
    """Whether `attention` is implemented."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """The device of the log-probabilities."""
        ...

    @abstractmethod
    def start(self, sources: list[list[int]]) -> State:
        """Read the source sentences, as token ids without EOS."""
        ...

    @abstractmethod
    def step(self, state: State, token_ids_BW: Tensor, parents_BW: Tensor) -> Tensor:
        """Return the log-probabilities of the next token of W hypotheses of each sentence.

        Args:
            state: From `start`; this step is added to it.
            token_ids_BW: Last token of each hypothesis; BOS in the first step.
            parents_BW: Hypothesis of the previous step that each one continues; 0 in the first
                step.
        Returns:
            Shape (B, W, V).
        """
        ...

    @abstractmethod
    def step_top_k(
        self, state: State, token_ids_BW: Tensor, parents_BW: Tensor, k: int
    ) -> TopTokens:
        """Return the k most probable next tokens, as `top_tokens_of` selects them; see `step`."""
        ...

    def attention(self, sources: list[list[int]], targets: list[list[int]]) -> Tensor:
        """Return how much each source position is attended to as each target token is predicted.

        Args:
            sources: Token ids without EOS, which is the last position of each.
            targets: Token ids without BOS and EOS, one sequence per source.
        Returns:
            Shape (B, T, S), on any device. Each row sums to 1, except on padding of the targets,
            where values are arbitrary.
        """
        raise TypeError(f"{type(self).__name__} has no attention")

    def for_search(self, config: SearchConfig) -> Self:
        """Return the same scorer with the settings `ensemble` and `allow_unk` of a search."""
        return self

    def batch_search(self, config: SearchConfig) -> BatchSearch | None:
        """Return the scorer's own, faster search for these settings; None if it has none."""
        return None
