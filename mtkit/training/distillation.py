"""A trained model that another one learns from, word by word."""

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from mtkit.batches.collate import Batch
from mtkit.checkpoint.model_dir import load_model_dir
from mtkit.corpus.sentence_pair import SIDES
from mtkit.engines.cpu.float32_attention import in_float32
from mtkit.engines.shared_copy import replace_modules
from mtkit.errors import MtkitError
from mtkit.model.transformer import Transformer
from mtkit.tokenizer.subword import Subword, Tokenizer


class Teacher:
    """A frozen model whose distributions a student comes near to (Kim and Rush 2016, arXiv:1606.07947).

    It is no nn.Module on purpose: whoever holds it does not count, save, synchronise or shard its parameters.

    Args:
        model: On the student's device.
        dtype: Of the student's matrix products, in which the teacher's are made too.
    """

    def __init__(self, model: Transformer, dtype: torch.dtype) -> None:
        self.model = model.eval().requires_grad_(False)
        # As autocast would do it, but once and not at each step.
        for module in model.modules():
            if isinstance(module, nn.Linear):
                module.to(dtype)
        if dtype == torch.bfloat16 and model.output_weight.device.type == "cpu":
            replace_modules(model, in_float32)

    @classmethod
    def load(
        cls,
        path: Path,
        tokenizer: Tokenizer,
        max_positions: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> Self:
        """Read a teacher from its model directory.

        Args:
            path: The model directory.
            tokenizer: The student's, whose ids the teacher is given.
            max_positions: Of the student: how long the sequences may be.
            device: Where the student is.
            dtype: Of the student's matrix products.
        Raises:
            MtkitError: It cannot be read, has other vocabularies, or takes shorter sequences only.
        """
        trained = load_model_dir(path, device)
        for side in SIDES:
            if not _same_ids(getattr(trained.tokenizer, side), getattr(tokenizer, side)):
                raise MtkitError(
                    f"`{path}`: the teacher's {'source' if side == 'src' else 'target'} vocabulary is not the student's",
                    "train the student with the teacher's tokenizer: word-level distillation compares their vocabularies piece by piece",
                )
        config = trained.config.model
        if config.positions == "learned" and config.max_positions < max_positions:
            raise MtkitError(
                f"`{path}`: the teacher has {config.max_positions} learned positions, fewer than model.max_positions ({max_positions})",
                f"set model.max_positions to {config.max_positions}, and preprocess.max_length below it",
            )
        return cls(trained.model, dtype)

    @property
    def output_weight(self) -> Tensor:
        """The matrix that turns its states into logits. Shape (V, E)."""
        return self.model.output_weight

    @torch.no_grad()
    def states(self, batch: Batch) -> Tensor:
        """Its decoder's last hidden states. Shape (B, T, E)."""
        return self.model(batch.src, batch.tgt_in)


def _same_ids(first: Subword, second: Subword) -> bool:
    """Whether every id stands for the same piece."""
    return first.special == second.special and [piece.text for piece in first.entries()] == [
        piece.text for piece in second.entries()
    ]
