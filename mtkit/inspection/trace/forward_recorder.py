"""Forward hooks that record what a plain Transformer computes, without changing it."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from mtkit.model.attention import ScaledDotProductAttention
from mtkit.model.layers import FeedForward, Sublayer
from mtkit.model.transformer import Transformer

Side = Literal["encoder", "decoder"]
AttentionKind = Literal["encoder", "decoder", "cross"]


class RecordedAttention(NamedTuple):
    """One attention module of one layer, for one sentence."""

    kind: AttentionKind
    layer: int
    """Number of the layer, from 1."""
    query_HQK: Tensor
    key_HMK: Tensor
    value_HMK: Tensor
    scores_HQM: Tensor
    """Products of queries and keys, divided by sqrt(K), before the mask."""
    weights_HQM: Tensor
    output_HQK: Tensor
    """Output of the module itself; equals weights times values."""


class SublayerPlace(NamedTuple):
    """Place of a sublayer in a model."""

    side: Side
    layer: int
    """Number of the layer, from 1."""
    name: str
    """self_attention, cross_attention or feed_forward."""


class RecordedSublayer(NamedTuple):
    """One sublayer with its residual connection and its norm."""

    residual_QD: Tensor
    """Input of the sublayer, which the residual connection passes on."""
    inner_QD: Tensor
    """Output of the sublayer before it is added to the residual."""
    output_QD: Tensor
    norm: nn.Module
    units_QF: Tensor | None
    """Inner units before the activation (the gates, for swiglu); None for attention."""


class ForwardRecord:
    """Record of one forward pass of one sentence: encoder first, then the whole decoder."""

    def __init__(self) -> None:
        self.attentions: list[RecordedAttention] = []
        self.sublayers: dict[SublayerPlace, RecordedSublayer] = {}
        self.embedded: dict[Side, Tensor] = {}
        """Embeddings times sqrt(d_model), without positions. Shape (Q, D)."""
        self.inputs: dict[Side, Tensor] = {}
        """Input of the first layer: embeddings plus positions. Shape (Q, D)."""
        self.memory_SD = torch.empty(0)
        """Output of the encoder."""
        self.states_TD = torch.empty(0)
        """Output of the decoder."""
        self.logits_TV = torch.empty(0)

    def attention(self, kind: AttentionKind, layer: int) -> RecordedAttention:
        """Return the attention of one kind in a layer, counted from 1."""
        return next(one for one in self.attentions if (one.kind, one.layer) == (kind, layer))


@torch.inference_mode()
def record_forward(model: Transformer, src_ids: list[int], tgt_in_ids: list[int]) -> ForwardRecord:
    """Run a model on one sentence with a given target, and record what it computes.

    Args:
        model: In evaluation mode.
        src_ids: Source tokens, EOS included.
        tgt_in_ids: Target tokens as the decoder reads them: BOS first, without EOS.
    """
    record = ForwardRecord()
    device = model.output_weight.device
    with _hooks(model, record):
        memory = model.encode(torch.tensor([src_ids], device=device))
        record.memory_SD = memory.states_BSD[0]
        states_BTD = model.decode_states(torch.tensor([tgt_in_ids], device=device), memory)
    record.states_TD = states_BTD[0]
    record.logits_TV = model.logits(record.states_TD)
    return record


@contextmanager
def _hooks(model: Transformer, record: ForwardRecord) -> Iterator[None]:
    handles = [*_embedding_hooks(model, record)]
    for place, sublayer in sublayers(model):
        handles += _sublayer_hooks(record, place, sublayer)
        handles += _attention_hooks(record, place, sublayer)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def sublayers(model: Transformer) -> Iterator[tuple[SublayerPlace, Sublayer[Any]]]:
    """Yield the sublayers with their places, in the order of the computation."""
    sides: tuple[tuple[Side, nn.ModuleList], ...] = (
        ("encoder", model.encoder_layers),
        ("decoder", model.decoder_layers),
    )
    for side, layers in sides:
        for number, layer in enumerate(layers, start=1):
            for name, sublayer in layer.named_children():
                if isinstance(sublayer, Sublayer):
                    yield SublayerPlace(side, number, name), sublayer


def _embedding_hooks(model: Transformer, record: ForwardRecord) -> Iterator[Any]:
    # Both sides may share one module; the encoder is always the first to call it.
    def embedded(module: nn.Module, args: Any, output: Tensor) -> None:
        record.embedded["decoder" if "encoder" in record.embedded else "encoder"] = output[0]

    def summed(module: nn.Module, args: Any, output: Tensor) -> None:
        record.inputs["decoder" if "encoder" in record.inputs else "encoder"] = output[0]

    for embedding in {model.src_embedding, model.tgt_embedding}:
        yield embedding.register_forward_hook(embedded)
    # Dropout, which does nothing here, comes right before the first layer, whatever the positions.
    yield model.dropout.register_forward_hook(summed)


def _attention_hooks(
    record: ForwardRecord, place: SublayerPlace, sublayer: Sublayer[Any]
) -> Iterator[Any]:
    kind: AttentionKind = "cross" if place.name == "cross_attention" else place.side

    def attended(module: nn.Module, args: Any, kwargs: Any, output: Tensor) -> None:
        scores_HQM, weights_HQM = attention_weights(*args, **kwargs)
        query, key, value = (part[0] for part in args[:3])
        record.attentions.append(
            RecordedAttention(
                kind, place.layer, query, key, value, scores_HQM, weights_HQM, output_HQK=output[0]
            )
        )

    for module in sublayer.modules():
        if isinstance(module, ScaledDotProductAttention):
            yield module.register_forward_hook(attended, with_kwargs=True)


def attention_weights(
    query_BHQK: Tensor,
    key_BHMK: Tensor,
    value_BHMK: Tensor,
    may_attend: Tensor | None = None,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor]:
    """Compute the scores and weights that fast attention does not store, for the first sentence.

    The arguments are those of `ScaledDotProductAttention`.

    Returns:
        Scores before the mask, and weights. Shape (H, Q, M) each.
    """
    scores_HQM = query_BHQK[0].float() @ key_BHMK[0].float().mT / math.sqrt(query_BHQK.size(3))
    masked_HQM = scores_HQM
    if may_attend is not None:
        masked_HQM = masked_HQM.masked_fill(~may_attend[0], -math.inf)
    if is_causal:
        is_later_QM = torch.ones_like(scores_HQM[0], dtype=torch.bool).triu(1)
        masked_HQM = masked_HQM.masked_fill(is_later_QM, -math.inf)
    return scores_HQM, masked_HQM.softmax(-1)


def _sublayer_hooks(
    record: ForwardRecord, place: SublayerPlace, sublayer: Sublayer[Any]
) -> Iterator[Any]:
    seen: dict[str, Tensor] = {}

    def activated(module: nn.Module, args: Any, output: Tensor) -> None:
        seen["units"] = output[0]

    def inner(module: nn.Module, args: Any, output: Tensor) -> None:
        seen["inner"] = output[0]

    def whole(module: nn.Module, args: Any, output: Tensor) -> None:
        units_QF = seen.pop("units", None)
        if units_QF is not None and sublayer.inner.activation == "swiglu":
            units_QF = units_QF.chunk(2, dim=-1)[0]
        record.sublayers[place] = RecordedSublayer(
            residual_QD=args[0][0],
            inner_QD=seen.pop("inner"),
            output_QD=output[0],
            norm=sublayer.norm,
            units_QF=units_QF,
        )

    if isinstance(sublayer.inner, FeedForward):
        yield sublayer.inner.inner.register_forward_hook(activated)
    yield sublayer.inner.register_forward_hook(inner)
    yield sublayer.register_forward_hook(whole)
