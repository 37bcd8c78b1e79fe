"""One optimizer update."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from mtkit.batches.collate import Batch
from mtkit.config.training import TrainingConfig
from mtkit.engines.precision import autocast
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.training.distributed.parallel import Parallel
from mtkit.training.loss.terms import Loss
from mtkit.training.objective import Objective, is_finite
from mtkit.training.random_state import seed_everything

if TYPE_CHECKING:
    from mtkit.training.ema import EmaWeights

logger = get_logger(__name__)


class StepResult(NamedTuple):
    """Result of one update. The tensors are scalars on the device; reading one synchronizes it."""

    loss: Tensor
    """The loss that is minimized, summed over the target tokens of this process, in nats."""
    nll: Tensor
    """Negative log-likelihood, summed likewise."""
    parts: dict[str, Tensor]
    """Auxiliary losses by name, summed likewise."""
    grad_norm: Tensor
    """Norm of the gradient before clipping."""
    is_good: Tensor
    """Whether loss and gradient were finite; if not, weights and moments are unchanged."""
    n_tokens: int
    """Target tokens of the update, over all processes."""


class Stepper:
    """Makes optimizer updates.

    Args:
        objective: Model and loss, in training mode.
        optimizer: Optimizer of the model's parameters; a fused one can skip an update without
            synchronizing the device.
        config: Gradient clipping and seed.
        dtype: Precision of the matrix products.
        parallel: Processes that make each update together.
        ema: Moving average that is updated after each update.
    """

    def __init__(
        self,
        objective: Objective,
        optimizer: torch.optim.Optimizer,
        config: TrainingConfig,
        dtype: torch.dtype,
        parallel: Parallel | None = None,
        ema: "EmaWeights | None" = None,
    ) -> None:
        self.model, self.optimizer, self.ema = objective.model, optimizer, ema
        self.config, self.dtype = config, dtype
        self.parallel = parallel or Parallel()
        self.objective = self.parallel.wrap(objective)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=dtype == torch.float16)
        self.n_bad_in_a_row = torch.zeros((), device=self.device)
        """Updates skipped since the last good one. Scalar on the device."""
        self.splits_on_oom = True
        """Whether a batch that does not fit into memory is split in halves, or raises."""

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return self.model.output_weight.device

    def step(
        self, batches: Sequence[Batch], number: int, rate: float, n_tokens: int | None = None
    ) -> StepResult:
        """Update the weights once, unless loss or gradient is not finite.

        The gradients of all batches are summed and divided by the number of all their target
        tokens: the same as the gradient of one large batch.

        Args:
            batches: Batches of this process, on the model's device.
            number: Number of the update, from 1; together with the seed it determines dropout.
            rate: Learning rate.
            n_tokens: Target tokens of the batches of all processes; default: those of `batches`.
        Raises:
            MtkitError: A single pair does not fit into memory, or a batch does not fit whose
                gradients the processes were already reducing.
        """
        n_tokens = sum(batch.n_tokens for batch in batches) if n_tokens is None else n_tokens
        losses = self._add_gradients(batches, number, n_tokens)
        total = _sum([loss.total.detach() for loss in losses])
        nll = _sum([loss.nll for loss in losses])
        self.scaler.unscale_(self.optimizer)
        max_norm = self.config.max_grad_norm or float("inf")
        grad_norm = self.parallel.clip_gradients(self.model, max_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        if self.scaler.is_enabled():
            # fp16: the scaler skips non-finite updates itself and then halves its scale.
            is_good = is_finite(grad_norm)
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            # All processes skip an update if the loss of any is not finite.
            is_good = is_finite(grad_norm, self.parallel.all_reduce(total.clone()))
            self._update_if(is_good)
        self.n_bad_in_a_row = (self.n_bad_in_a_row + 1) * ~is_good
        self.optimizer.zero_grad(set_to_none=True)
        if self.ema is not None:
            self.ema.update(number)
        names = dict.fromkeys(name for loss in losses for name in loss.parts)
        parts = {
            name: _sum([loss.parts[name] for loss in losses if name in loss.parts])
            for name in names
        }
        return StepResult(total, nll, parts, grad_norm, is_good, n_tokens)

    def _update_if(self, is_good: Tensor) -> None:
        """Update unless `is_good` is false, without synchronizing the device if possible."""
        if not self.optimizer.defaults.get("fused"):
            if bool(is_good):
                self.optimizer.step()
            return
        # The interface by which a GradScaler makes a fused optimizer skip an update.
        self.optimizer.found_inf = (~is_good).float()  # pyright: ignore[reportAttributeAccessIssue]
        try:
            self.optimizer.step()
        finally:
            del self.optimizer.found_inf  # pyright: ignore[reportAttributeAccessIssue]

    def _add_gradients(self, batches: Sequence[Batch], number: int, n_tokens: int) -> list[Loss]:
        """Run forward and backward passes of all batches.

        A batch that does not fit into memory is split in halves, which changes its dropout masks
        and nothing else.
        """
        # Batches with their position in the update, which seeds their dropout.
        parts: list[tuple[Batch, tuple[int, ...]]] = [
            (batch, (self.parallel.rank + i * self.parallel.world_size,))
            for i, batch in enumerate(batches)
        ]
        while True:
            losses: list[Loss] = []
            for batch, index in parts:
                is_last = len(losses) == len(parts) - 1
                seed = (self.config.seed, number, *index)
                try:
                    losses.append(self._add_gradient(batch, seed, n_tokens, is_last=is_last))
                except (RuntimeError, MemoryError) as exc:
                    if not (self.splits_on_oom and is_out_of_memory(exc)):
                        raise
                    break
            else:
                return losses
            # The failed pass may have added a part of its gradients, so the update starts over.
            self.optimizer.zero_grad(set_to_none=True)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            n_done, (batch, index) = len(losses), parts[len(losses)]
            halves = self._split(batch, number)
            parts[n_done : n_done + 1] = [(half, (*index, i)) for i, half in enumerate(halves)]

    def _add_gradient(
        self, batch: Batch, seed: tuple[int, ...], n_tokens: int, *, is_last: bool
    ) -> Loss:
        seed_everything(*seed)
        is_sharded = self.parallel.is_sharded
        with self.parallel.gradient_sync(self.objective, is_last):
            with self._no_retry(batch, is_collective=is_sharded), autocast(self.dtype, self.device):
                loss: Loss = self.objective(batch)
            with self._no_retry(batch, is_collective=is_sharded or is_last):
                # The backward pass averages the gradients over the processes.
                scaled = loss.total * (self.parallel.world_size / n_tokens)
                self.scaler.scale(scaled).backward()
        return loss

    @contextmanager
    def _no_retry(self, batch: Batch, *, is_collective: bool) -> Iterator[None]:
        """Raise if a collective pass runs out of memory: others would not repeat it."""
        try:
            yield
        except (RuntimeError, MemoryError) as exc:
            if not (is_collective and self.parallel.world_size > 1 and is_out_of_memory(exc)):
                raise
            n, width = _size(batch)
            raise MtkitError(
                f"{n} pairs of up to {width} tokens do not fit into the memory of process"
                f" {self.parallel.rank}, while other processes wait for it",
                "lower batches.max_tokens; auto measures what fits",
            ) from None

    def _split(self, batch: Batch, number: int) -> tuple[Batch, Batch]:
        n, width = _size(batch)
        if n == 1:
            raise MtkitError(
                f"step {number:,}: a pair of {width} tokens does not fit into memory",
                "lower preprocess.max_length, or use a smaller model",
            )
        logger.warning(
            "step %s: %d pairs of up to %d tokens do not fit into memory; split in halves",
            f"{number:,}",
            n,
            width,
        )
        return batch.halves(self.model.tgt_pad_id)


_OOM_MESSAGES = (
    "can't allocate memory",
    "not enough memory",
    "std::bad_alloc",
    "CUDA error: out of memory",
    "ALLOC_FAILED",
    "could not create a primitive",
)
"""Out-of-memory messages of the CPU allocator, C++, CUDA, cuBLAS, cuDNN and oneDNN.

torch raises them as plain RuntimeErrors.
"""


def is_out_of_memory(exc: BaseException) -> bool:
    """Whether an exception means that the memory of a GPU or of the machine is exhausted."""
    return isinstance(exc, torch.OutOfMemoryError | MemoryError) or any(
        message in str(exc) for message in _OOM_MESSAGES
    )


def _size(batch: Batch) -> tuple[int, int]:
    """Return the number of pairs, and the tokens of the longest sentence."""
    return batch.src.size(0), max(batch.src.size(1), batch.tgt_in.size(1))


def _sum(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).sum()
