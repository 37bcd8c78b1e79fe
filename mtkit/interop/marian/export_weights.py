"""Weights of a model, written as Marian's parameters."""

import math

import numpy as np
import torch
from torch import Tensor

from mtkit.checkpoint.model_dir import TrainedModel
from mtkit.config.model import ModelConfig
from mtkit.interop.marian.names import (
    JOINT_EMBEDDING,
    OUTPUT_TRANSPOSED,
    SRC_EMBEDDING,
    TGT_EMBEDDING,
    parameter_name,
)
from mtkit.interop.plain_weights import (
    NEVER,
    PlainWeights,
    interleaving,
    reorder_width,
    split_weights,
)


def has_unused_padding(trained: TrainedModel) -> bool:
    """Return whether the last token is padding that only starts the decoder, as after an import.

    Marian has no such token. Its probability is zero, so that it can be left out.
    """
    src, tgt = trained.tokenizer.src, trained.tokenizer.tgt
    bias_V = trained.model.output_bias
    return (
        bias_V is not None
        and src.special.pad == src.vocab_size - 1
        and tgt.special.pad == tgt.special.bos == tgt.vocab_size - 1
        and bias_V[-1].item() <= NEVER / 2
    )


def foreign_arrays(trained: TrainedModel) -> dict[str, np.ndarray]:
    """Return the weights of a model by Marian's names."""
    config = trained.config.model
    plain = split_weights(trained.model)
    plain.setdefault("output_bias", torch.zeros(trained.tokenizer.tgt.vocab_size))
    plain = without_start_embedding(plain, config, trained.tokenizer.tgt.special.bos)
    if has_unused_padding(trained):
        for name in ("src_embedding", "tgt_embedding", "output", "output_bias"):
            if name in plain:
                plain[name] = plain[name][:-1]
    plain = reorder_width(plain, interleaving(config.d_model).argsort())
    return dict(_foreign_array(name, tensor, config) for name, tensor in plain.items())


def without_start_embedding(plain: PlainWeights, config: ModelConfig, bos_id: int) -> PlainWeights:
    """Convert the weights of a post-norm model so that the decoder starts with a zero vector.

    The embedding of BOS is subtracted from all embeddings, and added again by the biases of the
    first layer. Where the embeddings are also the output layer, all logits change by the same
    amount, and the probabilities stay as they are.

    Args:
        plain: The weights.
        config: Dimensions of the model.
        bos_id: Token that the decoder starts with.
    """
    is_shared = config.tied_embeddings in ("inputs", "all")
    name = "src_embedding" if is_shared else "tgt_embedding"
    start_D = plain[name][bos_id].clone()
    changed = dict(plain)
    changed[name] = plain[name] - start_D
    added_D = math.sqrt(config.d_model) * start_D
    for side in ("encoder", "decoder") if is_shared else ("decoder",):
        attention = f"{side}.0.self_attention"
        for part in ("query", "key", "value"):
            weight, bias = (plain[f"{attention}.{part}.{kind}"] for kind in ("weight", "bias"))
            changed[f"{attention}.{part}.bias"] = bias + weight @ added_D
        # The residual connection adds the input to the output of the attention.
        changed[f"{attention}.output.bias"] = plain[f"{attention}.output.bias"] + added_D
    return changed


def _foreign_array(name: str, tensor: Tensor, config: ModelConfig) -> tuple[str, np.ndarray]:
    is_shared = config.tied_embeddings in ("inputs", "all")
    of_vocabulary = {
        "src_embedding": JOINT_EMBEDDING if is_shared else SRC_EMBEDDING,
        "tgt_embedding": TGT_EMBEDDING,
        "output": OUTPUT_TRANSPOSED,
    }
    if name in of_vocabulary:
        return of_vocabulary[name], tensor.numpy()
    # Marian's other matrices are (in, out), and its vectors have an axis for the batch.
    array = tensor.T.numpy() if tensor.dim() == 2 else tensor[None].numpy()
    return parameter_name(name, config), array
