"""The output layer as the loss sees it: logits of a chunk of tokens, and gradients through them.

The logits of all tokens would be the largest tensor of a training step. They are computed, used
for the gradient and freed in chunks of rows, all in the forward pass; the backward pass only
scales the gradients.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_ROWS_PER_CHUNK = {"cpu": 512}
"""On a CPU, the logits of a chunk fit into its cache."""
_ROWS_PER_CHUNK_ELSEWHERE = 4096


class OutputLayer(NamedTuple):
    """States and the layer that turns them into logits, in the precision of the products."""

    states_ND: Tensor
    weight_VD: Tensor
    bias_V: Tensor | None

    def chunks(self, n_distributions: int = 1) -> Iterator[slice]:
        """Return the chunks of the N rows.

        Args:
            n_distributions: Distributions of each token that are in memory at a time.
        """
        n_rows = _ROWS_PER_CHUNK.get(self.states_ND.device.type, _ROWS_PER_CHUNK_ELSEWHERE)
        n_rows //= n_distributions
        N = self.states_ND.size(0)
        for start in range(0, N, n_rows):
            yield slice(start, min(start + n_rows, N))

    def logits(self, rows: slice) -> Tensor:
        """Return the logits of R rows of the states in float32. Shape (R, V)."""
        states_RD = self.states_ND[rows]
        if states_RD.is_cuda and states_RD.dtype != torch.float32:
            # The products are summed in float32, and need not be rounded to 16 bits.
            logits_RV = torch.mm(states_RD, self.weight_VD.mT, out_dtype=torch.float32)
            return logits_RV if self.bias_V is None else logits_RV.add_(self.bias_V)
        return F.linear(states_RD, self.weight_VD, self.bias_V).float()

    def sum_of_mean_logits(self) -> Tensor:
        """Return the mean logit of each row, summed over the rows. Scalar, in float32."""
        # Linear in the states, so no logit is needed. Not a product, which autocast would round.
        states_D = self.states_ND.sum(0, dtype=torch.float32)
        total = (states_D * self.weight_VD.mean(0, dtype=torch.float32)).sum()
        if self.bias_V is not None:
            total += self.states_ND.size(0) * self.bias_V.mean(dtype=torch.float32)
        return total


class OutputGradients:
    """Gradients with respect to states, weight and bias, from those with respect to the logits.

    Args:
        layer: The output layer.
        needed: Whether the gradients of states, weight and bias are needed.
        uniform: Constant part of the gradients with respect to the logits: each of the V logits of
            each token has minus this / V.
    """

    def __init__(self, layer: OutputLayer, needed: Sequence[bool], uniform: float = 0.0) -> None:
        states_ND, weight_VD, bias_V = self._layer = layer
        (N, _), V = states_ND.shape, weight_VD.size(0)
        uniform *= logit_gradient_scale(weight_VD.dtype)
        self._states_ND = self._weight_VD = self._bias_V = None
        if needed[0]:
            self._states_ND = torch.empty_like(states_ND)
            self._constant_D = (weight_VD.mean(0, dtype=torch.float32) * -uniform).to(states_ND)
        if needed[1]:
            states_D = states_ND.sum(0, dtype=torch.float32)
            self._weight_VD = (states_D * (-uniform / V)).repeat(V, 1)
        if bias_V is not None and needed[2]:
            self._bias_V = torch.full_like(bias_V, -uniform * N / V, dtype=torch.float32)

    def add(self, rows: slice, grad_RV: Tensor) -> None:
        """Add the gradients of a chunk, converted by `logit_gradient`."""
        states_ND, weight_VD, _ = self._layer
        if self._bias_V is not None:
            self._bias_V += grad_RV.sum(0, dtype=torch.float32)
        if self._states_ND is not None:
            torch.addmm(self._constant_D, grad_RV, weight_VD, out=self._states_ND[rows])
        if self._weight_VD is not None:
            _add_product(self._weight_VD, grad_RV.T, states_ND[rows])

    def save(self, ctx: Any) -> None:
        """Save the gradients for `scaled_gradients`."""
        ctx.save_for_backward(self._states_ND, self._weight_VD, self._bias_V)
        ctx.dtype = self._layer.weight_VD.dtype


def logit_gradient_scale(dtype: torch.dtype) -> float:
    """Return the factor of gradients with respect to logits until the backward pass.

    In fp16, the gradients of most logits would be below the range of numbers, where no loss scale
    reaches them: that is applied in the backward pass. Sums over the vocabulary still fit.
    """
    return 256.0 if dtype == torch.float16 else 1.0


def logit_gradient(grad_RV: Tensor, dtype: torch.dtype) -> Tensor:
    """Convert gradients with respect to logits from float32 to the precision of the products."""
    scale = logit_gradient_scale(dtype)
    return (grad_RV if scale == 1.0 else grad_RV * scale).to(dtype)


def scaled_gradients(ctx: Any, grad: Tensor) -> list[Tensor | None]:
    """Return the saved gradients of states, weight and bias, times that of the sum of losses."""
    factor = grad / logit_gradient_scale(ctx.dtype)
    # Not rounded before the product: 8 bits of bf16 would change all of it by up to 0.4 %.
    return [
        None if saved is None else (saved.float() * factor).to(ctx.dtype)
        for saved in ctx.saved_tensors
    ]


def _add_product(total: Tensor, first: Tensor, second: Tensor) -> None:
    """Add a product to a float32 tensor, in place."""
    if first.dtype == torch.float32:
        total.addmm_(first, second)
    elif first.is_cuda:
        total += torch.mm(first, second, out_dtype=torch.float32)
    else:
        total += first @ second
