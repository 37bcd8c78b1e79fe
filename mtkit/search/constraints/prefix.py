"""Prefixes: the given beginning of each translation."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


class ForcedPrefix:
    """Prefixes of a batch, whose tokens are forced one step after the other.

    The log-probabilities of forced tokens are the model's, so that scores include the prefix; tags,
    which are not part of the text, cost nothing.

    Args:
        prefixes: Token ids of each sentence's prefix; empty if it has none.
        n_tags: Number of tags at the start of each prefix.
        device: Device of the log-probabilities.
    """

    def __init__(
        self, prefixes: Sequence[Sequence[int]], n_tags: Sequence[int], device: torch.device
    ) -> None:
        self.max_length = max(map(len, prefixes))
        padded = [[*prefix, *[-1] * (self.max_length - len(prefix))] for prefix in prefixes]
        self._tokens_BT = torch.tensor(padded, device=device)
        self._n_tags_B = torch.tensor(n_tags, device=device)

    def read(self, log_probs_BWV: Tensor, length: int) -> Tensor:
        """Return the log-probabilities of the tokens to force, 0 for tags. Shape (B, W, 1)."""
        is_tag_B11 = (self._n_tags_B >= length)[:, None, None]
        forced_BW1 = log_probs_BWV.gather(2, self._index(log_probs_BWV, length))
        return forced_BW1.masked_fill(is_tag_B11, 0.0)

    def force(self, log_probs_BWV: Tensor, forced_BW1: Tensor, length: int) -> None:
        """Make all tokens but the forced ones impossible, in place.

        Args:
            log_probs_BWV: Log-probabilities of the next tokens.
            forced_BW1: Log-probabilities of the forced tokens, as `read` returned them.
            length: Number of tokens of a hypothesis after this step.
        """
        is_forced_B11 = (self._tokens_BT[:, length - 1] >= 0)[:, None, None]
        index_BW1 = self._index(log_probs_BWV, length)
        values_BW1 = torch.where(is_forced_B11, forced_BW1, log_probs_BWV.gather(2, index_BW1))
        log_probs_BWV.masked_fill_(is_forced_B11, -math.inf).scatter_(2, index_BW1, values_BW1)

    def select(self, rows: Tensor) -> None:
        """Drop all sentences but these. Shape (B',)."""
        self._tokens_BT = self._tokens_BT.index_select(0, rows)
        self._n_tags_B = self._n_tags_B.index_select(0, rows)

    def _index(self, log_probs_BWV: Tensor, length: int) -> Tensor:
        token_B = self._tokens_BT[:, length - 1].clamp(min=0)
        return token_B[:, None, None].expand(-1, log_probs_BWV.size(1), 1)
