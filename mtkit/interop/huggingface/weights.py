"""Weights of a transformers model, read as plain weights."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mtkit.config.model import ModelConfig
from mtkit.interop.huggingface.names import (
    OUTPUT_BIAS,
    SHARED,
    SRC_EMBEDDING,
    SRC_POSITIONS,
    TGT_EMBEDDING,
    TGT_POSITIONS,
    UNUSED_BY_TRANSFORMERS,
    candidates,
)
from mtkit.interop.huggingface.settings import ForeignSettings
from mtkit.interop.huggingface.weight_files import OpenWeights, WeightFiles, open_weights
from mtkit.interop.obstacles import Obstacle, list_names
from mtkit.interop.plain_weights import (
    NEVER,
    PlainWeights,
    interleaving,
    plain_shapes,
    reorder_width,
    without_embedding_scale,
)
from mtkit.model.positions import sinusoidal_positions

_TYPES = ("F32", "F16", "BF16", "F64")
_TABLE_TOLERANCE = 2e-3
"""Largest difference of a table of sinusoids that was rounded to 16 bits."""


class ForeignWeights(NamedTuple):
    """Weights in our layout, and the configuration that they complete."""

    model: ModelConfig
    plain: PlainWeights


def read_weights(
    files: WeightFiles, settings: ForeignSettings, *, allow_pickle: bool = False
) -> tuple[ForeignWeights | None, list[Obstacle]]:
    """Read the weights of a model; each tensor of the files is used, or named as an obstacle.

    Args:
        files: The files of weights.
        settings: Content of the model's configuration files.
        allow_pickle: Whether the files may be pickles.
    Returns:
        The weights, or None if there are obstacles; and all obstacles.
    Raises:
        MtkitError: A file is damaged.
    """
    with open_weights(files, allow_pickle=allow_pickle) as weights:
        reader = _TensorReader(weights, settings)
        model = reader.complete_config()
        shapes = plain_shapes(model, *settings.vocab_sizes)
        plain = reader.read(shapes, model)
    if reader.obstacles:
        return None, reader.obstacles
    return ForeignWeights(model, _in_our_layout(plain, model, settings)), []


def _in_our_layout(
    plain: PlainWeights, model: ModelConfig, settings: ForeignSettings
) -> PlainWeights:
    if not settings.scales_embeddings:
        plain = without_embedding_scale(plain, model)
    if model.has_sinusoids:
        order = interleaving(model.d_model)
        # One by one, so that there are never two copies of the model.
        for name in plain:
            plain |= reorder_width({name: plain[name]}, order)
    if settings.renormalizes:
        for token_id in settings.banned_ids:
            plain["output_bias"][token_id] = NEVER
    return plain


class _TensorReader:
    """Reads tensors and keeps account of those that are left."""

    def __init__(self, weights: OpenWeights, settings: ForeignSettings) -> None:
        self.infos, self.weights, self.settings = weights.infos, weights, settings
        self.unused = set(self.infos) - UNUSED_BY_TRANSFORMERS
        self.obstacles: list[Obstacle] = []

    def complete_config(self) -> ModelConfig:
        """Return the configuration with what only the weights show."""
        settings = self.settings
        changes: dict[str, Any] = {"positions": self._positions()}
        if settings.model.tied_embeddings == "inputs" and self._has_two_embeddings():
            changes["tied_embeddings"] = "none"
        has_bias = OUTPUT_BIAS in self.infos and self._has_bias()
        if has_bias or (settings.renormalizes and settings.banned_ids):
            changes["output_bias"] = True
        return settings.model.model_copy(update=changes)

    def read(self, shapes: Mapping[str, tuple[int, ...]], model: ModelConfig) -> PlainWeights:
        """Read all plain weights; problems are added to the obstacles."""
        plain: PlainWeights = {}
        missing = []
        for plain_name, names in candidates(shapes, model).items():
            found = [name for name in names if name in self.infos]
            if not found:
                if plain_name == "output_bias":
                    plain[plain_name] = torch.zeros(shapes[plain_name])
                else:
                    missing.append(names[0])
                continue
            tensors = [self._take(name, shapes[plain_name]) for name in found]
            first = tensors[0]
            for name, other in zip(found[1:], tensors[1:], strict=True):
                if first is not None and other is not None and not torch.equal(first, other):
                    self.obstacles.append(
                        Obstacle(
                            f"{name} differs from {found[0]}, to which config.json ties it",
                            "set tie_word_embeddings to false in config.json",
                        )
                    )
            if first is not None:
                plain[plain_name] = first
        if missing:
            self.obstacles.append(Obstacle(f"the weights lack {list_names(missing)}"))
        if self.unused:
            unknown = list_names(sorted(self.unused))
            self.obstacles.append(Obstacle(f"mtkit has no place for the tensors {unknown}"))
        return plain

    def _take(self, name: str, shape: tuple[int, ...]) -> Tensor | None:
        self.unused.discard(name)
        info = self.infos[name]
        # The bias of the logits has an axis for the batch.
        expected = (shape, (1, *shape)) if name == OUTPUT_BIAS else (shape,)
        if info.shape not in expected:
            self.obstacles.append(
                Obstacle(f"{name} has shape {list(info.shape)}, not {list(shape)}")
            )
            return None
        if info.dtype not in _TYPES:
            self.obstacles.append(Obstacle(f"{name} has type {info.dtype}"))
            return None
        return self.weights.get_tensor(name).float().reshape(shape)

    def _positions(self) -> str:
        """Return the kind of positions: without tables those of the settings."""
        names = {SRC_POSITIONS, TGT_POSITIONS} & self.infos.keys()
        model = self.settings.model
        if not names:
            return model.positions
        for kind in ("sinusoidal", "sinusoidal_t2t"):
            formula = model.model_copy(update={"positions": kind})
            if all(self._is_table(name, formula) for name in names):
                self.unused -= names
                return kind
        return "learned"

    def _is_table(self, name: str, model: ModelConfig) -> bool:
        """Whether a tensor is the table of a formula."""
        if self.infos[name].shape != (model.max_positions, model.d_model) or model.d_model % 2:
            return False
        table = self.weights.get_tensor(name).float()[:, interleaving(model.d_model)]
        ours = sinusoidal_positions(torch.arange(len(table)), model)
        return torch.allclose(table, ours, rtol=0.0, atol=_TABLE_TOLERANCE)

    def _has_two_embeddings(self) -> bool:
        """Whether source and target embeddings differ.

        With tie_word_embeddings false, transformers 5 does not share them either, and the shared
        matrix that it stores has no effect.
        """
        names = SRC_EMBEDDING, TGT_EMBEDDING
        if not all(name in self.infos for name in names):
            return False
        if self.infos[names[0]] == self.infos[names[1]]:
            src, tgt = map(self.weights.get_tensor, names)
            if torch.equal(src, tgt):
                return False
        self.unused.discard(SHARED)
        return True

    def _has_bias(self) -> bool:
        size = self.settings.vocab_sizes[1]
        if self.infos[OUTPUT_BIAS].shape in ((size,), (1, size)):
            has_bias = bool(self.weights.get_tensor(OUTPUT_BIAS).any())
            if not has_bias:
                self.unused.discard(OUTPUT_BIAS)
            return has_bias
        return True
