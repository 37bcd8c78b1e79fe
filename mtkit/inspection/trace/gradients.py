"""Gradients at the sublayers: how much of them comes through the residual connection."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mtkit.inspection.trace.forward_recorder import SublayerPlace, sublayers
from mtkit.model.transformer import Transformer


class GradientNorms(NamedTuple):
    """Mean Euclidean norms, over the positions, of the gradient of the loss at a sublayer."""

    total: float
    """Gradient with respect to the input x of the sublayer."""
    direct: float
    """Its part that comes through the residual connection: the gradient with respect to the sum
    x + f(x)."""
    through_sublayer: float
    """Its part that comes through the sublayer f."""


def gradient_norms(
    model: Transformer, src_ids: list[int], tgt_in_ids: list[int], tgt_out_ids: list[int]
) -> dict[SublayerPlace, GradientNorms]:
    """Compute the gradient of the loss of a translation, summed over its tokens.

    The parameters' own gradients are not touched.

    Args:
        model: In evaluation mode.
        src_ids: Source tokens, EOS included.
        tgt_in_ids: Target tokens as the decoder reads them.
        tgt_out_ids: Target tokens to predict, as many.
    Returns:
        The norms of each sublayer.
    """
    inputs: dict[SublayerPlace, Tensor] = {}
    outputs: dict[SublayerPlace, Tensor] = {}
    handles = []
    for place, sublayer in sublayers(model):
        handles += [
            sublayer.register_forward_pre_hook(_keep_input(inputs, place)),
            sublayer.inner.register_forward_hook(_keep_output(outputs, place)),
        ]
    device = model.output_weight.device
    try:
        with torch.enable_grad():
            memory = model.encode(torch.tensor([src_ids], device=device))
            logits_BTV = model.decode(torch.tensor([tgt_in_ids], device=device), memory)
            loss = nn.functional.cross_entropy(
                logits_BTV[0].float(), torch.tensor(tgt_out_ids, device=device), reduction="sum"
            )
            keys = list(inputs)
            gradients = torch.autograd.grad(
                loss, [*(inputs[key] for key in keys), *(outputs[key] for key in keys)]
            )
    finally:
        for handle in handles:
            handle.remove()
    pairs = zip(keys, gradients[: len(keys)], gradients[len(keys) :], strict=True)
    # The output of f is a summand, so its gradient is that of the sum.
    return {
        key: GradientNorms(_mean_norm(total), _mean_norm(direct), _mean_norm(total - direct))
        for key, total, direct in pairs
    }


def _keep_input(kept: dict[SublayerPlace, Tensor], key: SublayerPlace) -> Any:
    def hook(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        # A tensor of its own: the gradient at x is then that of this sublayer's use of x.
        kept[key] = args[0].view_as(args[0])
        return (kept[key], *args[1:])

    return hook


def _keep_output(kept: dict[SublayerPlace, Tensor], key: SublayerPlace) -> Any:
    def hook(module: nn.Module, args: Any, output: Tensor) -> None:
        kept[key] = output

    return hook


def _mean_norm(x_BQD: Tensor) -> float:
    return float(x_BQD[0].norm(dim=1).mean())
