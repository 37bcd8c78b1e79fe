"""Tensors for a search of one shape, and the step on them that a CUDA graph replays."""

import math
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import torch
from torch import Tensor

from mtkit.config.search import SearchConfig
from mtkit.engines.cuda.decision import BeamTensors, DecisionTensors, decide
from mtkit.engines.cuda.kernel_choice import kernels_for
from mtkit.engines.cuda.static_state import Arena, SearchShape, StateCopy, copy_to_start
from mtkit.search.batch_layout import coarse_length
from mtkit.search.ensemble_scorer import EnsembleState
from mtkit.search.hypothesis import length_penalty
from mtkit.search.logits_rules import block_early_eos, block_repeated_ngrams
from mtkit.search.scorer import TopTokens, top_tokens_of

if TYPE_CHECKING:
    from mtkit.engines.cuda.scorer import CudaScorer


class SentencesCopy(NamedTuple):
    """The state of some sentences, copied out of the buffers of one shape into those of another."""

    state: StateCopy
    beam: BeamTensors


class GraphMemory(NamedTuple):
    """What all CUDA graphs of a search share."""

    pool: Any
    """Memory pool."""
    stream: torch.cuda.Stream
    """Stream on which they are captured. cuBLAS keeps a workspace for each stream."""

    @classmethod
    def on(cls, device: torch.device, previous: Self | None = None) -> Self | None:
        """Create a pool, with the stream of the previous one; None on a CPU, without graphs."""
        if device.type != "cuda":
            return None
        stream = torch.cuda.Stream(device) if previous is None else previous.stream
        return cls(torch.cuda.graph_pool_handle(), stream)


