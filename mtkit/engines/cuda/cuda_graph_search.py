"""Beam search on a GPU that never waits: each step does the same on tensors of the same shapes, so that it is recorded once and then played again.

What `beam_search` decides in Python is decided by the device here, and written down: which hypotheses go on, which end, which sentences are done.
Python looks at the number of unfinished sentences, as it was some steps ago, while the device is at work already on the next ones; when half of the
batch is done the rest moves into tensors of half the size. In the end the hypotheses are read from what was written down.
"""

import math
import sys
from collections import deque
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mtkit.config.search import SearchConfig
from mtkit.engines.cuda.decision_log import DecisionLog
from mtkit.engines.cuda.kernel_choice import kernels_for
from mtkit.engines.cuda.scorer import CudaScorer
from mtkit.engines.cuda.static_state import Arena, SearchShape, StaticState, copy_to_start
from mtkit.io.logs import get_logger
from mtkit.search.candidates import top_candidates
from mtkit.search.ensemble_scorer import EnsembleState
from mtkit.search.finished import require_hypotheses
from mtkit.search.hypothesis import Hypothesis, length_penalty
from mtkit.search.max_length import max_target_lengths
from mtkit.search.padding import coarse_length
from mtkit.search.scorer import TopTokens

logger = get_logger(__name__)

_FEWEST_STEPS = 32
_STEPS_BEHIND = 2
"""How far the device may be ahead of what Python knows."""


