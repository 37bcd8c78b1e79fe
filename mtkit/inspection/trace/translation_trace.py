"""The record of one translation: subwords, shapes, attention, beam, alignment, layer statistics.

Layers and heads are numbered from 1 here, as in papers.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from mtkit.errors import MtkitError
from mtkit.inspection.trace.forward_recorder import AttentionKind
from mtkit.inspection.trace.layer_statistics import LayerStatistics, NormStatistics
from mtkit.inspection.trace.shapes import TracedTensor

Array = np.ndarray[Any, np.dtype[np.float32]]


class Token(NamedTuple):
    """One subword."""

    text: str
    """The subword as the tokenizer writes it, with U+2581 for a space."""
    id: int


class AttentionMap(NamedTuple):
    """Attention of one layer."""

    kind: AttentionKind
    """encoder and decoder: attention of a side to itself; cross: of the target to the source."""
    layer: int
    rows: list[str]
    """Subwords that attend: the queries."""
    columns: list[str]
    """Subwords that are attended to: the keys."""
    scores: Array
    """Q K^T / sqrt(K) before the mask. Shape (H, rows, columns)."""
    weights: Array
    """Shape (H, rows, columns); each row sums to 1."""

    def entropy(self, head: int) -> float:
        """Return the mean entropy of a head's rows in nats; 0 looks at one subword only.

        Args:
            head: From 1.
        """
        weights = self.weights[head - 1].astype(np.float64)
        logs = np.log(weights, where=weights > 0, out=np.zeros_like(weights))
        return float(-(weights * logs).sum(1).mean())


class Prediction(NamedTuple):
    """The distribution from which one target token was chosen."""

    token: Token
    log_prob: float
    alternatives: list[tuple[Token, float]]
    """The most probable tokens, with their probabilities."""


class BeamHypothesis(NamedTuple):
    """A continuation in one step of the search."""

    text: str
    """The hypothesis as text."""
    token: Token
    parent: int
    """Index of the continued hypothesis among the kept ones of the step before."""
    log_prob: float
    score: float
    is_best_path: bool
    """Whether the translation begins with it."""


class BeamStep(NamedTuple):
    """One step of the beam search."""

    kept: list[BeamHypothesis]
    finished: list[BeamHypothesis]
    pruned: list[BeamHypothesis]


@dataclass(frozen=True)
class TranslationTrace:
    """Everything that happens in the translation of one sentence."""

    model_dir: str
    languages: tuple[str, str]
    """Language codes of source and target."""
    text: str
    translation: str
    log_prob: float
    score: float
    search: dict[str, Any]
    """Settings of the beam search."""
    src_tokens: list[Token]
    """Tokens that the encoder reads: tags first, EOS last."""
    tgt_tokens: list[Token]
    """Tokens that the decoder reads: BOS, then the translation without EOS."""
    predictions: list[Prediction]
    """The next token at each position of `tgt_tokens`; the last is EOS."""
    tensors: list[TracedTensor]
    attention: list[AttentionMap]
    layers: list[LayerStatistics]
    final_norms: dict[str, NormStatistics]
    """Norms after the last layers of a pre-norm model."""
    beam: list[BeamStep]
    src_words: list[str]
    tgt_words: list[str]
    alignment: list[tuple[int, int]]
    """Indices of linked source and target words, from 0."""

    def focused_head(self, kind: AttentionKind) -> tuple[int, int]:
        """Return layer and head, from 1, of the attention of a kind that is the most focused."""
        maps = [one for one in self.attention if one.kind == kind]
        return min(
            ((one.layer, head) for one in maps for head in range(1, len(one.weights) + 1)),
            key=lambda place: self.map(kind, place[0]).entropy(place[1]),
        )

    def map(self, kind: AttentionKind, layer: int) -> AttentionMap:
        """Return the attention of a kind in a layer, counted from 1."""
        return next(one for one in self.attention if (one.kind, one.layer) == (kind, layer))

    def require_layer_and_head(self, layer: int | None, head: int | None) -> None:
        """Check that the model has a layer and a head of these numbers, from 1.

        Raises:
            MtkitError: It does not.
        """
        n_layers = max(one.layer for one in self.attention)
        n_heads = len(self.attention[0].weights)
        for name, value, limit in ("layer", layer, n_layers), ("head", head, n_heads):
            if value is not None and value > limit:
                raise MtkitError(
                    f"--{name} {value}: the model has {limit}", f"give a number from 1 to {limit}"
                )

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON; numbers are rounded to six decimals."""
        return _rounded(vars(self))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, np.ndarray):
        return _rounded(value.astype(np.float64).tolist())
    if hasattr(value, "_asdict"):
        return _rounded(value._asdict())
    if hasattr(value, "__dataclass_fields__"):
        return _rounded(asdict(value))
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
