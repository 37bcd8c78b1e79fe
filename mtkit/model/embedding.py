"""Token embeddings."""

import math

import torch.nn.functional as F
from torch import Tensor, nn


class TokenEmbedding(nn.Embedding):
    """One vector for each piece, scaled by sqrt(d_model) (Vaswani et al. 2017, section 3.4), and the output layer when it is tied.

    The vectors start with standard deviation 1/sqrt(d_model): after scaling they are as large as the positions, and the first logits are small.
    """

    def __init__(self, vocab_size: int, d_model: int) -> None:
        super().__init__(vocab_size, d_model)

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=self.embedding_dim**-0.5)

    def forward(self, input: Tensor) -> Tensor:
        """Ids of shape (B, Q) to vectors of shape (B, Q, D)."""
        return F.embedding(input, self.weight) * math.sqrt(self.embedding_dim)
