"""State of a beam search: the live hypotheses, and the update that one step makes to them."""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor


class FinishedHypothesis(NamedTuple):
    """A hypothesis that ends in a step."""

    row: int
    """Row of its sentence in the beam."""
    group: int
    """Beam group index; 0 for a plain beam."""
    parent: int
    """Index of the hypothesis to which EOS is appended."""
    log_prob: float
    """Log-probability of the hypothesis, EOS included."""


class BeamUpdate(NamedTuple):
    """The result of expanding each hypothesis by one token."""

    finished: list[FinishedHypothesis]
    """Hypotheses that end."""
    log_probs_BW: Tensor
    """Log-probabilities of the hypotheses that continue; minus infinity fills up the beam."""
    parents_BW: Tensor
    """Index of the hypothesis that each one continues."""
    token_ids_BW: Tensor
    """Token appended to each one."""


@dataclass(frozen=True)
class Beam:
    """W live hypotheses for each of B unfinished sentences."""

    sentences: list[int]
    """Index in the batch of each row's sentence."""
    log_probs_BW: Tensor
    """Log-probability of each hypothesis; minus infinity where a sentence has fewer than W."""
    parents_BW: Tensor
    """Index of the hypothesis of the previous step that each one continues."""
    token_ids_BW: Tensor
    """Last token of each hypothesis."""
    tokens_BWT: Tensor
    """All T tokens of each hypothesis, without BOS."""

    @classmethod
    def start(cls, n_sentences: int, bos_id: int, device: torch.device) -> Self:
        """Create a beam with one empty hypothesis for each sentence."""
        shape = (n_sentences, 1)
        return cls(
            list(range(n_sentences)),
            torch.zeros(shape, device=device),
            torch.zeros(shape, dtype=torch.long, device=device),
            torch.full(shape, bos_id, device=device),
            torch.zeros((*shape, 0), dtype=torch.long, device=device),
        )

    def advance(self, update: BeamUpdate) -> Self:
        """Return the beam after a step."""
        return replace(
            self,
            log_probs_BW=update.log_probs_BW,
            parents_BW=update.parents_BW,
            token_ids_BW=update.token_ids_BW,
            tokens_BWT=append_tokens(self.tokens_BWT, update.parents_BW, update.token_ids_BW),
        )

    def select(self, rows: Tensor) -> Self:
        """Return the beam of some sentences, given by their rows. Shape (B',)."""
        return replace(
            self,
            sentences=[self.sentences[row] for row in rows.tolist()],
            log_probs_BW=self.log_probs_BW.index_select(0, rows),
            parents_BW=self.parents_BW.index_select(0, rows),
            token_ids_BW=self.token_ids_BW.index_select(0, rows),
            tokens_BWT=self.tokens_BWT.index_select(0, rows),
        )


def append_tokens(tokens_BWT: Tensor, parents_BW: Tensor, token_ids_BW: Tensor) -> Tensor:
    """Append a token to each hypothesis.

    Args:
        tokens_BWT: Tokens of the hypotheses before the step.
        parents_BW: Index of the hypothesis that each new one continues.
        token_ids_BW: Token appended to each new one.
    Returns:
        Shape (B, W, T + 1).
    """
    inherited_BWT = tokens_BWT.gather(1, parents_BW[:, :, None].expand(-1, -1, tokens_BWT.size(2)))
    return torch.cat((inherited_BWT, token_ids_BW[:, :, None]), dim=2)
