"""Names of tensors in transformers' encoder-decoder models, by those of plain weights."""

from collections.abc import Iterable

from mtkit.config.model import ModelConfig

_PARTS = {
    "self_attention.query": "self_attn.q_proj",
    "self_attention.key": "self_attn.k_proj",
    "self_attention.value": "self_attn.v_proj",
    "self_attention.output": "self_attn.out_proj",
    "self_attention.norm": "self_attn_layer_norm",
    "cross_attention.query": "encoder_attn.q_proj",
    "cross_attention.key": "encoder_attn.k_proj",
    "cross_attention.value": "encoder_attn.v_proj",
    "cross_attention.output": "encoder_attn.out_proj",
    "cross_attention.norm": "encoder_attn_layer_norm",
    "feed_forward.inner": "fc1",
    "feed_forward.outer": "fc2",
    "feed_forward.norm": "final_layer_norm",
}
OUTPUT, OUTPUT_BIAS, SHARED = "lm_head.weight", "final_logits_bias", "model.shared.weight"
SRC_EMBEDDING = "model.encoder.embed_tokens.weight"
TGT_EMBEDDING = "model.decoder.embed_tokens.weight"
SRC_POSITIONS = "model.encoder.embed_positions.weight"
TGT_POSITIONS = "model.decoder.embed_positions.weight"
UNUSED_BY_TRANSFORMERS = frozenset(
    f"model.{side}.{name}"
    for side in ("encoder", "decoder")
    for name in ("version", "embed_positions.weights", "embed_positions._float_tensor")
)
"""Tensors in files of M2M100 that transformers does not read: it computes the positions."""


def tensor_name(plain_name: str, config: ModelConfig) -> str:
    """Return the name of a plain weight in a file of transformers."""
    has_one_embedding = config.tied_embeddings in ("inputs", "all")
    top = {
        "src_embedding": SHARED if has_one_embedding else SRC_EMBEDDING,
        "tgt_embedding": TGT_EMBEDDING,
        "output": OUTPUT,
        "output_bias": OUTPUT_BIAS,
        "src_positions": SRC_POSITIONS,
        "tgt_positions": TGT_POSITIONS,
    }
    if plain_name in top:
        return top[plain_name]
    side, *rest, part, kind = plain_name.split(".")
    if not rest:
        return f"model.{side}.layer_norm.{kind}"
    number, sublayer = rest
    return f"model.{side}.layers.{number}.{_PARTS[f'{sublayer}.{part}']}.{kind}"


def aliases(config: ModelConfig) -> dict[str, tuple[str, ...]]:
    """Return the names under which older versions of transformers store a tied matrix.

    Several names may be in one file; the matrices are then equal.
    """
    inputs = (SHARED, SRC_EMBEDDING, TGT_EMBEDDING)
    return {
        "all": {"src_embedding": (*inputs, OUTPUT)},
        "inputs": {"src_embedding": inputs},
        "output": {"src_embedding": (SRC_EMBEDDING,), "tgt_embedding": (TGT_EMBEDDING, OUTPUT)},
        "none": {},
    }[config.tied_embeddings]


def candidates(plain_names: Iterable[str], config: ModelConfig) -> dict[str, tuple[str, ...]]:
    """Return the names that each plain weight may have in a file, the usual one first."""
    known = aliases(config)
    found = {}
    for name in plain_names:
        usual = tensor_name(name, config)
        found[name] = tuple(dict.fromkeys((usual, *known.get(name, ()))))
    return found
