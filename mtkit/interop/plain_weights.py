"""Weights with one matrix for each linear layer of the paper, as other programs store them.

Plain weights are a dictionary of tensors; matrices have the shape (out, in):

    src_embedding, tgt_embedding, output (if not tied), output_bias, src_positions, tgt_positions
    encoder.0.self_attention.{query,key,value,output,norm}.{weight,bias}
    encoder.0.feed_forward.{inner,outer,norm}.{weight,bias}
    decoder.0.cross_attention.{query,key,value,output,norm}.{weight,bias}
    {encoder,decoder}.norm.{weight,bias} (pre-norm only)

An importer maps the names of its format to these; everything else is common.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from mtkit.config.model import ModelConfig
from mtkit.model.transformer import Transformer

PlainWeights = dict[str, Tensor]

NEVER = -1e4
"""Bias of a token that must not take part in the softmax; finite in float16."""

_UNUSED_BIAS = -100.0
"""Bias of a token without a vector of its own. Label smoothing multiplies it by the number of such
tokens, so it is no larger than necessary."""

_FUSED = {
    "self_attention.inner.query_key_value": ("query", "key", "value"),
    "cross_attention.inner.key_value": ("key", "value"),
}
_TOP = {
    "src_embedding": "src_embedding.weight",
    "tgt_embedding": "tgt_embedding.weight",
    "output": "output.weight",
    "output_bias": "output_bias",
    "src_positions": "src_positions.weight",
    "tgt_positions": "tgt_positions.weight",
}
"""Our parameters outside the layers, by their plain names."""


def plain_shapes(
    config: ModelConfig, src_vocab_size: int, tgt_vocab_size: int
) -> dict[str, tuple[int, ...]]:
    """Return the shape of each plain weight of a model.

    Args:
        config: Dimensions of the model; norm_type layer, and no swiglu.
        src_vocab_size: Size of the source vocabulary.
        tgt_vocab_size: Size of the target vocabulary.
    """
    d_model, d_ff = config.d_model, config.d_ff
    shapes: dict[str, tuple[int, ...]] = {"src_embedding": (src_vocab_size, d_model)}
    if config.tied_embeddings in ("none", "output"):
        shapes["tgt_embedding"] = (tgt_vocab_size, d_model)
    if config.tied_embeddings in ("none", "inputs"):
        shapes["output"] = (tgt_vocab_size, d_model)
    if config.output_bias:
        shapes["output_bias"] = (tgt_vocab_size,)
    if config.positions == "learned":
        for name in ("src_positions", "tgt_positions"):
            shapes[name] = (config.max_positions, d_model)

    def linear(name: str, d_out: int, d_in: int) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (d_out, d_in), (d_out,)

    def norm(name: str) -> None:
        shapes[f"{name}.norm.weight"] = shapes[f"{name}.norm.bias"] = (d_model,)

    for side, n_layers in (
        ("encoder", config.n_encoder_layers),
        ("decoder", config.n_decoder_layers),
    ):
        for layer in (f"{side}.{i}" for i in range(n_layers)):
            for attention in ("self_attention", "cross_attention"):
                if attention == "self_attention" or side == "decoder":
                    for name in ("query", "key", "value", "output"):
                        linear(f"{layer}.{attention}.{name}", d_model, d_model)
                    norm(f"{layer}.{attention}")
            linear(f"{layer}.feed_forward.inner", d_ff, d_model)
            linear(f"{layer}.feed_forward.outer", d_model, d_ff)
            norm(f"{layer}.feed_forward")
        if config.norm == "pre":
            norm(side)
    return shapes


def split_weights(model: Transformer) -> PlainWeights:
    """Return a model's weights as plain weights, which share its memory where possible."""
    plain: PlainWeights = {}
    for name, parameter in model.named_parameters():
        tensor = parameter.detach()
        for plain_name, part in _split(name, tensor):
            plain[plain_name] = part
    return plain


def fuse_weights(plain: PlainWeights) -> dict[str, Tensor]:
    """Return the parameters of a model by their own names; the inverse of `split_weights`."""
    fused: dict[str, Tensor] = {}
    parts = dict(plain)
    for plain_name, name in _TOP.items():
        if plain_name in parts:
            fused[name] = parts.pop(plain_name)
    for plain_name in list(parts):
        if plain_name not in parts:
            continue
        name, sources = _fused_name(plain_name)
        fused[name] = torch.cat([parts.pop(source) for source in sources])
    return fused


