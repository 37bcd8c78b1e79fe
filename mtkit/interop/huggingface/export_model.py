"""Export of models as Hugging Face directories."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtkit.checkpoint.model_dir import TrainedModel, load_model_dir
from mtkit.checkpoint.weights import save_tensors
from mtkit.interop.export_dir import refuse_foreign_export
from mtkit.interop.huggingface.card import model_card
from mtkit.interop.huggingface.config_files import (
    computes_positions,
    export_obstacles,
    generation_tree,
    model_tree,
    tokenizer_tree,
    vocabulary_trees,
)
from mtkit.interop.huggingface.files import (
    CONFIG_NAME,
    GENERATION_NAME,
    MODEL_FILES,
    SRC_MODEL_NAME,
    TGT_MODEL_NAME,
    TGT_VOCAB_NAME,
    TOKENIZER_CONFIG_NAME,
    VOCAB_NAME,
    WEIGHTS_NAME,
    read_object,
)
from mtkit.interop.huggingface.names import (
    OUTPUT,
    OUTPUT_BIAS,
    SHARED,
    SRC_EMBEDDING,
    SRC_POSITIONS,
    TGT_EMBEDDING,
    TGT_POSITIONS,
    tensor_name,
)
from mtkit.interop.huggingface.verify import HuggingFaceVerification, require_transformers, verify
from mtkit.interop.model_card import CARD_NAME
from mtkit.interop.obstacles import refuse, warn_of_lost_context
from mtkit.interop.plain_weights import interleaving, reorder_width, split_weights
from mtkit.io.atomic import atomic_dir
from mtkit.io.text import read_lines
from mtkit.model.positions import sinusoidal_positions


def export_huggingface(
    model_dir: Path | str,
    out_dir: Path | str,
    *,
    license_name: str | None = None,
    verify_path: Path | str | None = None,
) -> HuggingFaceVerification | None:
    """Convert a model directory for transformers, completely or not at all.

    Post-norm models become a MarianMTModel, pre-norm models a PegasusForConditionalGeneration;
    both with a MarianTokenizer. A directory that mtkit exported is replaced.

    Args:
        model_dir: A model directory.
        out_dir: Directory for weights, configuration, tokenizer and a model card.
        license_name: License of the model, for the card.
        verify_path: Text in the source language that both programs translate; needs transformers.
    Returns:
        The comparison, if there is one.
    Raises:
        MtkitError: transformers cannot run such a model (all obstacles are listed) or is missing,
            a file cannot be read, or `out_dir` contains other files.
    """
    model_dir, out_dir = Path(model_dir), Path(out_dir)
    lines = None
    if verify_path is not None:
        require_transformers()
        lines = list(read_lines(verify_path, what="the text to compare on"))
    _refuse_foreign_dir(out_dir)
    trained = load_model_dir(model_dir)
    refuse(model_dir, "transformers cannot run this model", export_obstacles(trained))
    warn_of_lost_context(trained.config.context, "transformers")
    verification = None
    with atomic_dir(out_dir) as directory:
        _write(directory, trained)
        if lines is not None:
            verification = verify(model_dir, directory, lines)
        card = model_card(trained, license_name, verification)
        (directory / CARD_NAME).write_text(card, encoding="utf-8")
    return verification


def foreign_tensors(trained: TrainedModel) -> dict[str, Tensor]:
    """Return the weights of a model by transformers' names."""
    config = trained.config.model
    plain = split_weights(trained.model)
    if config.has_sinusoids:
        plain = reorder_width(plain, interleaving(config.d_model).argsort())
    plain.setdefault("output_bias", torch.zeros(trained.tokenizer.tgt.vocab_size))
    tensors = {tensor_name(name, config): tensor for name, tensor in plain.items()}
    tensors[OUTPUT_BIAS] = tensors[OUTPUT_BIAS][None]
    if config.has_sinusoids and not (config.norm == "post" and computes_positions(config)):
        # Pegasus computes the paper's table too, but warns if the file does not have it.
        table = sinusoidal_positions(torch.arange(config.max_positions), config)
        table = table[:, interleaving(config.d_model).argsort()]
        tensors |= {SRC_POSITIONS: table, TGT_POSITIONS: table.clone()}
    # Without tying, transformers 5 has three matrices, whatever else is shared.
    if config.tied_embeddings == "inputs":
        tensors[SRC_EMBEDDING] = tensors[SHARED].clone()
        tensors[TGT_EMBEDDING] = tensors[SHARED].clone()
    if config.norm == "pre" and config.tied_embeddings in ("output", "none"):
        tensors[SHARED] = tensors[SRC_EMBEDDING].clone()
        tensors.setdefault(OUTPUT, tensors[TGT_EMBEDDING].clone())
    return tensors


def _write(directory: Path, trained: TrainedModel) -> None:
    trees: dict[str, Any] = {
        CONFIG_NAME: model_tree(trained),
        GENERATION_NAME: generation_tree(trained),
        TOKENIZER_CONFIG_NAME: tokenizer_tree(trained),
    }
    names = (VOCAB_NAME, TGT_VOCAB_NAME)
    trees |= zip(names, vocabulary_trees(trained.tokenizer), strict=False)
    for name, tree in trees.items():
        text = json.dumps(tree, ensure_ascii=False, indent=2)
        (directory / name).write_text(text + "\n", encoding="utf-8")
    (directory / SRC_MODEL_NAME).write_bytes(trained.tokenizer.src.model_bytes)
    (directory / TGT_MODEL_NAME).write_bytes(trained.tokenizer.tgt.model_bytes)
    save_tensors(directory / WEIGHTS_NAME, foreign_tensors(trained), {"format": "pt"})


def _refuse_foreign_dir(path: Path) -> None:
    def is_export(names: set[str]) -> bool:
        return CONFIG_NAME in names and "exported_by" in read_object(path / CONFIG_NAME)

    refuse_foreign_export(path, (*MODEL_FILES, CARD_NAME), is_export)
