"""Beam search on a GPU that never waits for a decision.

Each step does the same on tensors of the same shapes, so it is captured once as a CUDA graph and
then replayed. What `beam_search` decides in Python is decided by the device and logged: which
hypotheses continue, which end, and which sentences are done. Python reads the number of unfinished
sentences some steps late, while the device already computes the next ones. When half of the batch
is done, the other half moves to tensors of half the size. In the end the hypotheses are
reconstructed from the log.
"""

import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from mtkit.config.search import SearchConfig
from mtkit.engines.cuda.decision_log import DecisionLog
from mtkit.engines.cuda.graph_buffers import GraphBuffers, GraphMemory
from mtkit.engines.cuda.static_state import Arena, SearchShape
from mtkit.search.batch_layout import coarse_length
from mtkit.search.finished import require_hypotheses
from mtkit.search.hypothesis import Hypothesis
from mtkit.search.max_length import max_target_lengths

if TYPE_CHECKING:
    from mtkit.engines.cuda.scorer import CudaScorer

_MIN_STEPS = 32
_LAG = 2
"""Number of steps by which the device may be ahead of what Python knows."""


class CudaGraphSearch:
    """Greedy and beam search with the models of a scorer.

    Threads may share it; they search one after the other, as there is one set of tensors.

    Args:
        scorer: Must not change afterwards, and must not have a shortlist.
    """

    def __init__(self, scorer: "CudaScorer") -> None:
        self.scorer = scorer
        self._buffers: dict[tuple[SearchShape, SearchConfig], GraphBuffers] = {}
        self._arena = Arena(0, scorer.device)
        self._n_unfinished = _LaggedCount(scorer.device)
        self._memory = GraphMemory.on(scorer.device)
        self._lock = threading.Lock()

    def can_search(self, config: SearchConfig) -> bool:
        """Return whether these settings are supported: greedy search or a plain beam."""
        return (
            not config.sampling
            and config.n_groups == 1
            and not config.coverage_penalty
            and not config.no_repeat_ngram_size
            and config.repetition_penalty == 1.0
            and self.scorer.shortlist is None
        )

    @torch.inference_mode()
    def __call__(self, sources: list[list[int]], config: SearchConfig) -> list[list[Hypothesis]]:
        """Search as `beam_search` does, or with a beam of 1 as `greedy_search` does.

        Args:
            sources: Token ids of each sentence, without EOS.
            config: Settings for which `can_search` returns True.
        Returns:
            The `n_best` hypotheses of each sentence, the highest score first.
        Raises:
            MtkitError: The models' probabilities are not finite.
            torch.OutOfMemoryError: The memory is too small; what was reserved is released.
        """
        if not sources:
            return []
        with self._lock:
            try:
                return self._search(sources, config)
            except torch.OutOfMemoryError:
                self._release_buffers()
                raise

    def _search(self, sources: list[list[int]], config: SearchConfig) -> list[list[Hypothesis]]:
        # An exception may have left the counts of another search.
        self._n_unfinished.clear()
        max_lengths = max_target_lengths(sources, config, self.scorer.max_length)
        state = self.scorer.start(sources)
        S = coarse_length(state.caches[0].layers[0].memory_key_BHSK.size(2))
        max_steps = _step_capacity(S, max_lengths)
        shape = SearchShape(_batch_capacity(len(sources)), S, config.beam_size, max_steps)
        buffers = self._buffers_for(shape, config)
        buffers.load_sources(state, max_lengths)
        log = DecisionLog(len(sources), config)
        sentences, length, first_step = list(range(len(sources))), 0, 0
        while True:
            buffers.take_step(length)
            length += 1
            n_unfinished = self._n_unfinished.read(buffers.tensors.n_unfinished)
            if n_unfinished == 0 or length == max(max_lengths):
                break
            is_full = length == buffers.shape.max_steps
            if not is_full and 2 * _batch_capacity(n_unfinished) > buffers.shape.n_sentences:
                continue
            # Move the unfinished sentences to tensors for fewer sentences or for more steps.
            is_done = buffers.tensors.beam.is_done_B.tolist()
            rows = [row for row in range(len(sentences)) if not is_done[row]]
            log.add(sentences, first_step, buffers.read_log(length - first_step))
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
            buffers = self._buffers_for(shape, config)
            buffers.load_sentences(copied)
        if length > first_step:
            log.add(sentences, first_step, buffers.read_log(length - first_step))
        hypotheses = log.hypotheses()
        require_hypotheses(hypotheses)
        return hypotheses

    def _buffers_for(self, shape: SearchShape, config: SearchConfig) -> GraphBuffers:
        """Return the buffers of a shape, with all tensors zero."""
        buffers = self._buffers.get((shape, config))
        if buffers is None:
            scorer = self.scorer.for_search(config)
            # On the meta device tensors have sizes, but no memory.
            unlimited = Arena(1 << 60, torch.device("meta"))
            n_bytes = GraphBuffers(scorer, config, shape, unlimited).n_bytes
            if n_bytes > self._arena.buffer.numel():
                self._release_buffers()
                self._arena = Arena(n_bytes, self.scorer.device)
            buffers = GraphBuffers(scorer, config, shape, self._arena, self._memory)
            self._buffers[shape, config] = buffers
        self._arena.buffer[: buffers.n_bytes].zero_()
        return buffers

    def _release_buffers(self) -> None:
        # Graphs contain the addresses of their tensors. With the last graph, its pool is released.
        self._buffers.clear()
        self._memory = GraphMemory.on(self.scorer.device, self._memory)
        self._arena = Arena(0, self.scorer.device)


class _LaggedCount:
    """Reader of a number on the device, some steps late so that Python does not wait for it.

    Args:
        device: On a CPU, numbers are read at once.
    """

    class _Copy(NamedTuple):
        is_ready: torch.cuda.Event
        number: Tensor

    def __init__(self, device: torch.device) -> None:
        self._is_lagged = device.type == "cuda"
        self._pending: deque[_LaggedCount._Copy] = deque()
        self._unused: list[_LaggedCount._Copy] = []
        if self._is_lagged:
            self._unused = [
                self._Copy(torch.cuda.Event(), torch.zeros(1, dtype=torch.int32).pin_memory())
                for _ in range(_LAG + 1)
            ]

    def read(self, number: Tensor) -> int:
        """Start to copy a number, and return the one of `_LAG` calls before.

        Returns:
            `sys.maxsize` while there is none.
        """
        if not self._is_lagged:
            return int(number)
        copy = self._unused.pop()
        copy.number.copy_(number, non_blocking=True)
        copy.is_ready.record()
        self._pending.append(copy)
        if len(self._pending) <= _LAG:
            return sys.maxsize
        oldest = self._pending.popleft()
        oldest.is_ready.synchronize()
        self._unused.append(oldest)
        return int(oldest.number)

    def clear(self) -> None:
        """Drop the copies of a search that has ended."""
        for copy in self._pending:
            copy.is_ready.synchronize()
        self._unused += self._pending
        self._pending.clear()


def _batch_capacity(n_sentences: int) -> int:
    """Return the number of sentences for which tensors are allocated."""
    return coarse_length(2 * n_sentences) // 2


def _step_capacity(n_steps: int, max_lengths: list[int]) -> int:
    """Return the number of steps for which tensors are allocated."""
    return max(coarse_length(min(n_steps, max(max_lengths))), _MIN_STEPS)
