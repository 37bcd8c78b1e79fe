"""What a search needs of a model, and nothing more."""

from typing import NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from mtkit.search.top_k import top_k


class ScorerState(Protocol):
    """What a scorer remembers of the sentences being translated; changed by `step` and `keep`."""

    def keep(self, sentences: Tensor) -> None:
        """Forget all sentences but these. Indices into the present ones, shape (B',)."""
        ...


State = TypeVar("State", bound=ScorerState)


class TopTokens(NamedTuple):
    """The most probable next tokens of W hypotheses of each sentence."""

    log_probs_BWC: Tensor
    """Falling."""
    token_ids_BWC: Tensor
    eos_log_probs_BW: Tensor
    """Of EOS, whether it is among them or not."""


def top_tokens_of(log_probs_BWV: Tensor, k: int, eos_id: int) -> TopTokens:
    """The k most probable of all next tokens, or all of them where there are fewer."""
    B, W, V = log_probs_BWV.shape
    values, places = top_k(log_probs_BWV.flatten(0, 1), min(k, V))
    return TopTokens(values.view(B, W, -1), places.view(B, W, -1), log_probs_BWV[:, :, eos_id])


class StepScorer(Protocol[State]):
    """Gives the log-probabilities of next tokens. Every search works on any.

    A step is taken by `step`, which gives them all, or by `best`, which gives those that a plain search looks at and may be much faster.
    """

    bos_id: int
    eos_id: int
    max_length: int | None
    """Most tokens that a hypothesis can have, EOS counted; None if there is no limit."""

    @property
    def device(self) -> torch.device:
        """Where the log-probabilities are."""
        ...

    def start(self, sources: list[list[int]]) -> State:
        """Read the source sentences, as token ids without EOS."""
        ...

    def step(self, state: State, token_ids_BW: Tensor, parents_BW: Tensor) -> Tensor:
        """Log-probabilities of the next token of W hypotheses of each sentence.

        Args:
            state: From `start`; takes up this step.
            token_ids_BW: The last token of each hypothesis; BOS in the first step.
            parents_BW: Which hypothesis of the step before each one continues; 0 in the first step.
        Returns:
            Shape (B, W, V).
        """
        ...

    def step_top_k(
        self, state: State, token_ids_BW: Tensor, parents_BW: Tensor, k: int
    ) -> TopTokens:
        """As `step`, but only the k most probable tokens of each hypothesis, as `top_tokens_of` would find them."""
        ...