class CudaGraphSearch:
    """Greedy and beam search with the models of a scorer, which must not change any more.

    Args:
        scorer: Without a shortlist.
    """

    def __init__(self, scorer: CudaScorer) -> None:
        self.scorer = scorer
        self._buffers: dict[tuple[SearchShape, SearchConfig], GraphBuffers] = {}
        self._arena = Arena(0, scorer.device)
        self._lookback = _Lookback(scorer.device)
        self._pool = self._new_pool()

    def can_search(self, config: SearchConfig) -> bool:
        """Whether these settings are for a plain beam, which is all that there is here."""
        is_plain = not config.sampling and config.n_groups == 1 and not config.coverage_penalty
        return (
            is_plain
            and not config.no_repeat_ngram_size
            and config.repetition_penalty == 1.0
            and self.scorer.shortlist is None
        )

    @torch.inference_mode()
    def __call__(self, sources: list[list[int]], config: SearchConfig) -> list[list[Hypothesis]]:
        """As `beam_search`; with a beam of 1 as `greedy_search`. Sentences that do not fit into memory together are searched for in halves.

        Args:
            sources: Token ids of each sentence.
            config: For which `can_search` holds.
        Returns:
            For each sentence, in order, its `n_best` hypotheses, the highest score first.
        Raises:
            MtkitError: The models give no probabilities that are numbers.
            torch.OutOfMemoryError: One sentence does not fit.
        """
        if not sources:
            return []
        try:
            return self._search(sources, config)
        except torch.OutOfMemoryError:
            if len(sources) == 1:
                raise
        logger.info(
            "%d sentences do not fit into the memory of the GPU together; they go in halves",
            len(sources),
        )
        self._forget()
        half = (len(sources) + 1) // 2
        return self(sources[:half], config) + self(sources[half:], config)

    def _search(self, sources: list[list[int]], config: SearchConfig) -> list[list[Hypothesis]]:
        limits = max_target_lengths(sources, config, self.scorer.max_length)
        state = self.scorer.start(sources)
        S = coarse_length(state.caches[0].layers[0].memory_key_BHSK.size(2))
        shape = SearchShape(_room_for(len(sources)), S, config.beam_size, _steps_ahead(S, limits))
        buffers = self._buffers_for(shape, config)
        buffers.begin(state, limits)
        written = DecisionLog(len(sources), config)
        live, length, begun_at = list(range(len(sources))), 0, 0
        while True:
            buffers.replay(length)
            length += 1
            n_live = self._lookback(buffers.n_live)
            if n_live == 0 or length == max(limits):
                break
            is_full = length == buffers.shape.max_steps
            if is_full or 2 * _room_for(n_live) <= buffers.shape.n_sentences:
                done = buffers.done_B.tolist()
                rows = [row for row in range(len(live)) if not done[row]]
                written.add(live, begun_at, buffers.written(length - begun_at))
                live, begun_at = [live[row] for row in rows], length
                if not rows:
                    break
                n_steps = (
                    _steps_ahead(length + 1, [limits[i] for i in live])
                    if is_full
                    else buffers.shape.max_steps
                )
                shape = buffers.shape._replace(n_sentences=_room_for(len(rows)), max_steps=n_steps)
                part = buffers.part(torch.tensor(rows, device=buffers.done_B.device))
                buffers = self._buffers_for(shape, config)
                buffers.resume(part, len(rows))
        if length > begun_at:
            written.add(live, begun_at, buffers.written(length - begun_at))
        self._lookback.clear()
        found = written.hypotheses()
        require_hypotheses(found)
        return found

    def _forget(self) -> None:
        """Give all memory back."""
        self._lookback.clear()
        self._forget_buffers()
        if self.scorer.device.type == "cuda":
            torch.cuda.empty_cache()

    def _forget_buffers(self) -> None:
        # Recorded steps know their places; and with the last of them their pool is gone.
        self._buffers.clear()
        self._pool = self._new_pool()
        self._arena = Arena(0, self.scorer.device)

    def _new_pool(self) -> Any:
        """Of memory that recorded steps share, which are never played at the same time; None where there is nothing to record with."""
        return torch.cuda.graph_pool_handle() if self.scorer.device.type == "cuda" else None

    def _buffers_for(self, shape: SearchShape, config: SearchConfig) -> "GraphBuffers":
        """The one of this shape, with all its tensors zero."""
        buffers = self._buffers.get((shape, config))
        if buffers is None:
            scorer = self.scorer.with_averaging(config.ensemble)
            n_bytes = GraphBuffers(
                scorer, config, shape, Arena(1 << 60, torch.device("meta"))
            ).n_bytes
            if n_bytes > self._arena.buffer.numel():
                self._forget_buffers()
                self._arena = Arena(n_bytes, self.scorer.device)
            buffers = self._buffers[shape, config] = GraphBuffers(
                scorer, config, shape, self._arena, self._pool
            )
        self._arena.buffer[: buffers.n_bytes].zero_()
        return buffers


