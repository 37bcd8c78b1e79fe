"""What a search needs of a model, and nothing more."""

from typing import Protocol, TypeVar

from torch import Tensor


class ScorerState(Protocol):
    """What a scorer remembers of the sentences being translated; changed by `step` and `keep`."""

    def keep(self, sentences: Tensor) -> None:
        """Forget all sentences but these. Indices into the present ones, shape (B',)."""
        ...


State = TypeVar("State", bound=ScorerState)


class StepScorer(Protocol[State]):
    """Gives the log-probabilities of next tokens. Beam search and greedy search work on any."""

    bos_id: int
    eos_id: int
    max_length: int | None
    """Most tokens that a hypothesis can have, EOS counted; None if there is no limit."""

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
