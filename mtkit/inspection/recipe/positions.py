"""Facts about the position encoding of a recipe, computed with the model's own modules."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mtkit.config.model import ModelConfig
from mtkit.model.positions import RotaryPositions, sinusoidal_positions, wavelength_steps

Array = np.ndarray[Any, np.dtype[np.float64]]
N_SHOWN = 64
"""Number of positions in the heat map."""
_OFFSETS = range(65)
_STARTS = (0, 10, 100, 1000)
_BEYOND = 10
"""Factor beyond the longest training sequence at which positions are computed."""


@dataclass(frozen=True)
class PositionFacts:
    """Position encoding of a model."""

    kind: str
    """As `ModelConfig.positions`."""
    n_trained: int
    """Maximum length of a training sequence in tokens."""
    limit: int | None = None
    """Maximum number of positions; None if there is none."""
    vectors: Array | None = None
    """The first position vectors, shape (64, width), for the heat map: those that are added
    (sinusoidal), or the cosines and sines that rotate a head (rotary). None if they are learned."""
    wavelengths: tuple[float, float] | None = None
    """Shortest and longest wavelength, in positions."""
    starts: tuple[int, ...] = _STARTS
    """Positions from which `products` are measured."""
    products: Array | None = None
    """Product of the vectors at p and p + k, shape (starts, 65) for k from 0: the dot product of
    two position vectors, or of a rotated query and a rotated key."""
    product_spread: float | None = None
    """Largest difference between the rows of `products`: 0 if they depend on k alone."""
    distances: Array | None = None
    """Euclidean distance of the vectors at p and p + k, as `products`; None for rotary."""
    rotation_error: float | None = None
    """Largest difference between PE(p + k) and R(k) PE(p), over the same p and k."""
    norm: float | None = None
    """Euclidean norm of every position vector: sqrt(d_model / 2)."""
    beyond: int | None = None
    """Position beyond the training lengths at which the norm was computed again."""
    norm_beyond: float | None = None
    """Norm of the vector there."""


def position_facts(config: ModelConfig, n_trained: int) -> PositionFacts:
    """Describe the position encoding.

    Args:
        config: The model.
        n_trained: Maximum length of a training sequence.
    """
    if config.has_sinusoids:
        return _sinusoidal(config, n_trained)
    if config.positions == "rotary":
        return _rotary(config.d_head, n_trained)
    return PositionFacts("learned", n_trained, config.max_positions)


def rotation(offset: int, config: ModelConfig) -> Array:
    """Return R(k), for which PE(p + k) = R(k) PE(p) at every position p. Shape (D, D).

    Pair i of a sine and a cosine is rotated by k / 10000^(2i / D) with the paper's wavelengths.
    """
    matrix = np.zeros((config.d_model, config.d_model))
    for i in range(config.d_model // 2):
        angle = offset / 10000.0 ** (i / wavelength_steps(config))
        cos, sin = math.cos(angle), math.sin(angle)
        matrix[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[cos, sin], [-sin, cos]]
    return matrix


def _sinusoidal(config: ModelConfig, n_trained: int) -> PositionFacts:
    def encode(positions: Sequence[int]) -> Array:
        return sinusoidal_positions(torch.tensor(positions), config).double().numpy()

    first = encode(_STARTS)
    later = np.stack([encode([start + k for k in _OFFSETS]) for start in _STARTS])
    products = np.einsum("pd,pkd->pk", first, later)
    rotated = np.stack([first @ rotation(k, config).T for k in _OFFSETS], axis=1)
    beyond = _BEYOND * n_trained
    return PositionFacts(
        kind=config.positions,
        n_trained=n_trained,
        vectors=encode(range(N_SHOWN)),
        wavelengths=_wavelengths(config.d_model // 2, wavelength_steps(config)),
        products=products,
        product_spread=_spread(products),
        distances=np.linalg.norm(later - first[:, None], axis=2),
        rotation_error=float(np.abs(rotated - later).max()),
        norm=float(np.linalg.norm(first[0])),
        beyond=beyond,
        norm_beyond=float(np.linalg.norm(encode([beyond])[0])),
    )


def _rotary(width: int, n_trained: int) -> PositionFacts:
    rotate = RotaryPositions(width)
    # One query and one key, at many pairs of positions; any other two would do.
    generator = torch.Generator().manual_seed(0)
    query_K, key_K = torch.randn(2, width, generator=generator, dtype=torch.float64)

    def rotated(vector_K: torch.Tensor, positions: Sequence[int]) -> Array:
        tensor = torch.tensor(positions)
        return rotate(vector_K.expand(1, 1, len(tensor), width), tensor)[0, 0].numpy()

    products = np.stack(
        [
            rotated(key_K, [start + k for k in _OFFSETS]) @ rotated(query_K, [start])[0]
            for start in _STARTS
        ]
    ) / math.sqrt(width)
    # (1, 0) rotated by an angle is its cosine and its sine.
    unit_K = torch.tensor([1.0, 0.0], dtype=torch.float64).repeat(width // 2)
    beyond = _BEYOND * n_trained
    return PositionFacts(
        kind="rotary",
        n_trained=n_trained,
        vectors=rotated(unit_K, range(N_SHOWN)),
        wavelengths=_wavelengths(width // 2, width // 2),
        products=products,
        product_spread=_spread(products),
        norm=float(np.linalg.norm(rotated(unit_K, [0])[0])),
        beyond=beyond,
        norm_beyond=float(np.linalg.norm(rotated(unit_K, [beyond])[0])),
    )


def _wavelengths(n_wavelengths: int, n_steps: int) -> tuple[float, float]:
    return 2 * math.pi, 2 * math.pi * 10000.0 ** ((n_wavelengths - 1) / n_steps)


def _spread(products: Array) -> float:
    return float(np.ptp(products, axis=0).max())
