"""Next-token scores on a CPU, with attention and selection of tokens in compiled code."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mtkit.engines.cpu.compiled.batch_cache import CompiledCache, padded
from mtkit.engines.cpu.compiled.top_tokens import top_tokens
from mtkit.engines.cpu.packed_decoder import PackedDecoder
from mtkit.engines.cpu.scorer import CpuScorer
from mtkit.model.transformer import Memory
from mtkit.search.ensemble_scorer import EnsembleState
from mtkit.search.scorer import TopTokens


class CompiledDecoder(PackedDecoder):
    """A `PackedDecoder` whose attention is compiled."""

    def start_cache(self, memories: Sequence[Memory], rows: Sequence[list[int]]) -> CompiledCache:
        """See `PackedDecoder`."""
        masks = [memory.may_attend_B11S.flatten(1)[:, :, None] for memory in memories]
        projections = [layer.cross_attention.inner.key_value for layer in self.decoder_layers]
        sources = [
            padded([project(memory.states_BSD) for memory in memories], rows)
            for project in projections
        ]
        return CompiledCache(sources, padded(masks, rows)[:, :, 0] > 0)


class CompiledScorer(CpuScorer):
    """A `CpuScorer` whose attention and selection of tokens are compiled.

    Its models have no rotary positions.
    """

    decoder_type = CompiledDecoder

    def start(self, sources: list[list[int]]) -> "CompiledState":
        """See `StepScorer`."""
        return CompiledState(self._start_caches(sources), self._shortlisted(sources))

    def step_top_k(
        self, state: EnsembleState, token_ids_BW: Tensor, parents_BW: Tensor, k: int
    ) -> TopTokens:
        """See `StepScorer`."""
        if len(self.models) > 1:
            return super().step_top_k(state, token_ids_BW, parents_BW, k)
        shortlisted = state.shortlisted
        [logits_BWV] = self._logits(state, token_ids_BW, parents_BW, shortlisted)
        B, W, V = logits_BWV.shape
        never, eos = self.never, self.eos_id
        if shortlisted is not None:
            never, eos = shortlisted.never, shortlisted.eos_index
        top = TopTokens(
            torch.empty(B, W, min(k, V)),
            torch.empty(B, W, min(k, V), dtype=torch.long),
            torch.empty(B, W),
        )
        top_tokens(
            logits_BWV.view(B * W, V).numpy(),
            np.array(never, np.int64),
            eos,
            top.log_probs_BWC.view(B * W, -1).numpy(),
            top.token_ids_BWC.view(B * W, -1).numpy(),
            top.eos_log_probs_BW.view(-1).numpy(),
        )
        if shortlisted is None:
            return top
        return top._replace(token_ids_BWC=shortlisted.token_ids[top.token_ids_BWC])


@dataclass
class CompiledState(EnsembleState):
    """As `EnsembleState`; ancestors are positions in the cache instead of a mask."""

    ancestors_BWT: Tensor | None = None
    n_positions: int = 0
    """Positions of each sentence in the cache."""

    def ancestors(self, parents_BW: Tensor) -> Tensor:
        """Find the position of the ancestor of each hypothesis at each step, and its own one.

        Returns:
            Shape (B, W, T), T with this step.
        """
        B, W = parents_BW.shape
        own_BW1 = torch.arange(self.n_positions, self.n_positions + W).expand(B, W)[:, :, None]
        before_BWT = self.ancestors_BWT
        if before_BWT is None:
            self.ancestors_BWT = own_BW1.contiguous()
        else:
            inherited_BWT = before_BWT.gather(
                1, parents_BW[:, :, None].expand(-1, -1, before_BWT.size(2))
            )
            self.ancestors_BWT = torch.cat((inherited_BWT, own_BW1), dim=2)
        self.n_positions += W
        return self.ancestors_BWT

    def select(self, sentences: Tensor) -> None:
        """See `ScorerState`."""
        super().select(sentences)
        if self.ancestors_BWT is not None:
            self.ancestors_BWT = self.ancestors_BWT.index_select(0, sentences)
