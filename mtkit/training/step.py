"""One optimizer update."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from mtkit.batches.collate import Batch
from mtkit.config.training import TrainingConfig
from mtkit.engines.precision import autocast
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.training.distributed.parallel import Parallel
from mtkit.training.loss import Loss
from mtkit.training.objective import Objective, is_finite
from mtkit.training.random_state import seed_everything

logger = get_logger(__name__)


class StepResult(NamedTuple):
    """What one update did. The tensors are scalars that stay on the device: to read them is to wait for the step."""

    loss: Tensor
    """What is minimised, summed over the target tokens of this process, in nats."""
    nll: Tensor
    """Negative log-likelihood, summed likewise."""
    parts: dict[str, Tensor]
    """Further parts of the loss by name, summed likewise."""
    grad_norm: Tensor
    """Norm of the gradient before clipping."""
    is_good: Tensor
    """Whether loss and gradient were finite; if not, the weights and moments are what they were."""
    n_tokens: int
    """Target tokens of the update, over all processes."""


class Stepper:
    """Makes optimizer updates.

    Args:
        objective: Its model in training mode.
        optimizer: Over the model's parameters; fused, so that it can skip an update without being asked by the host.
        config: Clipping, seed.
        dtype: Of the matrix products.
        parallel: The processes that make each update together.
    """

    def __init__(
        self,
        objective: Objective,
        optimizer: torch.optim.Optimizer,
        config: TrainingConfig,
        dtype: torch.dtype,
        parallel: Parallel | None = None,
    ) -> None:
        self.model, self.optimizer, self.config, self.dtype = (
            objective.model,
            optimizer,
            config,
            dtype,
        )
        self.parallel = parallel or Parallel()
        self.objective = self.parallel.wrap(objective)
        self.device = self.model.output_weight.device
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=dtype == torch.float16)
        self.n_bad_in_a_row = torch.zeros((), device=self.device)
        """Updates skipped since the last good one. Scalar on the device."""
        self.splits_on_oom = True
        """Whether a batch that does not fit into memory goes through it in halves; else that is the caller's affair."""

    def step(
        self, batches: Sequence[Batch], number: int, rate: float, n_tokens: int | None = None
    ) -> StepResult:
        """Update the weights once, unless loss or gradient is not finite.

        The gradients of all batches are summed and divided by all their target tokens: the same as of one large batch.

        Args:
            batches: Those of this process, on the model's device.
            number: Of the update, from 1; with the seed it fixes the dropout.
            rate: Learning rate.
            n_tokens: Target tokens of all processes' batches; default those of `batches`.
        Raises:
            MtkitError: A batch of one pair does not fit into memory, or a batch does not fit that several processes have begun to add up.
        """
        n_tokens = sum(batch.n_tokens for batch in batches) if n_tokens is None else n_tokens
        losses = self._add_gradients(batches, number, n_tokens)
        total, nll = (
            _sum([loss.total.detach() for loss in losses]),
            _sum([loss.nll for loss in losses]),
        )
        self.scaler.unscale_(self.optimizer)
        grad_norm = self.parallel.clip_gradients(
            self.model, self.config.max_grad_norm or float("inf")
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        is_good = (
            is_finite(grad_norm)
            if self.scaler.is_enabled()
            else is_finite(grad_norm, self.parallel.all_reduce(total.clone()))
        )
        if self.scaler.is_enabled():
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            self._update_if(is_good)
        self.n_bad_in_a_row = (self.n_bad_in_a_row + 1) * ~is_good
        self.optimizer.zero_grad(set_to_none=True)
        names = dict.fromkeys(name for loss in losses for name in loss.parts)
        parts = {
            name: _sum([loss.parts[name] for loss in losses if name in loss.parts])
            for name in names
        }
        return StepResult(total, nll, parts, grad_norm, is_good, n_tokens)

    def _update_if(self, is_good: Tensor) -> None:
        """A fused optimizer is told by a tensor on the device, as a loss scaler does it, so that nobody waits for the answer."""
        if not self.optimizer.defaults.get("fused"):
            if bool(is_good):
                self.optimizer.step()
            return
        self.optimizer.found_inf = (~is_good).float()  # pyright: ignore[reportAttributeAccessIssue]
        try:
            self.optimizer.step()
        finally:
            del self.optimizer.found_inf  # pyright: ignore[reportAttributeAccessIssue]

    def _add_gradients(self, batches: Sequence[Batch], number: int, n_tokens: int) -> list[Loss]:
        """Forward and backward of all batches. One that does not fit into memory goes in halves, which changes its dropout masks and nothing else."""
        pieces: list[tuple[Batch, tuple[int, ...]]] = [
            (batch, (self.parallel.rank + i * self.parallel.world_size,))
            for i, batch in enumerate(batches)
        ]
        while True:
            losses: list[Loss] = []
            for batch, place in pieces:
                is_last = len(losses) == len(pieces) - 1
                try:
                    losses.append(
                        self._add_gradient(
                            batch, (self.config.seed, number, *place), n_tokens, is_last=is_last
                        )
                    )
                except (RuntimeError, MemoryError) as exc:
                    if not (self.splits_on_oom and is_out_of_memory(exc)):
                        raise
                    break
            else:
                return losses
            # The pass that failed may have added a part of its gradients already, so the update starts anew.
            self.optimizer.zero_grad(set_to_none=True)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            failed, (batch, place) = len(losses), pieces[len(losses)]
            pieces[failed : failed + 1] = [
                (half, (*place, i)) for i, half in enumerate(self._halves(batch, number))
            ]

    def _add_gradient(
        self, batch: Batch, seed: tuple[int, ...], n_tokens: int, *, is_last: bool
    ) -> Loss:
        seed_everything(*seed)
        with self.parallel.gradient_sync(self.objective, is_last):
            with (
                self._never_repeated(batch, is_shared=self.parallel.is_sharded),
                autocast(self.dtype, self.device),
            ):
                loss: Loss = self.objective(batch)
            with self._never_repeated(batch, is_shared=self.parallel.is_sharded or is_last):
                self.scaler.scale(
                    loss.total * (self.parallel.gradient_factor / n_tokens)
                ).backward()
        return loss

    @contextmanager
    def _never_repeated(self, batch: Batch, *, is_shared: bool) -> Iterator[None]:
        """A pass in which other processes take part cannot be repeated in halves, because they would not repeat it."""
        try:
            yield
        except (RuntimeError, MemoryError) as exc:
            if not (is_shared and self.parallel.world_size > 1 and is_out_of_memory(exc)):
                raise
            n, width = _size(batch)
            message = f"{n} pairs of up to {width} tokens do not fit into the memory of process {self.parallel.rank}, while others wait for it"
            raise MtkitError(message, "lower batches.max_tokens; auto measures what fits") from None

    def _halves(self, batch: Batch, number: int) -> tuple[Batch, Batch]:
        n, width = _size(batch)
        if n == 1:
            raise MtkitError(
                f"step {number:,}: a pair of {width} tokens does not fit into memory",
                "lower preprocess.max_length, or take a smaller model",
            )
        logger.warning(
            "step %s: %d pairs of up to %d tokens do not fit into memory; they go through it in halves",
            f"{number:,}",
            n,
            width,
        )
        return batch.halves(self.model.tgt_pad_id)


_MEMORY_IS_SHORT = (
    "can't allocate memory",
    "not enough memory",
    "std::bad_alloc",
    "CUDA error: out of memory",
    "ALLOC_FAILED",
    "could not create a primitive",
)
"""What the CPU's allocator, the C++ library, CUDA, cuBLAS, cuDNN and oneDNN say where torch does not say it in its own words."""


def is_out_of_memory(exc: BaseException) -> bool:
    """Whether memory, of a GPU or of the machine, has run out."""
    return isinstance(exc, torch.OutOfMemoryError | MemoryError) or any(
        words in str(exc) for words in _MEMORY_IS_SHORT
    )


def _size(batch: Batch) -> tuple[int, int]:
    """Pairs, and tokens of the longest sentence."""
    return batch.src.size(0), max(batch.src.size(1), batch.tgt_in.size(1))


def _sum(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).sum()