def reorder_width(plain: PlainWeights, order: Tensor) -> PlainWeights:
    """Reorder the coordinates of all hidden states, which leaves the function unchanged.

    Args:
        plain: The weights.
        order: For each new coordinate, the old one. Shape (D,).
    """
    return {
        name: tensor if (axis := _width_axis(name)) is None else tensor.index_select(axis, order)
        for name, tensor in plain.items()
    }


def interleaving(d_model: int) -> Tensor:
    """Return the order that makes positions with all sines before all cosines alternate.

    The paper's positions alternate; Marian and transformers put the sines first. `argsort` of the
    result is the order for the other direction. Shape (D,).
    """
    halves = torch.arange(d_model).view(2, -1)
    return halves.T.flatten()


def without_embedding_scale(plain: PlainWeights, config: ModelConfig) -> PlainWeights:
    """Convert the weights of a model that does not multiply its embeddings by sqrt(d_model).

    The embeddings are divided by it. Where the target embedding is also the output layer, the last
    norm, whose output nothing else reads, is multiplied by it instead.
    """
    scale = math.sqrt(config.d_model)
    scaled = dict(plain)
    for name in ("src_embedding", "tgt_embedding"):
        if name in plain:
            scaled[name] = plain[name] / scale
    if config.tied_embeddings in ("output", "all"):
        last = f"decoder.{config.n_decoder_layers - 1}.feed_forward"
        norm = "decoder.norm" if config.norm == "pre" else f"{last}.norm"
        for name in (f"{norm}.weight", f"{norm}.bias"):
            scaled[name] = plain[name] * scale
    return scaled


def with_unused_tokens(plain: PlainWeights, n_tokens: int) -> PlainWeights:
    """Add tokens at the end of the vocabularies that are never read and never generated."""
    added = dict(plain)
    for name in ("src_embedding", "tgt_embedding", "output"):
        if name in plain:
            rows = plain[name].new_zeros(n_tokens, plain[name].size(1))
            added[name] = torch.cat([plain[name], rows])
    tgt_vocab_size = plain.get("tgt_embedding", plain["src_embedding"]).size(0)
    bias = plain.get("output_bias", torch.zeros(tgt_vocab_size))
    added["output_bias"] = torch.cat([bias, torch.full((n_tokens,), _UNUSED_BIAS)])
    return added


def _split(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    for plain_name, own_name in _TOP.items():
        if name == own_name:
            yield plain_name, tensor
            return
    module, _, kind = name.rpartition(".")
    side, _, rest = module.partition("_")
    if rest == "norm":
        yield f"{side}.norm.{kind}", tensor
        return
    rest = rest.removeprefix("layers.")
    number, _, path = rest.partition(".")
    sublayer = path.partition(".")[0]
    last = path.rpartition(".")[2]
    names = _FUSED.get(path, (last,))
    parts = tensor.chunk(len(names))
    for part_name, part in zip(names, parts, strict=True):
        yield f"{side}.{number}.{sublayer}.{part_name}.{kind}", part


def _fused_name(plain_name: str) -> tuple[str, list[str]]:
    """Return our parameter that contains a plain weight, and the plain weights it consists of."""
    side, *rest, last, kind = plain_name.split(".")
    if not rest:
        return f"{side}_norm.{kind}", [plain_name]
    number, sublayer = rest
    prefix = f"{side}_layers.{number}."
    for path, names in _FUSED.items():
        if path.startswith(f"{sublayer}.") and last in names:
            sources = [f"{side}.{number}.{sublayer}.{name}.{kind}" for name in names]
            return f"{prefix}{path}.{kind}", sources
    inner = "norm" if last == "norm" else f"inner.{last}"
    return f"{prefix}{sublayer}.{inner}.{kind}", [plain_name]


def _width_axis(name: str) -> int | None:
    """Return the axis of a plain weight that has the width of hidden states, if one has."""
    if name == "output_bias":
        return None
    if "." not in name:
        return 1
    part, kind = name.split(".")[-2:]
    if part in ("norm", "output", "outer"):
        return 0
    return 1 if kind == "weight" else None
