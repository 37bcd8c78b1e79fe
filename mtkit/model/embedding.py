"""Token embeddings."""

import math

import torch.nn.functional as F
from torch import Tensor, nn


class TokenEmbedding(nn.Embedding):
    """One vector per token, multiplied by sqrt(d_model) (Vaswani et al. 2017, section 3.4).

    The weights are initialized with standard deviation 1/sqrt(d_model): after scaling, the vectors
    are as large as the position encodings, and where the matrix is also the output layer, the first
    logits are small.
    """

    def __init__(self, vocab_size: int, d_model: int) -> None:
        super().__init__(vocab_size, d_model)

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=self.embedding_dim**-0.5)

    def forward(self, input: Tensor) -> Tensor:
        """Embed token ids. Shape (B, Q) to (B, Q, D)."""
        return F.embedding(input, self.weight) * math.sqrt(self.embedding_dim)
