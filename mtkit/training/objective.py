"""What training minimises: from a batch to the sums of its losses."""

import torch
from torch import Tensor, nn

from mtkit.batches.collate import Batch
from mtkit.config.recipe import alignment_head
from mtkit.config.training import TrainingConfig
from mtkit.model.transformer import Transformer
from mtkit.training.distillation import Teacher
from mtkit.training.guided_alignment import add_alignment_loss
from mtkit.training.loss import Loss, LossTerms, TeacherTerm, label_smoothed_loss, token_loss


def batch_loss(model: Transformer, batch: Batch, smoothing: float) -> Loss:
    """The loss of a batch, summed over its target tokens; padding costs nothing from the output layer on."""
    # Validation goes past a compiled forward pass, which was made for training.
    states_BTD = (
        model(batch.src, batch.tgt_in)
        if model.training
        else model.decode_states(batch.tgt_in, model.encode(batch.src))
    )
    places_N = _target_places(batch, model.tgt_pad_id)
    states_ND, targets_N = _at_targets(states_BTD, places_N), _at_targets(batch.tgt_out, places_N)
    return label_smoothed_loss(states_ND, model.output_weight, targets_N, smoothing)


class Objective(nn.Module):
    """A model together with what is minimised, as one module: this is what runs in parallel, and what a step calls.

    Args:
        model: In training mode.
        config: The parts of the loss and their weights.
        teacher: A model to learn from besides; no part of this module.
    """

    def __init__(
        self, model: Transformer, config: TrainingConfig, teacher: Teacher | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.teacher = teacher
        self._aligning = alignment_head(config, model.config)

    def forward(self, batch: Batch) -> Loss:
        """The loss of a batch, summed over its target tokens."""
        config, model = self.config, self.model
        # Trials of memory and speed have batches without alignments.
        aligning = self._aligning if batch.alignment is not None else None
        if not config.r_drop and self.teacher is None and aligning is None:
            return batch_loss(model, batch, config.label_smoothing)
        places_N = _target_places(batch, model.tgt_pad_id)
        # For R-Drop the sentences go through the model side by side with themselves: one pass of twice the rows keeps a GPU busier than two
        # passes, and processes exchange gradients once.
        n_passes = 2 if config.r_drop else 1
        src, tgt_in = batch.src.repeat(n_passes, 1), batch.tgt_in.repeat(n_passes, 1)
        states, log_weights = (
            (model(src, tgt_in), None) if aligning is None else model(src, tgt_in, aligning)
        )
        states_PND = torch.stack(
            [_at_targets(one_BTD, places_N) for one_BTD in states.chunk(n_passes)]
        )
        terms = LossTerms(
            config.label_smoothing, config.r_drop, self._teacher_term(batch, places_N)
        )
        loss = token_loss(
            states_PND, model.output_weight, _at_targets(batch.tgt_out, places_N), terms
        )
        if log_weights is None or batch.alignment is None:
            return loss
        return add_alignment_loss(
            loss, log_weights, batch.alignment, config.alignment_weight, n_passes
        )

    def _teacher_term(self, batch: Batch, places_N: Tensor | None) -> TeacherTerm | None:
        if self.teacher is None:
            return None
        states_NE = _at_targets(self.teacher.states(batch), places_N)
        return TeacherTerm(
            states_NE,
            self.teacher.output_weight,
            self.config.teacher_weight,
            self.config.teacher_temperature,
        )


def _target_places(batch: Batch, tgt_pad_id: int) -> Tensor | None:
    """Places of the target tokens in the flattened targets; None if they are everywhere. Shape (N,)."""
    if batch.n_tokens == batch.tgt_out.numel():
        return None
    return (
        batch.target_positions
        if batch.target_positions is not None
        else (batch.tgt_out.flatten() != tgt_pad_id).nonzero().flatten()
    )


def _at_targets(values: Tensor, places_N: Tensor | None) -> Tensor:
    """The values at the target tokens. Shape (B, T, ...) to (N, ...)."""
    flat = values.flatten(0, 1)
    return flat if places_N is None else flat.index_select(0, places_N)


def is_finite(*values: Tensor) -> Tensor:
    """Whether all of these scalars are finite numbers, without asking the device for them. Scalar."""
    return torch.stack([value.float() for value in values]).isfinite().all()
