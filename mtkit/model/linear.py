"""Linear layers of the model."""

from torch import nn


class FusedLinear(nn.Linear):
    """Several linear layers of one input as one matrix, which is faster; their outputs lie side by side.

    Args:
        d_in: Width of the input.
        d_out: Width of the output of each part.
        n_parts: How many layers are joined.
    """

    def __init__(self, d_in: int, d_out: int, n_parts: int) -> None:
        self.n_parts = n_parts
        super().__init__(d_in, n_parts * d_out)
