"""The tensors on the way of a sentence through the model, with their shapes."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from mtkit.inspection.trace.forward_recorder import ForwardRecord, Side, SublayerPlace
from mtkit.model.transformer import Transformer

_N_NUMBERS = 3


class TracedTensor(NamedTuple):
    """One tensor of the forward pass."""

    stage: str
    """Part of the model: source, encoder layer 1, target, decoder layer 1 or output."""
    name: str
    axes: str
    """Letters of the axes: B sentences, S source and T target tokens, D d_model, H heads, K d_head,
    F d_ff, V vocabulary."""
    shape: tuple[int, ...]
    numbers: list[float]
    """The first numbers, at the first position and in the first head."""


def traced_tensors(
    record: ForwardRecord, model: Transformer, src_ids: list[int], tgt_in_ids: list[int]
) -> list[TracedTensor]:
    """Return the tensors in the order of the computation; layers after the first repeat its shapes.

    Args:
        record: Record of the forward pass.
        model: The model.
        src_ids: Source tokens, EOS included.
        tgt_in_ids: Target tokens as the decoder reads them.
    """
    has_positions = model.src_positions is not None
    return [
        *_input("source", "S", src_ids, record, "encoder", has_positions),
        *_self_attention(record, "encoder", "S"),
        *_feed_forward(record, "encoder", "S"),
        _traced(
            "encoder output", "memory: output of the last encoder layer", "SD", record.memory_SD
        ),
        *_input("target", "T", tgt_in_ids, record, "decoder", has_positions),
        *_self_attention(record, "decoder", "T"),
        *_cross_attention(record),
        *_feed_forward(record, "decoder", "T"),
        _traced("output", "states: output of the last decoder layer", "TD", record.states_TD),
        _traced("output", "logits: states times the output matrix", "TV", record.logits_TV),
        _traced("output", "probabilities: softmax of each row", "TV", record.logits_TV.softmax(-1)),
    ]


def _traced(stage: str, name: str, axes: str, tensor: Tensor) -> TracedTensor:
    first = tensor
    while first.dim() > 1:
        first = first[0]
    numbers = [float(number) for number in first[:_N_NUMBERS]]
    return TracedTensor(stage, name, f"B{axes}", (1, *tensor.shape), numbers)


def _input(
    stage: str, axis: str, ids: list[int], record: ForwardRecord, side: Side, has_positions: bool
) -> Iterator[TracedTensor]:
    yield _traced(stage, "ids", axis, torch.tensor(ids))
    embedded_QD, input_QD = record.embedded[side], record.inputs[side]
    yield _traced(stage, "embedding, times sqrt(d_model)", f"{axis}D", embedded_QD)
    if has_positions:
        yield _traced(stage, "position", f"{axis}D", input_QD - embedded_QD)
    yield _traced(stage, "input of the first layer", f"{axis}D", input_QD)


def _self_attention(record: ForwardRecord, side: Side, axis: str) -> Iterator[TracedTensor]:
    stage, one = f"{side} layer 1, self-attention", record.attention(side, 1)
    yield _traced(stage, "queries Q of each head", f"H{axis}K", one.query_HQK)
    yield _traced(stage, "keys K of each head", f"H{axis}K", one.key_HMK)
    yield _traced(stage, "values V of each head", f"H{axis}K", one.value_HMK)
    yield _traced(stage, "scores: Q K^T / sqrt(d_head)", f"H{axis}{axis}", one.scores_HQM)
    mask = ", none to later tokens" if side == "decoder" else ""
    yield _traced(stage, f"weights: softmax of each row{mask}", f"H{axis}{axis}", one.weights_HQM)
    yield _traced(stage, "heads: weights times V", f"H{axis}K", one.output_HQK)
    yield from _sublayer(record, side, "self_attention", axis)


def _cross_attention(record: ForwardRecord) -> Iterator[TracedTensor]:
    stage, one = "decoder layer 1, cross-attention", record.attention("cross", 1)
    yield _traced(stage, "queries Q, from the target", "HTK", one.query_HQK)
    yield _traced(stage, "keys K, from the memory", "HSK", one.key_HMK)
    yield _traced(stage, "values V, from the memory", "HSK", one.value_HMK)
    yield _traced(stage, "scores: Q K^T / sqrt(d_head)", "HTS", one.scores_HQM)
    yield _traced(stage, "weights: softmax of each row", "HTS", one.weights_HQM)
    yield _traced(stage, "heads: weights times V", "HTK", one.output_HQK)
    yield from _sublayer(record, "decoder", "cross_attention", "T")


def _feed_forward(record: ForwardRecord, side: Side, axis: str) -> Iterator[TracedTensor]:
    one = record.sublayers[SublayerPlace(side, 1, "feed_forward")]
    assert one.units_QF is not None
    yield _traced(
        f"{side} layer 1, feed-forward network",
        "inner units, before the activation",
        f"{axis}F",
        one.units_QF,
    )
    yield from _sublayer(record, side, "feed_forward", axis)


def _sublayer(record: ForwardRecord, side: Side, name: str, axis: str) -> Iterator[TracedTensor]:
    names = {
        "self_attention": "self-attention",
        "cross_attention": "cross-attention",
        "feed_forward": "feed-forward network",
    }
    one = record.sublayers[SublayerPlace(side, 1, name)]
    stage = f"{side} layer 1, {names[name]}"
    yield _traced(stage, "output of the sublayer", f"{axis}D", one.inner_QD)
    yield _traced(stage, "with the residual connection and the norm", f"{axis}D", one.output_QD)