class GraphBuffers:
    """The tensors of one shape, and the step on them: B sentences, W hypotheses of each, the N best that have ended, T steps written down."""

    def __init__(
        self,
        scorer: CudaScorer,
        config: SearchConfig,
        shape: SearchShape,
        arena: Arena,
        pool: Any = None,
    ) -> None:
        B, _, W, T = shape
        arena.used = 0
        self.scorer, self.config, self.shape = scorer, config, shape
        self.state: StaticState = scorer.static_state(shape, arena.take)
        self.last_BW, self.parents_BW = (
            arena.take((B, W), torch.long),
            arena.take((B, W), torch.long),
        )
        self.scores_BW = arena.take((B, W), torch.float32)
        self.limits_B, self.n_ended_B = arena.take((B,), torch.long), arena.take((B,), torch.long)
        self.best_ended_BN = arena.take((B, config.n_best), torch.float32)
        self.last_penalties_B = arena.take((B,), torch.float32)
        self.done_B = arena.take((B,), torch.bool)
        self.n_written, self.n_live = arena.take((1,), torch.long), arena.take((1,), torch.int32)
        self.written_TBX = arena.take((T, B, 5 * W + 1), torch.int32)
        self.n_bytes = arena.used
        device = arena.buffer.device
        self.penalties_T = torch.tensor(
            [1.0, *(length_penalty(length, config) for length in range(1, T + 1))], device=device
        )
        self._kernels = kernels_for(device, W)
        self._pool, self._is_warm = pool, False
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        """By the number of steps that they have room for."""

    def begin(self, state: EnsembleState, limits: list[int]) -> None:
        """Take up sentences that have just been read, which may have so many tokens each. All tensors have to be zero."""
        self.state.begin(state.caches)
        self.last_BW.fill_(self.scorer.bos_id)
        # There is one hypothesis at first.
        self.scores_BW[:, 1:] = -math.inf
        self.best_ended_BN.fill_(-math.inf)
        copy_to_start(self.limits_B, torch.tensor(limits))
        copy_to_start(
            self.last_penalties_B,
            torch.tensor([length_penalty(limit, self.config) for limit in limits]),
        )
        self.done_B[len(limits) :] = True

    def part(self, sentences: Tensor) -> list[Tensor]:
        """All that is known of these sentences, copied. Indices of shape (B',)."""
        return [
            *self.state.part(sentences),
            *(tensor.index_select(0, sentences) for tensor in self._by_sentence()),
        ]

    def resume(self, part: list[Tensor], n_sentences: int) -> None:
        """Go on with sentences of a buffers of another shape. All tensors have to be zero."""
        own = self._by_sentence()
        self.state.resume(part[: -len(own)])
        for tensor, values in zip(own, part[-len(own) :], strict=True):
            copy_to_start(tensor, values)
        self.done_B[n_sentences:] = True

    def _by_sentence(self) -> list[Tensor]:
        return [
            self.last_BW,
            self.parents_BW,
            self.scores_BW,
            self.limits_B,
            self.n_ended_B,
            self.best_ended_BN,
            self.last_penalties_B,
            self.done_B,
        ]

    def written(self, n_steps: int) -> np.ndarray:
        """What was decided in the steps of this buffers. Shape (n_steps, B, X); see `DecisionLog`."""
        return self.written_TBX[:n_steps].to("cpu", copy=True).numpy()

    def replay(self, n_steps: int) -> None:
        """Take a step, of which there have been so many: the first one by one, so that libraries can get ready, all others recorded."""
        room = min(coarse_length(n_steps + 1), self.shape.max_steps)
        if self._pool is None or not self._is_warm:
            self.state.look_at(room)
            self._step()
            self._is_warm = True
            return
        if room not in self._graphs:
            self.state.look_at(room)
            self._graphs[room] = self._record()
        self._graphs[room].replay()

    def _record(self) -> torch.cuda.CUDAGraph:
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(self.done_B.device)
        stream.wait_stream(torch.cuda.current_stream(stream.device))
        with torch.cuda.stream(stream):
            graph.capture_begin(pool=self._pool)
            try:
                self._step()
            finally:
                graph.capture_end()
        torch.cuda.current_stream(stream.device).wait_stream(stream)
        return graph

    def _step(self) -> None:
        # Of one hypothesis no more than `beam_size` can be kept; EOS may be among its best, and where it may not come yet one more is needed.
        n_wanted = self.config.beam_size + 1 + (self.config.min_length > 0)
        best = self.scorer.step_top_k(self.state, self.last_BW, self.parents_BW, n_wanted)
        if self._kernels is not None:
            self._kernels.decide(best, self)
        else:
            self.decide(best)
        self.n_written += 1

    def decide(self, best: TopTokens) -> None:
        """Choose who goes on, end whom EOS or the maximum length ends, see which sentences are done, and write all that down."""
        config, eos_id = self.config, self.scorer.eos_id
        length = self.state.length
        log_probs_BWC, token_ids_BWC = best.log_probs_BWC, best.token_ids_BWC
        if config.min_length:
            log_probs_BWC = log_probs_BWC.masked_fill(
                (token_ids_BWC == eos_id) & (length <= config.min_length), -math.inf
            )
        must_end_B1 = (self.limits_B == length)[:, None]
        log_probs_BWC = log_probs_BWC.masked_fill(must_end_B1[:, :, None], -math.inf)
        log_probs_BWC[:, :, 0] = torch.where(
            must_end_B1, best.eos_log_probs_BW, log_probs_BWC[:, :, 0]
        )
        token_ids_BWC[:, :, 0].masked_fill_(must_end_B1, eos_id)

        chosen = top_candidates(
            log_probs_BWC + self.scores_BW[:, :, None], token_ids_BWC, config.beam_size, eos_id
        )
        ended_BW = (
            chosen.finished_log_probs_BW / self.penalties_T.index_select(0, length)
        ).masked_fill(~chosen.is_finished_BW, -math.inf)
        best_ended_BN = (
            torch.cat((self.best_ended_BN, ended_BW), dim=1).topk(config.n_best, dim=1).values
        )
        self.best_ended_BN.copy_(best_ended_BN)
        self.n_ended_B += chosen.is_finished_BW.sum(1)
        best_live_B = chosen.log_probs_BW.amax(1)
        # A log-probability only falls, and the divisor only grows up to the maximum length.
        is_beaten_B = (self.n_ended_B >= config.n_best) & (
            best_ended_BN[:, -1] >= best_live_B / self.last_penalties_B
        )
        self.done_B |= (
            (self.n_ended_B >= config.beam_size) | (best_live_B == -math.inf) | is_beaten_B
        )
        self.n_live.copy_((~self.done_B).sum())

        self.scores_BW.copy_(chosen.log_probs_BW)
        self.parents_BW.copy_(chosen.parents_BW)
        self.last_BW.copy_(chosen.token_ids_BW)
        numbers_BX = torch.cat(
            (
                chosen.parents_BW,
                chosen.token_ids_BW,
                chosen.is_finished_BW,
                chosen.finished_parents_BW,
                self.done_B[:, None],
            ),
            dim=1,
        ).int()
        line_BX = torch.cat(
            (numbers_BX, chosen.finished_log_probs_BW.contiguous().view(torch.int32)), dim=1
        )
        self.written_TBX.index_copy_(0, self.n_written, line_BX[None])


