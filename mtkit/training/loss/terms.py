"""Terms of the loss, and its value."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor


class Loss(NamedTuple):
    """Sums over target tokens; divide by their number for the mean."""

    total: Tensor
    """The loss that is minimized, with its gradient. Scalar."""
    nll: Tensor
    """Negative log-likelihood without label smoothing, detached. Scalar; in nats."""
    parts: Mapping[str, Tensor] = MappingProxyType({})
    """Auxiliary losses by name, unweighted and detached, for logging. Scalars."""


class TeacherTerm(NamedTuple):
    """Distillation: the teacher's distributions over the same tokens, and their weight."""

    states_NE: Tensor
    """The teacher's last hidden states at the N target tokens; its width E may differ."""
    weight_VE: Tensor
    """The teacher's output layer, over the same vocabulary."""
    share: float
    """Weight of the divergence from the teacher; cross-entropy has 1 - share."""
    temperature: float
    """Divides the logits of both models before they are compared."""
    bias_V: Tensor | None = None
    """The bias of the teacher's output layer, if it has one."""

    @property
    def weight(self) -> float:
        """Weight of the divergence in the loss; the gradients of softened logits are small."""
        return self.share * self.temperature**2

    def to(self, dtype: torch.dtype) -> "TeacherTerm":
        """Convert the tensors."""
        return self._replace(
            states_NE=self.states_NE.to(dtype),
            weight_VE=self.weight_VE.to(dtype),
            bias_V=None if self.bias_V is None else self.bias_V.to(dtype),
        )


class LossTerms(NamedTuple):
    """Terms of the loss."""

    smoothing: float = 0.0
    """Label smoothing: probability mass that is spread over the vocabulary."""
    r_drop: float = 0.0
    """Weight of the divergence between the two passes of R-Drop."""
    teacher: TeacherTerm | None = None
    simcut: float = 0.0
    """Weight of the divergence of SimCut's second pass from the first, which alone has a
    cross-entropy; excludes R-Drop."""

    @property
    def has_divergence(self) -> bool:
        """Whether distributions are compared with each other."""
        return bool(self.r_drop or self.simcut or self.teacher)
