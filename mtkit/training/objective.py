"""The training objective: from a batch to the sums of its losses."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mtkit.batches.collate import Batch
from mtkit.config.recipe import alignment_head
from mtkit.config.training import TrainingConfig
from mtkit.model.transformer import Transformer
from mtkit.training.loss.terms import Loss, LossTerms, TeacherTerm
from mtkit.training.loss.token_loss import label_smoothed_loss, token_loss

if TYPE_CHECKING:
    from mtkit.training.distillation import Teacher


def batch_loss(model: Transformer, batch: Batch, smoothing: float) -> Loss:
    """Return the loss of a batch, summed over its target tokens.

    The output layer is computed at target tokens only, not at padding.
    """
    if model.training:
        states_BTD = model(batch.src, batch.tgt_in)
    else:
        # Validation bypasses a compiled forward pass, which was compiled for training.
        states_BTD = model.decode_states(batch.tgt_in, model.encode(batch.src))
    positions_N = _target_positions(batch, model.tgt_pad_id)
    states_ND = _select(states_BTD, positions_N)
    targets_N = _select(batch.tgt_out, positions_N)
    return label_smoothed_loss(
        states_ND, model.output_weight, targets_N, smoothing, model.output_bias
    )


class Objective(nn.Module):
    """A model and its loss as one module, which is what distributed training wraps.

    Args:
        model: Model in training mode.
        config: Terms of the loss and their weights.
        teacher: Model to distil from; not a submodule.
    """

    def __init__(
        self, model: Transformer, config: TrainingConfig, teacher: "Teacher | None" = None
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.teacher = teacher
        self._alignment_head = alignment_head(config, model.config)

    def forward(self, batch: Batch) -> Loss:
        """Return the loss of a batch, summed over its target tokens."""
        config, model = self.config, self.model
        # Profiling runs use batches without alignments.
        head = self._alignment_head if batch.alignment is not None else None
        n_passes = 2 if config.r_drop or config.simcut else 1
        # Plain training: one pass with label-smoothed cross-entropy.
        if n_passes == 1 and self.teacher is None and head is None:
            return batch_loss(model, batch, config.label_smoothing)
        positions_N = _target_positions(batch, model.tgt_pad_id)
        # R-Drop and SimCut: the batch is concatenated with itself. One pass of twice the rows keeps
        # a GPU busier than two passes, and processes reduce gradients once.
        src, tgt_in = batch.src.repeat(n_passes, 1), batch.tgt_in.repeat(n_passes, 1)
        kept = (self._cut(batch.src), self._cut(batch.tgt_in)) if config.simcut else None
        if head is None:
            states, log_weights = model(src, tgt_in, kept=kept), None
        else:
            states, log_weights = model(src, tgt_in, head, kept)
        states_PND = torch.stack(
            [_select(pass_BTD, positions_N) for pass_BTD in states.chunk(n_passes)]
        )
        teacher_term = self._teacher_term(batch, positions_N)
        terms = LossTerms(config.label_smoothing, config.r_drop, teacher_term, config.simcut)
        targets_N = _select(batch.tgt_out, positions_N)
        loss = token_loss(states_PND, model.output_weight, targets_N, terms, model.output_bias)
        # Guided alignment: one attention head learns the given word alignments.
        if log_weights is not None and batch.alignment is not None:
            from mtkit.training.guided_alignment import add_alignment_loss

            weight = config.alignment_weight
            loss = add_alignment_loss(loss, log_weights, batch.alignment, weight, n_passes)
        return loss

    def _cut(self, ids_BQ: Tensor) -> Tensor:
        """Draw which tokens SimCut hides: none in the first pass. Shape (2 B, Q)."""
        is_kept_BQ = torch.rand(ids_BQ.shape, device=ids_BQ.device) >= self.config.simcut_rate
        return torch.cat((torch.ones_like(is_kept_BQ), is_kept_BQ)).float()

    def _teacher_term(self, batch: Batch, positions_N: Tensor | None) -> TeacherTerm | None:
        if self.teacher is None:
            return None
        states_NE = _select(self.teacher.states(batch), positions_N)
        config = self.config
        teacher = self.teacher.model
        return TeacherTerm(
            states_NE,
            teacher.output_weight,
            config.teacher_weight,
            config.teacher_temperature,
            teacher.output_bias,
        )


def _target_positions(batch: Batch, tgt_pad_id: int) -> Tensor | None:
    """Return the positions of the target tokens in the flattened targets. Shape (N,).

    None if there is no padding.
    """
    if batch.n_tokens == batch.tgt_out.numel():
        return None
    if batch.target_positions is not None:
        return batch.target_positions
    return (batch.tgt_out.flatten() != tgt_pad_id).nonzero().flatten()


def _select(values: Tensor, positions_N: Tensor | None) -> Tensor:
    """Return the values at the target tokens. Shape (B, T, ...) to (N, ...)."""
    flat = values.flatten(0, 1)
    return flat if positions_N is None else flat.index_select(0, positions_N)


def is_finite(*values: Tensor) -> Tensor:
    """Return whether all of some scalars are finite, as a scalar on their device."""
    return torch.stack([value.float() for value in values]).isfinite().all()
