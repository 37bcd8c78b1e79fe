"""Word-level knowledge distillation from a trained model."""

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
    """A frozen model whose distributions a student learns (Kim and Rush 2016, arXiv:1606.07947).

    Not an nn.Module, so that its parameters are not counted, saved, synchronized or sharded as
    those of the student's objective.

    Args:
        model: Teacher on the student's device.
        dtype: Precision of the student's matrix products, which the teacher's use, too.
    """

    def __init__(self, model: Transformer, dtype: torch.dtype) -> None:
        self.model = model.eval().requires_grad_(False)
        # Converted once, where autocast would convert in each step.
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
        """Load a teacher from its model directory.

        Args:
            path: Model directory.
            tokenizer: The student's tokenizer, whose ids the teacher receives.
            max_positions: Maximum sequence length of the student.
            device: Device of the student.
            dtype: Precision of the student's matrix products.
        Raises:
            MtkitError: It cannot be read, its vocabularies differ, or its maximum sequence length
                is shorter.
        """
        trained = load_model_dir(path, device)
        for side in SIDES:
            if not _same_ids(getattr(trained.tokenizer, side), getattr(tokenizer, side)):
                side_name = "source" if side == "src" else "target"
                raise MtkitError(
                    f"`{path}`: the teacher's {side_name} vocabulary differs from the student's",
                    "train the student with the teacher's tokenizer: word-level distillation needs"
                    " identical vocabularies",
                )
        limit = trained.config.model.position_limit
        if limit is not None and limit < max_positions:
            raise MtkitError(
                f"`{path}`: the teacher has {limit} learned positions, fewer than"
                f" model.max_positions ({max_positions})",
                f"set model.max_positions to {limit}, and preprocess.max_length below it",
            )
        return cls(trained.model, dtype)

    @torch.no_grad()
    def states(self, batch: Batch) -> Tensor:
        """Return the decoder's last hidden states. Shape (B, T, E)."""
        return self.model(batch.src, batch.tgt_in)


def _same_ids(first: Subword, second: Subword) -> bool:
    """Whether every id stands for the same subword."""
    return first.special == second.special and first.token_texts == second.token_texts
