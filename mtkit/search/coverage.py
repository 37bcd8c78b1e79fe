"""The coverage penalty: translations that leave source pieces out are worth less."""

from collections.abc import Sequence

import torch
from torch import Tensor

_LEAST = 1e-10


class Coverage:
    """How much of the source each hypothesis has looked at.

    Wu et al. 2016 (arXiv:1609.08144), section 7: beta times the sum over the source pieces of log(min(sum of attention over the target, 1)), which is
    added to the score of a hypothesis that has ended. The end mark of the source does not count.

    Args:
        beta: Strength.
        sources: Token ids of each sentence, without EOS.
        device: Where the attention is.
    """

    def __init__(self, beta: float, sources: Sequence[Sequence[int]], device: torch.device) -> None:
        self.beta = beta
        longest = max(map(len, sources)) + 1
        self.counts_BS = torch.tensor([[i < len(source) for i in range(longest)] for source in sources], device=device)
        self.sums_BWS: Tensor | None = None

    def add(self, attention_BWS: Tensor, parents_BW: Tensor) -> None:
        """Take up the attention of one more step, in which these hypotheses of the step before were continued."""
        attention_BWS = attention_BWS[:, :, : self.counts_BS.size(1)]
        if self.sums_BWS is not None:
            attention_BWS = attention_BWS + self.sums_BWS.gather(1, parents_BW[:, :, None].expand(-1, -1, self.sums_BWS.size(2)))
        self.sums_BWS = attention_BWS

    def penalties(self) -> Tensor:
        """What is added to the score of each hypothesis if it ends with the present step; at most 0. Shape (B, W)."""
        assert self.sums_BWS is not None
        logs_BWS = self.sums_BWS.clamp(min=_LEAST, max=1.0).log()
        return self.beta * logs_BWS.masked_fill(~self.counts_BS[:, None], 0.0).sum(2)

    def keep(self, sentences: Tensor) -> None:
        """Forget all sentences but these."""
        self.counts_BS = self.counts_BS.index_select(0, sentences)
        if self.sums_BWS is not None:
            self.sums_BWS = self.sums_BWS.index_select(0, sentences)
