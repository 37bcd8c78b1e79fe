"""Weights of a Marian model, read as plain weights."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from mtkit.config.model import ModelConfig
from mtkit.interop.marian.names import (
    JOINT_EMBEDDING,
    MODEL_YML,
    OUTPUT,
    OUTPUT_BIAS,
    OUTPUT_TRANSPOSED,
    POSITIONS,
    SRC_EMBEDDING,
    TGT_EMBEDDING,
    parameter_name,
)
from mtkit.interop.marian.npz import NpzFile
from mtkit.interop.obstacles import Obstacle, list_names
from mtkit.interop.plain_weights import (
    NEVER,
    PlainWeights,
    interleaving,
    plain_shapes,
    reorder_width,
    without_embedding_scale,
)

_MAX_TRAINED_POSITIONS = 65_536


class MarianWeights(NamedTuple):
    """Weights in our layout, and the configuration that they complete."""

    model: ModelConfig
    plain: PlainWeights
    """With one row more than the vocabularies, for padding."""


def read_weights(
    file: NpzFile, model: ModelConfig, vocab_sizes: tuple[int, int]
) -> tuple[MarianWeights | None, list[Obstacle]]:
    """Read the weights of a model; each array of the file is used, or named as an obstacle.

    Args:
        file: The weights.
        model: Configuration, without what only the weights show.
        vocab_sizes: Sizes of the source and the target vocabulary, without padding.
    Returns:
        The weights, or None if there are obstacles; and all obstacles.
    Raises:
        MtkitError: The file is damaged.
    """
    reader = _ArrayReader(file)
    is_trained = POSITIONS in file.names
    positions = "learned" if is_trained else "sinusoidal_t2t"
    model = model.model_copy(
        update={"tied_embeddings": _tied_embeddings(file), "positions": positions}
    )
    if model.tied_embeddings in ("inputs", "all") and vocab_sizes[0] != vocab_sizes[1]:
        text = f"its embeddings are shared, but the vocabularies have {vocab_sizes} tokens"
        return None, [Obstacle(text)]
    table = reader.positions(model.d_model) if is_trained else None
    if table is not None:
        model = model.model_copy(update={"max_positions": len(table)})
    plain = _read_plain(reader, plain_shapes(model, *vocab_sizes), model)
    reader.finish()
    if reader.obstacles:
        return None, reader.obstacles
    if table is None:
        plain = reorder_width(plain, interleaving(model.d_model))
    else:
        plain["src_positions"], plain["tgt_positions"] = table, table.clone()
        # Marian multiplies embeddings by sqrt(d_model) only if it adds sinusoids.
        plain = without_embedding_scale(plain, model)
    return MarianWeights(model, _with_padding(plain)), []


def _tied_embeddings(file: NpzFile) -> str:
    has_output = OUTPUT in file.names or OUTPUT_TRANSPOSED in file.names
    if JOINT_EMBEDDING in file.names:
        return "inputs" if has_output else "all"
    return "none" if has_output else "output"


def _read_plain(
    reader: "_ArrayReader", shapes: dict[str, tuple[int, ...]], model: ModelConfig
) -> PlainWeights:
    has_one_embedding = model.tied_embeddings in ("inputs", "all")
    plain: PlainWeights = {}
    for name, shape in shapes.items():
        if name in ("src_positions", "tgt_positions"):
            continue
        if name == "src_embedding":
            theirs = JOINT_EMBEDDING if has_one_embedding else SRC_EMBEDDING
            tensor = reader.take(theirs, shape)
        elif name == "tgt_embedding":
            tensor = reader.take(TGT_EMBEDDING, shape)
        elif name == "output":
            has_transposed = OUTPUT_TRANSPOSED in reader.file.names
            tensor = (
                reader.take(OUTPUT_TRANSPOSED, shape)
                if has_transposed
                else reader.take(OUTPUT, shape, is_transposed=True)
            )
        elif name == "output_bias" and OUTPUT_BIAS not in reader.file.names:
            tensor = torch.zeros(shape)
        else:
            is_matrix = len(shape) == 2
            tensor = reader.take(parameter_name(name, model), shape, is_transposed=is_matrix)
        if tensor is not None:
            plain[name] = tensor
    return plain


def _with_padding(plain: PlainWeights) -> PlainWeights:
    """Append the padding token, with which the decoder starts: its embedding is zero."""
    padded = dict(plain)
    for name in ("src_embedding", "tgt_embedding", "output"):
        if name in plain:
            row = plain[name].new_zeros(1, plain[name].size(1))
            padded[name] = torch.cat((plain[name], row))
    padded["output_bias"] = torch.cat((plain["output_bias"], torch.tensor([NEVER])))
    return padded


class _ArrayReader:
    """Reads arrays and keeps account of those that are left."""

    def __init__(self, file: NpzFile) -> None:
        self.file = file
        self.unused = set(file.names) - {MODEL_YML}
        self.missing: list[str] = []
        self.obstacles: list[Obstacle] = []

    def take(
        self, name: str, shape: tuple[int, ...], *, is_transposed: bool = False
    ) -> Tensor | None:
        """Read an array; problems are added to the obstacles.

        Args:
            name: Its name in the file.
            shape: Shape of the result.
            is_transposed: Whether the file has the transpose; Marian's matrices are (in, out).
        """
        if name not in self.file.names:
            self.missing.append(name)
            return None
        self.unused.discard(name)
        # Vectors have an axis for the batch.
        stored = shape[::-1] if is_transposed else shape if len(shape) == 2 else (1, *shape)
        if (found := self.file.shape(name)) != stored:
            self.obstacles.append(Obstacle(f"{name} has shape {list(found)}, not {list(stored)}"))
            return None
        array = self.file.read(name, math.prod(shape))
        if array.dtype.kind != "f":
            self.obstacles.append(Obstacle(f"{name} has type {array.dtype}, not float"))
            return None
        tensor = torch.from_numpy(array.astype("float32"))
        return tensor.T.contiguous() if is_transposed else tensor.reshape(shape)

    def positions(self, d_model: int) -> Tensor | None:
        """Read the table of trained positions, of any length."""
        n_positions = (self.file.shape(POSITIONS) or (0,))[0]
        return self.take(POSITIONS, (min(n_positions, _MAX_TRAINED_POSITIONS), d_model))

    def finish(self) -> None:
        """Add what is missing and what is left over to the obstacles."""
        if self.missing:
            self.obstacles.append(Obstacle(f"the weights lack {list_names(self.missing)}"))
        if self.unused:
            unknown = list_names(sorted(self.unused))
            self.obstacles.append(Obstacle(f"mtkit has no place for the parameters {unknown}"))
