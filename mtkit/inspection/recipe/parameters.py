"""Number of parameters of each part of a model."""

from collections.abc import Iterator
from typing import NamedTuple

from torch import nn

from mtkit.checkpoint.weights import without_weights
from mtkit.config.model import ModelConfig
from mtkit.model.transformer import Transformer, n_parameters


class PartSize(NamedTuple):
    """Parameters of one part, over all its layers."""

    part: str
    n_parameters: int
    share: float
    """Share of all parameters of the model."""
    formula: str
    """Number of parameters from the dimensions; empty if there are none."""


class _Part(NamedTuple):
    name: str
    modules: list[nn.Module | None]
    formula: str


def parameter_sizes(
    config: ModelConfig, src_vocab_size: int, tgt_vocab_size: int
) -> list[PartSize]:
    """Count the parameters by part; a matrix that several parts share is counted once.

    The model is made without memory for its weights.
    """
    with without_weights():
        model = Transformer(config, src_vocab_size, tgt_vocab_size, src_pad_id=0, tgt_pad_id=0)
    total = n_parameters(model)
    counted: set[nn.Parameter] = set()
    sizes = []
    for part in _parts(model):
        new = {
            parameter
            for module in part.modules
            if module is not None
            for parameter in module.parameters()
        } - counted
        counted |= new
        n = sum(parameter.numel() for parameter in new)
        sizes.append(PartSize(part.name, n, n / total, part.formula))
    return sizes


def _parts(model: Transformer) -> Iterator[_Part]:
    """List the parts; what is left of the layers after their sublayers are the norms."""
    config, width = model.config, model.config.d_model
    sizes = [f"{one.num_embeddings:,}" for one in (model.src_embedding, model.tgt_embedding)]
    is_shared, is_tied = model.src_embedding is model.tgt_embedding, model.output is None
    shared_by = "source, target" if is_shared else "source"
    tied = ", output layer" if is_tied else ""
    yield _Part(
        f"embedding ({shared_by}{tied if is_shared else ''})",
        [model.src_embedding],
        f"{sizes[0]} x {width}",
    )
    if not is_shared:
        yield _Part(f"embedding (target{tied})", [model.tgt_embedding], f"{sizes[1]} x {width}")
    if config.positions == "learned":
        tables: list[nn.Module | None] = [model.src_positions, model.tgt_positions]
        yield _Part("positions", tables, f"2 x {config.max_positions} x {width}")
    yield from _layer_parts("encoder", model.encoder_layers, model.encoder_norm, config)
    yield from _layer_parts("decoder", model.decoder_layers, model.decoder_norm, config)
    if not is_tied:
        yield _Part("output layer", [model.output], f"{sizes[1]} x {width}")
    if model.output_bias is not None:
        yield _Part("output bias", [nn.ParameterList([model.output_bias])], sizes[1])


def _layer_parts(
    side: str, layers: nn.ModuleList, final_norm: nn.Module, config: ModelConfig
) -> Iterator[_Part]:
    width, d_ff = config.d_model, config.d_ff
    attention = f"4 x ({width} x {width} + {width})"
    inner = f"{width} x {d_ff} + {d_ff}"
    if config.activation == "swiglu":
        inner = f"2 x ({inner})"
    formulas = {
        "self_attention": ("self-attention", attention),
        "cross_attention": ("cross-attention", attention),
        "feed_forward": ("feed-forward networks", f"{inner} + {d_ff} x {width} + {width}"),
    }
    n_norms = 0 if isinstance(final_norm, nn.Identity) else 1
    for name, (title, formula) in formulas.items():
        inners: list[nn.Module | None] = [
            layer.get_submodule(f"{name}.inner") for layer in layers if hasattr(layer, name)
        ]
        if inners:
            n_norms += len(inners)
            yield _Part(f"{side} {title}", inners, f"{len(inners)} x ({formula})")
    n_vectors = 2 if config.norm_type == "layer" else 1
    yield _Part(f"{side} norms", [layers, final_norm], f"{n_norms} x {n_vectors} x {width}")
