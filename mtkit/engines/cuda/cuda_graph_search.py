"""Beam search on a GPU that never waits for a decision.

Each step does the same on tensors of the same shapes, so it is captured once as a CUDA graph and
then replayed. What `beam_search` decides in Python is decided by the device and logged: which
hypotheses continue, which end, and which sentences are done. Python reads the number of unfinished
sentences some steps late, while the device already computes the next ones. When half of the batch
is done, the other half moves to tensors of half the size. In the end the hypotheses are
reconstructed from the log. Two batches are searched in turns: while Python waits for one, and while
it makes hypotheses of one that is done, the device computes the other.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mtkit.config.search import SearchConfig
from mtkit.engines.cuda.buffer_pool import BufferPool
from mtkit.engines.cuda.decision_log import DecisionLog
from mtkit.engines.cuda.static_state import SearchShape
from mtkit.search.batch_layout import coarse_length
from mtkit.search.finished import require_hypotheses
from mtkit.search.hypothesis import Hypothesis
from mtkit.search.max_length import max_target_lengths

if TYPE_CHECKING:
    from mtkit.engines.cuda.scorer import CudaScorer

_MIN_STEPS = 32
_N_AT_A_TIME = 2
"""Batches searched at a time: while Python waits for one, the device computes the other."""

Sources = list[list[int]]
Found = list[list[Hypothesis]]
Wait = torch.cuda.Event | None
"""Event that must occur before a search continues; None if there is nothing to wait for."""


class CudaGraphSearch:
    """Greedy and beam search with the models of a scorer.

    Threads may share it; they search one after the other.

    Args:
        scorer: Must not change afterwards, and must not have a shortlist.
    """

    def __init__(self, scorer: "CudaScorer") -> None:
        self.scorer = scorer
        self._pools = [BufferPool(scorer) for _ in range(_N_AT_A_TIME)]
        self._lock = threading.Lock()

    def can_search(self, config: SearchConfig) -> bool:
        """Return whether these settings are supported: greedy search or a beam without penalties.

        Blocking repeated n-grams is supported too.
        """
        return (
            not config.sampling
            and config.n_groups == 1
            and not config.coverage_penalty
            and config.repetition_penalty == 1.0
            and self.scorer.shortlist is None
        )

    @torch.inference_mode()
    def __call__(
        self,
        batches: Sequence[Sources],
        config: SearchConfig,
        on_found: Callable[[int, Found], None],
    ) -> None:
        """Search as `beam_search` does, or with a beam of 1 as `greedy_search` does.

        Args:
            batches: Token ids of each sentence of each batch, without EOS.
            config: Settings for which `can_search` returns True.
            on_found: Called with the index of each batch as soon as it is done, and the `n_best`
                hypotheses of its sentences, the highest score first.
        Raises:
            MtkitError: The models' probabilities are not finite.
            torch.OutOfMemoryError: The memory is too small; what was reserved is released.
        """
        with self._lock:
            try:
                self._search_in_turns(batches, config, on_found)
            except torch.OutOfMemoryError:
                for pool in self._pools:
                    pool.release()
                raise

    def _search_in_turns(
        self,
        batches: Sequence[Sources],
        config: SearchConfig,
        on_found: Callable[[int, Found], None],
    ) -> None:
        waiting, unused = deque(enumerate(batches)), list(self._pools)
        running: list[_Running] = []
        while waiting or running:
            while waiting and unused:
                index, sources = waiting.popleft()
                pool = unused.pop()
                running.append(_Running(index, pool, self._search(pool, sources, config)))
            # The one that has waited longest among those that can continue, or else among all.
            current = next((one for one in running if one.is_ready), running[0])
            running.remove(current)
            found = current.advance()
            if found is None:
                running.append(current)
            else:
                unused.append(current.pool)
                on_found(current.index, found)

    def _search(
        self, pool: BufferPool, sources: Sources, config: SearchConfig
    ) -> Generator[Wait, None, Found]:
        """Search one batch. Yields wherever it would have to wait for the device."""
        if not sources:
            return []
        # An exception may have left the counts of another search.
        pool.n_unfinished.clear()
        max_lengths = max_target_lengths(sources, config, self.scorer.max_length)
        state = self.scorer.start(sources)
        S = coarse_length(state.caches[0].layers[0].memory_key_BHSK.size(2))
        max_steps = _step_capacity(S, max_lengths)
        shape = SearchShape(_batch_capacity(len(sources)), S, config.beam_size, max_steps)
        buffers = pool.buffers(shape, config)
        buffers.load_sources(state, max_lengths)
        log = DecisionLog(len(sources), config)
        sentences, length, first_step = list(range(len(sources))), 0, 0
        while True:
            buffers.take_step(length)
            length += 1
            pool.n_unfinished.start(buffers.tensors.n_unfinished, None)
            yield pool.n_unfinished.is_ready
            read = pool.n_unfinished.read()
            n_unfinished = len(sentences) if read is None else int(read[0])
            if n_unfinished == 0 or length == max(max_lengths):
                break
            is_full = length == buffers.shape.max_steps
            if not is_full and 2 * _batch_capacity(n_unfinished) > buffers.shape.n_sentences:
                continue
            # Move the unfinished sentences to tensors for fewer sentences or for more steps.
            is_done = (yield from _read(buffers.tensors.beam.is_done_B)).tolist()
            rows = [row for row in range(len(sentences)) if not is_done[row]]
            records = yield from _read(buffers.log(length - first_step))
            log.add(sentences, first_step, records.numpy())
            sentences, first_step = [sentences[row] for row in rows], length
            if not rows:
                break
            max_steps = buffers.shape.max_steps
            if is_full:
                max_steps = _step_capacity(length + 1, [max_lengths[i] for i in sentences])
            shape = buffers.shape._replace(
                n_sentences=_batch_capacity(len(rows)), max_steps=max_steps
            )
            copied = buffers.copy_sentences(torch.tensor(rows, device=self.scorer.device))
            buffers = pool.buffers(shape, config)
            buffers.load_sentences(copied)
        if length > first_step:
            records = yield from _read(buffers.log(length - first_step))
            log.add(sentences, first_step, records.numpy())
        hypotheses = log.hypotheses()
        require_hypotheses(hypotheses)
        return hypotheses


@dataclass(eq=False)
class _Running:
    """A search that has begun."""

    index: int
    """Index of the batch."""
    pool: BufferPool
    steps: Generator[Wait, None, Found]
    wait: Wait = None

    @property
    def is_ready(self) -> bool:
        return self.wait is None or self.wait.query()

    def advance(self) -> Found | None:
        """Continue to the next wait; return the hypotheses if the search has ended, else None."""
        if self.wait is not None:
            self.wait.synchronize()
        try:
            self.wait = next(self.steps)
        except StopIteration as end:
            return end.value
        return None


def _read(tensor: Tensor) -> Generator[Wait, None, Tensor]:
    """Copy a tensor to the CPU; yields the event that the copy has been made."""
    if not tensor.is_cuda:
        yield None
        return tensor.clone()
    copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    copy.copy_(tensor, non_blocking=True)
    is_ready = torch.cuda.Event()
    is_ready.record()
    yield is_ready
    return copy


def _batch_capacity(n_sentences: int) -> int:
    """Return the number of sentences for which tensors are allocated."""
    return coarse_length(2 * n_sentences) // 2


def _step_capacity(n_steps: int, max_lengths: list[int]) -> int:
    """Return the number of steps for which tensors are allocated."""
    return max(coarse_length(min(n_steps, max(max_lengths))), _MIN_STEPS)
