"""Statistics of the sublayers: norms of residual and output, layer norms, active units."""

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from mtkit.inspection.trace.forward_recorder import (
    ForwardRecord,
    RecordedSublayer,
    SublayerPlace,
)
from mtkit.inspection.trace.gradients import GradientNorms
from mtkit.model.transformer import Transformer


class NormStatistics(NamedTuple):
    """Trained gain and offset of a LayerNorm or RMSNorm, over its d_model numbers."""

    gain_mean: float
    gain_min: float
    gain_max: float
    offset_mean: float | None
    """None for RMSNorm, which has no offset."""
    offset_min: float | None
    offset_max: float | None


class LayerStatistics(NamedTuple):
    """One sublayer, averaged over the positions of the sentence."""

    side: str
    """encoder or decoder."""
    layer: int
    """Number of the layer, from 1."""
    sublayer: str
    """self_attention, cross_attention or feed_forward."""
    residual_norm: float
    """Euclidean norm of the input of the sublayer, which the residual connection passes on."""
    output_norm: float
    """Euclidean norm of the sublayer's output, which is added to it."""
    similarity: float
    """Cosine of the angle between the input and the output of the whole sublayer, residual
    connection included."""
    gradient: GradientNorms
    """Gradient of the loss of this translation, and its part through the residual connection."""
    norm: NormStatistics
    active_share: float | None
    """Share of the inner units of a feed-forward network that are above zero before the activation
    (with swiglu, the gates); None for attention."""
    always_inactive_share: float | None
    """Share of the units that are active at no position."""


def layer_statistics(
    record: ForwardRecord,
    model: Transformer,
    gradients: Mapping[SublayerPlace, GradientNorms],
) -> tuple[list[LayerStatistics], dict[str, NormStatistics]]:
    """Return the statistics of every sublayer, and the final norms of a pre-norm model by side.

    Args:
        record: Record of a forward pass.
        model: The model.
        gradients: Result of `gradient_norms`.
    """
    final = {"encoder": model.encoder_norm, "decoder": model.decoder_norm}
    return (
        [_of_sublayer(place, one, gradients[place]) for place, one in record.sublayers.items()],
        {
            side: norm_statistics(norm)
            for side, norm in final.items()
            if not isinstance(norm, nn.Identity)
        },
    )


def norm_statistics(norm: nn.Module) -> NormStatistics:
    """Summarize the gain and the offset of a norm."""
    gain, offset = norm.get_parameter("weight").detach(), getattr(norm, "bias", None)
    offsets = [None] * 3 if offset is None else _mean_and_range(offset.detach())
    return NormStatistics(*_mean_and_range(gain), *offsets)


def _mean_and_range(values_D: Tensor) -> list[float]:
    return [float(values_D.mean()), float(values_D.min()), float(values_D.max())]


def _of_sublayer(
    place: SublayerPlace, one: RecordedSublayer, gradient: GradientNorms
) -> LayerStatistics:
    is_active = None if one.units_QF is None else one.units_QF > 0
    similarity = nn.functional.cosine_similarity(one.residual_QD, one.output_QD, dim=1)
    return LayerStatistics(
        *place,
        _mean_norm(one.residual_QD),
        _mean_norm(one.inner_QD),
        float(similarity.mean()),
        gradient,
        norm_statistics(one.norm),
        None if is_active is None else float(is_active.float().mean()),
        None if is_active is None else float((~is_active).all(0).float().mean()),
    )


def _mean_norm(x_QD: Tensor) -> float:
    return float(x_QD.norm(dim=1).mean())
