"""A Transformer with packed linear layers, which shares its parameters with the original."""

from collections.abc import Callable
from typing import Self, cast

from torch import Tensor, nn

from mtkit.engines.cpu.float32_attention import in_float32
from mtkit.engines.cpu.packed_linear import PackedLinear
from mtkit.engines.position_table import tabulated
from mtkit.engines.shared_copy import replace_modules, shared_copy
from mtkit.model.attention import FusedLinear
from mtkit.model.layers import DecoderLayer, FeedForward, activate
from mtkit.model.transformer import Transformer

MakeLinear = Callable[[Tensor, Tensor | None], PackedLinear]
"""Packs a weight and its bias."""


class Packed(nn.Module):
    """Module with packed weights. They never change, so that copies share them."""

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self


class PackedLayer(Packed):
    """Takes the place of a linear layer."""

    def __init__(self, weight: Tensor, bias: Tensor | None, make: MakeLinear) -> None:
        super().__init__()
        self.weight, self.bias = weight, bias
        self.packed = make(weight, bias)

    def forward(self, input: Tensor) -> Tensor:
        """Shape (..., in) to (..., out)."""
        return self.packed(input)


class PackedFeedForward(Packed):
    """Takes the place of a feed-forward network."""

    def __init__(self, original: FeedForward, make: MakeLinear) -> None:
        super().__init__()
        self.activation = original.activation
        self.inner = PackedLayer(original.inner.weight, original.inner.bias, make)
        self.outer = PackedLayer(original.outer.weight, original.outer.bias, make)

    def forward(self, x_BQD: Tensor) -> Tensor:
        """Shape (B, Q, D) in and out."""
        return self.outer(activated(self.inner.packed, x_BQD, self.activation))


def activated(inner: PackedLinear, x: Tensor, activation: str) -> Tensor:
    """Apply a feed-forward network's inner layer and activation. Shape (..., D) to (..., F)."""
    # ReLU costs nothing as a part of the product.
    return inner(x, relu=True) if activation == "relu" else activate(inner(x), activation)


def packed_copy(
    model: Transformer, make: MakeLinear, *, whole_decoder: bool = False
) -> Transformer:
    """Copy a model and pack the linear layers that search uses outside the decoder's steps.

    These are the layers of the encoder, the projections of its output to keys and values, and the
    output layer. The decoder's steps are those of `PackedDecoder`.

    Args:
        model: Model that stays as it is.
        make: Packs a weight and its bias.
        whole_decoder: Pack all linear layers of the decoder too, for teacher forcing.
    """

    def packed(module: nn.Module) -> nn.Module | None:
        if type(module) is FeedForward:
            return PackedFeedForward(module, make)
        if isinstance(module, nn.Linear):
            return PackedLayer(module.weight, module.bias, make)
        return None

    other = shared_copy(model)
    replace_modules(other, tabulated)
    if model.output_weight.dtype.itemsize == 2:
        replace_modules(other, in_float32)
    replace_modules(other.encoder_layers, packed)
    if whole_decoder:
        replace_modules(other.decoder_layers, packed)
    else:
        for layer in cast(list[DecoderLayer], list(other.decoder_layers)):
            key_value = layer.cross_attention.inner.key_value
            layer.cross_attention.inner.key_value = cast(
                FusedLinear, PackedLayer(key_value.weight, key_value.bias, make)
            )
    output: nn.Module | None = model.output
    bias = output.bias if isinstance(output, PackedLayer) else model.output_bias
    other.output = cast(nn.Linear, PackedLayer(model.output_weight, bias, make))
    # The packed layer adds it.
    other.output_bias = None
    return other
