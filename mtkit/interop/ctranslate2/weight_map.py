"""Mapping of our weights to those of CTranslate2."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mtkit.checkpoint.model_dir import TrainedModel
from mtkit.config.model import AlignmentHead, ModelConfig
from mtkit.engines.ctranslate2.model_bin import n_positions
from mtkit.engines.ctranslate2.obstacles import ACTIVATIONS, NORM_EPSILONS, export_obstacles
from mtkit.engines.ctranslate2.package import require_ctranslate2
from mtkit.errors import MtkitError
from mtkit.model.attention import CrossAttention, SelfAttention
from mtkit.model.layers import FeedForward
from mtkit.model.positions import LearnedPositions, sinusoidal_positions


def make_spec(trained: TrainedModel) -> Any:
    """Convert a model to CTranslate2's `TransformerSpec`, in float32.

    Args:
        trained: A model on a CPU.
    Raises:
        MtkitError: CTranslate2 is missing, or cannot run such a model; all obstacles are listed.
    """
    require_ctranslate2()
    if obstacles := export_obstacles(trained):
        raise MtkitError(
            f"CTranslate2 cannot run this model: {'; '.join(obstacles)}",
            "translate with mtkit's own engine, or train a model without these",
        )
    spec = _empty_spec(trained.config.model, trained.config.alignment_head)
    _fill(spec, trained)
    _describe(spec, trained)
    spec.validate()
    return spec


def _empty_spec(config: ModelConfig, alignment_head: AlignmentHead | None) -> Any:
    from ctranslate2.specs import common_spec, transformer_spec

    kind: dict[str, Any] = {
        "pre_norm": config.norm == "pre",
        "activation": getattr(common_spec.Activation, ACTIVATIONS[config.activation]),
        "ffn_glu": config.activation == "swiglu",
        "rms_norm": config.norm_type == "rms",
    }
    if config.positions == "rotary":
        # A rotary_dim of 0 rotates all coordinates; the pairs are adjacent, as in our model.
        kind |= {"rotary_dim": 0, "rotary_interleave": True, "rotary_base": 10000}
    encoder = transformer_spec.TransformerEncoderSpec(
        config.n_encoder_layers, config.n_heads, **kind
    )
    if alignment_head is not None:
        n_aligned = config.n_heads if alignment_head.head is None else 1
        kind |= {"alignment_layer": alignment_head.layer, "alignment_heads": n_aligned}
    decoder = transformer_spec.TransformerDecoderSpec(
        config.n_decoder_layers, config.n_heads, **kind
    )
    return transformer_spec.TransformerSpec(encoder, decoder)


def _fill(spec: Any, trained: TrainedModel) -> None:
    config = trained.config.model
    model = trained.model
    alignment_head = trained.config.alignment_head
    spec.encoder.embeddings[0].weight = _array(model.src_embedding.weight)
    spec.decoder.embeddings.weight = _array(model.tgt_embedding.weight)
    spec.decoder.projection.weight = _array(model.output_weight)
    if model.output_bias is not None:
        spec.decoder.projection.bias = _array(model.output_bias)
    if config.positions != "rotary":
        spec.encoder.position_encodings.encodings = _position_table(model.src_positions, config)
        spec.decoder.position_encodings.encodings = _position_table(model.tgt_positions, config)
    if config.norm == "pre":
        _set_norm(spec.encoder.layer_norm, model.encoder_norm)
        _set_norm(spec.decoder.layer_norm, model.decoder_norm)
    for theirs, ours in zip(spec.encoder.layer, model.encoder_layers, strict=True):
        _set_self_attention(theirs.self_attention, ours.self_attention)
        _set_feed_forward(theirs.ffn, ours.feed_forward)
    for number, (theirs, ours) in enumerate(
        zip(spec.decoder.layer, model.decoder_layers, strict=True)
    ):
        _set_self_attention(theirs.self_attention, ours.self_attention)
        first_head = 0
        if alignment_head is not None and alignment_head.layer == number:
            first_head = alignment_head.head or 0
        _set_cross_attention(theirs.attention, ours.cross_attention, first_head)
        _set_feed_forward(theirs.ffn, ours.feed_forward)


def _describe(spec: Any, trained: TrainedModel) -> None:
    src_tokens = trained.tokenizer.src.token_texts
    tgt_tokens = trained.tokenizer.tgt.token_texts
    special = trained.tokenizer.tgt.special
    spec.register_source_vocabulary(src_tokens)
    spec.register_target_vocabulary(tgt_tokens)
    spec.config.unk_token = tgt_tokens[special.unk]
    spec.config.bos_token = spec.config.decoder_start_token = tgt_tokens[special.bos]
    spec.config.eos_token = tgt_tokens[special.eos]
    spec.config.add_source_eos = True
    spec.config.layer_norm_epsilon = NORM_EPSILONS[trained.config.model.norm_type]


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().contiguous().numpy()


def _set_linear(theirs: Any, weight: Tensor, bias: Tensor) -> None:
    theirs.weight, theirs.bias = _array(weight), _array(bias)


def _set_norm(theirs: Any, ours: nn.Module) -> None:
    assert isinstance(ours, nn.LayerNorm | nn.RMSNorm)
    theirs.gamma = _array(ours.weight)
    if isinstance(ours, nn.LayerNorm):
        theirs.beta = _array(ours.bias)


def _set_self_attention(theirs: Any, sublayer: Any) -> None:
    ours = sublayer.inner
    assert isinstance(ours, SelfAttention)
    _set_norm(theirs.layer_norm, sublayer.norm)
    _set_linear(theirs.linear[0], ours.query_key_value.weight, ours.query_key_value.bias)
    _set_linear(theirs.linear[1], ours.output.weight, ours.output.bias)


def _set_cross_attention(theirs: Any, sublayer: Any, first_head: int) -> None:
    """Set a cross-attention with one head first, since CTranslate2 reports that of the first heads.

    The order of the heads makes no other difference.
    """
    ours = sublayer.inner
    assert isinstance(ours, CrossAttention)
    d_model = ours.output.in_features
    heads = torch.arange(d_model).view(ours.n_heads, -1)
    order = torch.cat(
        (heads[first_head : first_head + 1], heads[:first_head], heads[first_head + 1 :])
    ).flatten()
    order_of_both = torch.cat((order, d_model + order))
    _set_norm(theirs.layer_norm, sublayer.norm)
    _set_linear(theirs.linear[0], ours.query.weight[order], ours.query.bias[order])
    _set_linear(
        theirs.linear[1], ours.key_value.weight[order_of_both], ours.key_value.bias[order_of_both]
    )
    _set_linear(theirs.linear[2], ours.output.weight[:, order], ours.output.bias)


def _set_feed_forward(theirs: Any, sublayer: Any) -> None:
    ours = sublayer.inner
    assert isinstance(ours, FeedForward)
    _set_norm(theirs.layer_norm, sublayer.norm)
    if ours.activation == "swiglu":
        gate, value = ours.inner.weight.chunk(2)
        gate_bias, value_bias = ours.inner.bias.chunk(2)
        _set_linear(theirs.linear_0, gate, gate_bias)
        _set_linear(theirs.linear_0_noact, value, value_bias)
    else:
        _set_linear(theirs.linear_0, ours.inner.weight, ours.inner.bias)
    _set_linear(theirs.linear_1, ours.outer.weight, ours.outer.bias)


def _position_table(positions: nn.Module | None, config: ModelConfig) -> np.ndarray:
    if isinstance(positions, LearnedPositions):
        return _array(positions.weight)
    return _array(sinusoidal_positions(torch.arange(n_positions(config) or 0), config))
