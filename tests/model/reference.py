"""torch's own Transformer layers with the weights of ours: an independent reference."""

import torch
from torch import nn

from mtkit.config.model import ModelConfig
from mtkit.model.layers import DecoderLayer, EncoderLayer

VOCAB_SIZE = 23
PAD_ID = 0
BOS_ID = 2


def tiny_config(**changes):
    sizes = {
        "d_model": 32,
        "n_heads": 4,
        "d_ff": 48,
        "n_encoder_layers": 2,
        "n_decoder_layers": 2,
        "dropout": 0.0,
        "max_positions": 64,
    }
    return ModelConfig(**{**sizes, **changes})


def randomize(module, seed=0):
    """Set every parameter, also biases and norms, to values that reveal a missing or swapped one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_gain = "norm" in name and name.endswith("weight")
            parameter.copy_(1.0 + 0.3 * noise if is_gain else 0.25 * noise)
    return module


def torch_encoder_layer(config):
    return nn.TransformerEncoderLayer(
        config.d_model,
        config.n_heads,
        config.d_ff,
        0.0,
        config.activation,
        batch_first=True,
        norm_first=config.norm == "pre",
    )


def torch_decoder_layer(config):
    return nn.TransformerDecoderLayer(
        config.d_model,
        config.n_heads,
        config.d_ff,
        0.0,
        config.activation,
        batch_first=True,
        norm_first=config.norm == "pre",
    )


def weights_as_torch_has_them(layer, of=lambda parameter: parameter):
    """Return a layer's parameters under torch's names; with `of`, for example their gradients."""
    ours = {name: of(parameter) for name, parameter in layer.named_parameters()}
    attention = "self_attention.inner"
    theirs = {
        "self_attn.in_proj_weight": ours[f"{attention}.query_key_value.weight"],
        "self_attn.in_proj_bias": ours[f"{attention}.query_key_value.bias"],
        "self_attn.out_proj.weight": ours[f"{attention}.output.weight"],
        "self_attn.out_proj.bias": ours[f"{attention}.output.bias"],
        "linear1.weight": ours["feed_forward.inner.inner.weight"],
        "linear1.bias": ours["feed_forward.inner.inner.bias"],
        "linear2.weight": ours["feed_forward.inner.outer.weight"],
        "linear2.bias": ours["feed_forward.inner.outer.bias"],
    }
    norms = ["self_attention", "feed_forward"]
    if isinstance(layer, DecoderLayer):
        norms.insert(1, "cross_attention")
        cross = "cross_attention.inner"
        theirs["multihead_attn.in_proj_weight"] = torch.cat(
            [ours[f"{cross}.query.weight"], ours[f"{cross}.key_value.weight"]]
        )
        theirs["multihead_attn.in_proj_bias"] = torch.cat(
            [ours[f"{cross}.query.bias"], ours[f"{cross}.key_value.bias"]]
        )
        theirs["multihead_attn.out_proj.weight"] = ours[f"{cross}.output.weight"]
        theirs["multihead_attn.out_proj.bias"] = ours[f"{cross}.output.bias"]
    for number, sublayer in enumerate(norms, start=1):
        theirs[f"norm{number}.weight"] = ours[f"{sublayer}.norm.weight"]
        theirs[f"norm{number}.bias"] = ours[f"{sublayer}.norm.bias"]
    assert sum(value.numel() for value in theirs.values()) == sum(
        parameter.numel() for parameter in layer.parameters()
    )
    return theirs


def torch_layer_with_weights_of(layer, config):
    """Make the torch.nn layer that should compute the same, with all weights copied."""
    theirs = (
        torch_encoder_layer(config)
        if isinstance(layer, EncoderLayer)
        else torch_decoder_layer(config)
    )
    theirs.load_state_dict(
        {name: value.detach().clone() for name, value in weights_as_torch_has_them(layer).items()}
    )
    return theirs