class GraphBuffers:
    """All tensors of a search for B sentences with W hypotheses and at most T steps.

    Args:
        scorer: Computes log-probabilities.
        config: Search settings.
        shape: B, S, W and T.
        arena: Memory for the tensors. It may hold the tensors of other shapes too, one at a time.
        memory: Memory of the CUDA graphs; None runs every step without a graph.
    """

    def __init__(
        self,
        scorer: "CudaScorer",
        config: SearchConfig,
        shape: SearchShape,
        arena: Arena,
        memory: GraphMemory | None = None,
    ) -> None:
        B, _, W, T = shape
        n_past_tokens = T if config.no_repeat_ngram_size else 0
        arena.used = 0
        self.scorer, self.config, self.shape = scorer, config, shape
        self.state = scorer.static_state(shape, arena.take)
        beam = BeamTensors(
            log_probs_BW=arena.take((B, W), torch.float32),
            parents_BW=arena.take((B, W), torch.long),
            token_ids_BW=arena.take((B, W), torch.long),
            max_lengths_B=arena.take((B,), torch.long),
            n_finished_B=arena.take((B,), torch.long),
            best_scores_BN=arena.take((B, config.n_best), torch.float32),
            final_penalties_B=arena.take((B,), torch.float32),
            is_done_B=arena.take((B,), torch.bool),
            past_tokens_BWT=arena.take((B, W, n_past_tokens), torch.long),
        )
        n_unfinished, step = arena.take((1,), torch.int32), arena.take((1,), torch.long)
        log_TBX = arena.take((T, B, 5 * W + 1), torch.int32)
        self.n_bytes = arena.used
        device = arena.buffer.device
        penalties = [1.0, *(length_penalty(length, config) for length in range(1, T + 1))]
        penalties_T = torch.tensor(penalties, device=device)
        self.tensors = DecisionTensors(
            beam, n_unfinished, penalties_T, self.state.length, step, log_TBX
        )
        kernels = kernels_for(device, W)
        self._decide = decide if kernels is None else kernels.decide
        self._memory, self._is_warm = memory, False
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        """Graphs by the number of steps whose keys they attend to."""

    def load_sources(self, state: EnsembleState, max_lengths: list[int]) -> None:
        """Start the search for sentences that have just been encoded. All tensors must be zero.

        Args:
            state: The scorer's state.
            max_lengths: Maximum number of tokens of each sentence, EOS included.
        """
        beam = self.tensors.beam
        self.state.load_sources(state.caches)
        beam.token_ids_BW.fill_(self.scorer.bos_id)
        # A search starts from a single empty hypothesis.
        beam.log_probs_BW[:, 1:] = -math.inf
        beam.best_scores_BN.fill_(-math.inf)
        copy_to_start(beam.max_lengths_B, torch.tensor(max_lengths))
        penalties = [length_penalty(length, self.config) for length in max_lengths]
        copy_to_start(beam.final_penalties_B, torch.tensor(penalties))
        beam.is_done_B[len(max_lengths) :] = True

    def copy_sentences(self, rows: Tensor) -> SentencesCopy:
        """Copy the state of some sentences, given by their rows. Shape (B',)."""
        beam = BeamTensors(*(tensor.index_select(0, rows) for tensor in self.tensors.beam))
        return SentencesCopy(self.state.copy_sentences(rows), beam)

    def load_sentences(self, copied: SentencesCopy) -> None:
        """Continue the search for sentences of another shape. All tensors must be zero."""
        self.state.load_sentences(copied.state)
        for tensor, values in zip(self.tensors.beam, copied.beam, strict=True):
            copy_to_start(tensor, values)
        self.tensors.beam.is_done_B[len(copied.beam.is_done_B) :] = True

    def log(self, n_steps: int) -> Tensor:
        """Return the decisions of the first steps on these buffers; see `DecisionLog`."""
        return self.tensors.log_TBX[:n_steps]

    def take_step(self, n_steps: int) -> None:
        """Take one step after `n_steps` others.

        The first step on these buffers runs without a graph, so that libraries can initialize. The
        others are captured once for each number of keys, and replayed.
        """
        n_visible = min(coarse_length(n_steps + 1), self.shape.max_steps)
        if self._memory is None or not self._is_warm:
            self.state.attend_to(n_visible)
            self._step()
            self._is_warm = True
            return
        if n_visible not in self._graphs:
            self.state.attend_to(n_visible)
            self._graphs[n_visible] = self._capture(*self._memory)
        self._graphs[n_visible].replay()

    def _capture(self, pool: Any, stream: torch.cuda.Stream) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        stream.wait_stream(torch.cuda.current_stream(stream.device))
        with torch.cuda.stream(stream):
            # Other threads may use the device meanwhile.
            graph.capture_begin(pool=pool, capture_error_mode="thread_local")
            try:
                self._step()
            finally:
                graph.capture_end()
        torch.cuda.current_stream(stream.device).wait_stream(stream)
        return graph

    def _step(self) -> None:
        beam, config = self.tensors.beam, self.config
        if config.no_repeat_ngram_size:
            top, min_length = self._top_without_repetition(), 0
        else:
            # At most `beam_size` continuations of a hypothesis can be kept, and EOS may be among
            # its best; while EOS is impossible, another one takes its place.
            n_tokens, min_length = config.beam_size + 1 + (config.min_length > 0), config.min_length
            inputs = self.state, beam.token_ids_BW, beam.parents_BW
            top = self.scorer.step_top_k(*inputs, n_tokens)
        self._decide(top, self.tensors, self.scorer.eos_id, min_length)
        if config.no_repeat_ngram_size:
            parents_BWT = beam.parents_BW[:, :, None].expand_as(beam.past_tokens_BWT)
            past_tokens_BWT = beam.past_tokens_BWT.gather(1, parents_BWT)
            past_tokens_BWT.index_copy_(2, self.state.length - 1, beam.token_ids_BW[:, :, None])
            beam.past_tokens_BWT.copy_(past_tokens_BWT)
        self.tensors.step.add_(1)

    def _top_without_repetition(self) -> TopTokens:
        """Return the best next tokens that repeat no n-gram; see `LogitsRules.step`."""
        beam, config, eos_id = self.tensors.beam, self.config, self.scorer.eos_id
        log_probs_BWV = self.scorer.step(self.state, beam.token_ids_BW, beam.parents_BW)
        length = self.state.length
        block_repeated_ngrams(
            log_probs_BWV, beam.past_tokens_BWT, config.no_repeat_ngram_size, length - 1
        )
        eos_BW = log_probs_BWV[:, :, eos_id].clone()
        if config.min_length:
            block_early_eos(log_probs_BWV, eos_id, length <= config.min_length)
        top = top_tokens_of(log_probs_BWV, config.beam_size + 1, eos_id)
        return top._replace(eos_log_probs_BW=eos_BW)
