"""Next-token scores on a GPU, with Triton kernels and CUDA graphs."""

from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from mtkit.config.model import AlignmentHead
from mtkit.config.search import SearchConfig
from mtkit.engines.cuda.kernel_choice import kernels_for
from mtkit.engines.cuda.static_state import Allocate, SearchShape, StaticState
from mtkit.engines.position_table import PositionTable, tabulated
from mtkit.engines.self_check import check_scorer
from mtkit.engines.shared_copy import replace_modules, shared_copy
from mtkit.model.transformer import Transformer
from mtkit.search.ensemble_scorer import EnsembleScorer, EnsembleState
from mtkit.search.scorer import BatchSearch, TopTokens
from mtkit.search.shortlist.shortlist import Shortlist
from mtkit.tokenizer.special_ids import SpecialIds

if TYPE_CHECKING:
    from mtkit.engines.cuda.cuda_graph_search import CudaGraphSearch

_TOLERANCES = {torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.02}
"""Largest difference from the plain model, as `check_scorer` measures it."""


class CudaScorer(EnsembleScorer):
    """An `EnsembleScorer` for a GPU, with its own search for plain beams.

    The models are not modified, and must not be modified afterwards.

    Args:
        models: See `EnsembleScorer`.
        src_special: See `EnsembleScorer`.
        tgt_special: See `EnsembleScorer`.
        heads: See `EnsembleScorer`.
        shortlist: See `EnsembleScorer`.
    Raises:
        UnsupportedModelError: The results differ from the plain models'.
    """

    def __init__(
        self,
        models: Sequence[Transformer],
        src_special: SpecialIds,
        tgt_special: SpecialIds,
        heads: Sequence[AlignmentHead] | None = None,
        shortlist: Shortlist | None = None,
    ) -> None:
        copies = [cuda_copy(model) for model in models]
        super().__init__(copies, src_special, tgt_special, heads, shortlist)
        plain = EnsembleScorer(models, src_special, tgt_special)
        check_scorer(self, plain, _TOLERANCES[models[0].output_weight.dtype])

    @cached_property
    def _graph_search(self) -> "CudaGraphSearch":
        from mtkit.engines.cuda.cuda_graph_search import CudaGraphSearch

        return CudaGraphSearch(self)

    def batch_search(self, config: SearchConfig) -> BatchSearch | None:
        """See `StepScorer`."""
        search = self._graph_search
        return partial(search, config=config) if search.can_search(config) else None

    def static_state(self, shape: SearchShape, take: Allocate) -> StaticState:
        """Make a state whose tensors keep their addresses and shapes."""
        return StaticState(self.models, shape, take)

    def start(self, sources: list[list[int]]) -> EnsembleState:
        """See `StepScorer`."""
        state = super().start(sources)
        for model, cache in zip(self.models, state.caches, strict=True):
            cache.may_attend_B11S = _bias(cache.may_attend_B11S, model.output_weight.dtype)
        return state

    def step_top_k(
        self, state: EnsembleState, token_ids_BW: Tensor, parents_BW: Tensor, k: int
    ) -> TopTokens:
        """See `StepScorer`."""
        kernels = kernels_for(self.device, k)
        if kernels is None or len(self.models) > 1 or state.shortlisted is not None:
            return super().step_top_k(state, token_ids_BW, parents_BW, k)
        [logits_BWV] = self._logits(state, token_ids_BW, parents_BW, None)
        return kernels.top_tokens_of_logits(
            logits_BWV, min(k, logits_BWV.size(2)), self.eos_id, self.never
        )

    def _decode(
        self, state: EnsembleState, token_ids_BW: Tensor, may_attend_BWM: Tensor | None
    ) -> list[Tensor]:
        for model in self.models:
            if isinstance(model.tgt_positions, PositionTable):
                model.tgt_positions.reaching(state.n_steps + 1, self.device)
        if may_attend_BWM is not None:
            may_attend_BWM = _bias(may_attend_BWM, self.models[0].output_weight.dtype)
        return super()._decode(state, token_ids_BW, may_attend_BWM)


def _bias(may_attend: Tensor, dtype: torch.dtype) -> Tensor:
    """Convert a mask to values that are added to attention scores, which every layer would do."""
    bias = torch.zeros_like(may_attend, dtype=dtype)
    return bias.masked_fill_(~may_attend, float("-inf"))


class Float32Output(nn.Module):
    """An output layer whose logits are float32, whatever the type of the weights.

    Rounded to the 8 or 11 bits of bf16 or fp16, many tokens would seem equally probable.
    """

    def __init__(self, weight_VD: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight_VD

    def forward(self, states: Tensor) -> Tensor:
        """Shape (..., D) to (..., V)."""
        logits = torch.mm(states.flatten(0, -2), self.weight.mT, out_dtype=torch.float32)
        return logits.unflatten(0, states.shape[:-1])


def cuda_copy(model: Transformer) -> Transformer:
    """Copy a model, with a table of its positions and with logits in float32."""
    other = shared_copy(model)
    replace_modules(other, tabulated)
    weight_VD = cast(nn.Parameter, model.output_weight)
    if weight_VD.device.type == "cuda" and weight_VD.dtype != torch.float32:
        other.output = cast(nn.Linear, Float32Output(weight_VD))
    return other