class _Lookback:
    """How many sentences were unfinished some steps ago: known without waiting for the device."""

    class _Seen(NamedTuple):
        event: torch.cuda.Event
        number: Tensor

    def __init__(self, device: torch.device) -> None:
        self._waits = device.type == "cuda"
        self._seen: deque[_Lookback._Seen] = deque()
        self._free: list[_Lookback._Seen] = []
        if self._waits:
            self._free = [
                self._Seen(torch.cuda.Event(), torch.zeros(1, dtype=torch.int32).pin_memory())
                for _ in range(_STEPS_BEHIND + 1)
            ]

    def __call__(self, n_live: Tensor) -> int:
        """Note the number as it is after this step; give back the one of before, as far as it is known."""
        if not self._waits:
            return int(n_live)
        seen = self._free.pop()
        seen.number.copy_(n_live, non_blocking=True)
        seen.event.record()
        self._seen.append(seen)
        if len(self._seen) <= _STEPS_BEHIND:
            return sys.maxsize
        oldest = self._seen.popleft()
        oldest.event.synchronize()
        self._free.append(oldest)
        return int(oldest.number)

    def clear(self) -> None:
        """Forget what belongs to sentences that are done."""
        for seen in self._seen:
            seen.event.synchronize()
        self._free += self._seen
        self._seen.clear()


def _room_for(n_sentences: int) -> int:
    """The size of batch that so many sentences are put into."""
    return coarse_length(2 * n_sentences) // 2


def _steps_ahead(n_steps: int, limits: list[int]) -> int:
    """Room for so many steps, as far as any sentence may take them."""
    return max(coarse_length(min(n_steps, max(limits))), _FEWEST_STEPS)
