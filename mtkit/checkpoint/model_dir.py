"""Directory of a trained model, which is self-contained.

config.json            format version, languages, tags, dimensions, search defaults
model.safetensors      weights
tokenizer/             SentencePiece models
shortlist.safetensors  shortlist, if `mtkit shortlist` made one
manifest.json          hashes of these files, if `mtkit push` or `mtkit pull` wrote the directory
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from mtkit.checkpoint.model_config import ModelDirConfig, TrainingHistory, read_model_config
from mtkit.checkpoint.untrusted import check_layer_counts, check_limits
from mtkit.checkpoint.weights import make_empty_model, read_weights, save_weights
from mtkit.config.model import ModelConfig
from mtkit.config.search import SearchConfig
from mtkit.errors import MtkitError, first_line
from mtkit.io.atomic import atomic_dir, refuse_file
from mtkit.io.find_model import CONFIG_NAME, SHORTLIST_NAME, WEIGHTS_NAME
from mtkit.io.safetensors_header import read_header
from mtkit.io.tokenizer_files import TOKENIZER_DIR_NAME
from mtkit.model.transformer import Transformer
from mtkit.tokenizer.subword import Tokenizer


@dataclass
class TrainedModel:
    """A model with its configuration and tokenizer."""

    config: ModelDirConfig
    model: Transformer
    tokenizer: Tokenizer


def shared_config(trained: Sequence[TrainedModel]) -> ModelDirConfig:
    """Return the configuration of an ensemble: that of the first model, with the smallest limits.

    Raises:
        MtkitError: The models do not share their tokenizer or their languages.
    """
    if not trained:
        raise ValueError("no model to translate with")
    first, *others = trained
    for other in others:
        languages = other.config.src_lang, other.config.tgt_lang
        if languages != (first.config.src_lang, first.config.tgt_lang):
            raise MtkitError(
                "the models of an ensemble do not translate between the same languages",
                "give models of one language pair",
            )
        if other.tokenizer.sha256 != first.tokenizer.sha256:
            raise MtkitError(
                "the models of an ensemble do not share one tokenizer",
                "train them with the same data.work_dir, and different seeds",
            )
        if other.config.context != first.config.context:
            raise MtkitError(
                "the models of an ensemble were not trained with the same data.context",
                "give models with the same number of previous sentences",
            )
    max_positions = min(one.config.model.max_positions for one in trained)
    return first.config.model_copy(
        update={
            "max_length": min(one.config.max_length for one in trained),
            "model": first.config.model.model_copy(update={"max_positions": max_positions}),
        }
    )


def make_model(config: ModelConfig, tokenizer: Tokenizer) -> Transformer:
    """Make a model with initial weights for the vocabularies of a tokenizer."""
    src, tgt = tokenizer.src, tokenizer.tgt
    return Transformer(config, src.vocab_size, tgt.vocab_size, src.special.pad, tgt.special.pad)


def refuse_foreign_dir(path: Path) -> None:
    """Check that a directory may be replaced by a model.

    Raises:
        MtkitError: The directory contains files that are not part of a model directory, or is a
            file.
    """
    from mtkit.io.build_manifest import MANIFEST_NAME

    refuse_file(path)
    if path.is_dir() and (
        foreign := sorted(
            {entry.name for entry in path.iterdir()}
            - {CONFIG_NAME, WEIGHTS_NAME, TOKENIZER_DIR_NAME, SHORTLIST_NAME, MANIFEST_NAME}
        )
    ):
        raise MtkitError(
            f"`{path}`: contains {foreign[0]}, which is not part of a model, and is not replaced",
            "name another directory",
        )


def save_model_dir(path: Path, trained: TrainedModel) -> None:
    """Write a model directory, completely or not at all; an existing one is replaced.

    Raises:
        MtkitError: The directory contains other files, or cannot be written.
    """
    refuse_foreign_dir(path)
    with atomic_dir(path) as directory:
        _write_all_but_weights(directory, trained.config, trained.tokenizer)
        save_weights(directory / WEIGHTS_NAME, trained.model)


def copy_model_dir(path: Path, out: Path, search: SearchConfig) -> None:
    """Copy a model with other default search settings, completely or not at all.

    Args:
        path: The model directory; not modified.
        out: Model directory to write; an existing one is replaced.
        search: The settings.
    Raises:
        MtkitError: The model is damaged, or the other directory contains other files or cannot be
            written.
    """
    from mtkit.checkpoint.model_manifest import check_model_manifest

    refuse_foreign_dir(out)
    trained = load_without_weights(path)
    config = trained.config.model_copy(update={"search": search})
    check_model_manifest(path)
    with atomic_dir(out) as directory:
        _write_all_but_weights(directory, config, trained.tokenizer)
        for name in (WEIGHTS_NAME, SHORTLIST_NAME):
            if (path / name).is_file():
                shutil.copyfile(path / name, directory / name)


def _write_all_but_weights(directory: Path, config: ModelDirConfig, tokenizer: Tokenizer) -> None:
    (directory / CONFIG_NAME).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    tokenizer.save(directory / TOKENIZER_DIR_NAME)


def with_history(trained: TrainedModel, history: TrainingHistory) -> TrainedModel:
    """Return the model with another history in its configuration."""
    return replace(trained, config=trained.config.model_copy(update={"history": history}))


def load_model_dir(path: Path, device: torch.device | str = "cpu") -> TrainedModel:
    """Load a model directory, which may come from an untrusted source.

    Sizes are checked before memory is allocated, and no code is run. Files are compared with the
    manifest if there is one. Other files are ignored.

    Raises:
        MtkitError: It is missing, incomplete, damaged, changed or of a newer format.
    """
    # Not needed to define a Translator.
    from mtkit.checkpoint.model_manifest import check_model_manifest

    trained = load_without_weights(path)
    check_model_manifest(path)
    read_weights(path / WEIGHTS_NAME, trained.model, device)
    trained.model.eval()
    return trained


def load_without_weights(path: Path) -> TrainedModel:
    """Load a model directory except for its weights: the model is on the meta device.

    Raises:
        MtkitError: See `load_model_dir`; of the weights, only the header is checked.
    """
    config = read_model_config(path)
    check_limits(path / CONFIG_NAME, config.max_length, config.model, config.search)
    check_layer_counts(path / WEIGHTS_NAME, read_header(path / WEIGHTS_NAME), config.model)
    tokenizer = Tokenizer.load(path / TOKENIZER_DIR_NAME)
    try:
        model = make_empty_model(config.model, tokenizer)
    except (ValueError, RuntimeError, OverflowError, TypeError) as exc:
        raise MtkitError(
            f"`{path}`: {CONFIG_NAME} and the tokenizer do not fit: {first_line(exc)}",
            "make or copy the directory again",
        ) from None
    return TrainedModel(config, model, tokenizer)
