"""A beginning that is forced upon each translation."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


class ForcedPrefix:
    """Leaves one piece possible, as long as the prefix lasts; its log-probability is the model's, so that scores are of the whole translation.

    Args:
        prefixes: Pieces of each sentence, none where it has no prefix.
        device: Of the log-probabilities.
    """

    def __init__(self, prefixes: Sequence[Sequence[int]], device: torch.device) -> None:
        self.longest = max(map(len, prefixes))
        padded = [[*prefix, *[-1] * (self.longest - len(prefix))] for prefix in prefixes]
        self.tokens_BT = torch.tensor(padded, device=device)

    def take(self, log_probs_BWV: Tensor, length: int) -> Tensor:
        """The log-probabilities of the forced pieces, before other rules change them. Shape (B, W, 1)."""
        token_B = self.tokens_BT[:, length - 1].clamp(min=0)
        return log_probs_BWV.gather(2, token_B[:, None, None].expand(-1, log_probs_BWV.size(1), 1))

    def put(self, log_probs_BWV: Tensor, taken_BW1: Tensor, length: int) -> None:
        """Leave the forced pieces alone possible; in place."""
        token_B = self.tokens_BT[:, length - 1]
        is_forced_B11 = (token_B >= 0)[:, None, None]
        place_BW1 = token_B.clamp(min=0)[:, None, None].expand(-1, log_probs_BWV.size(1), 1)
        own_BW1 = log_probs_BWV.gather(2, place_BW1)
        log_probs_BWV.masked_fill_(is_forced_B11, -math.inf).scatter_(
            2, place_BW1, torch.where(is_forced_B11, taken_BW1, own_BW1)
        )

    def keep(self, sentences: Tensor) -> None:
        """Forget all sentences but these."""
        self.tokens_BT = self.tokens_BT.index_select(0, sentences)
