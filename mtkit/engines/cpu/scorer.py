"""Next-token scores on a CPU: packed weights in float32, bf16 or int8."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mtkit.config.model import AlignmentHead
from mtkit.config.search import SearchConfig
from mtkit.engines.cpu.packed_cache import PackedCache
from mtkit.engines.cpu.packed_decoder import PackedDecoder
from mtkit.engines.cpu.packed_linear import Int8Linear, OneDnnLinear, can_pack
from mtkit.engines.cpu.packed_model import PackedLayer, packed_copy
from mtkit.engines.protocol import UnsupportedModelError
from mtkit.engines.self_check import check_scorer
from mtkit.io.logs import get_logger
from mtkit.model.transformer import Transformer
from mtkit.search.ensemble_scorer import (
    EnsembleScorer,
    EnsembleState,
    OutputLayer,
    output_rows,
)
from mtkit.search.scorer import BatchSearch
from mtkit.search.shortlist.shortlist import Shortlist
from mtkit.tokenizer.special_ids import SpecialIds

if TYPE_CHECKING:
    from mtkit.engines.cpu.compiled.search import CompiledSearch

logger = get_logger(__name__)

_DROP_EVERY, _MAX_SHARE_KEPT = 16, 0.75
"""Cached positions are dropped every 16 steps, if at most three quarters of them remain."""
_TOLERANCES = {"float32": 1e-3, "bf16": 0.1, "int8": 0.5}
"""Largest difference from the plain model, as `check_scorer` measures it."""


class CpuScorer(EnsembleScorer):
    """An `EnsembleScorer` that computes with packed weights; see README.md of this package.

    The models are not modified, and must not be modified afterwards.

    Args:
        models: See `EnsembleScorer`; in float32 or bf16, on a CPU.
        src_special: See `EnsembleScorer`.
        tgt_special: See `EnsembleScorer`.
        heads: See `EnsembleScorer`.
        shortlist: See `EnsembleScorer`.
        int8: Multiply 8-bit integers; everything else stays in float32.
        by_row: With int8, see `Int8Linear`.
        compiled: Search one model in compiled code where the settings allow it; if it has a part
            that is not compiled, a warning is logged.
    Raises:
        UnsupportedModelError: A model has parts that this engine does not know.
    """

    mixes_lengths = True

    def __init__(
        self,
        models: Sequence[Transformer],
        src_special: SpecialIds,
        tgt_special: SpecialIds,
        heads: Sequence[AlignmentHead] | None = None,
        shortlist: Shortlist | None = None,
        *,
        int8: bool = False,
        by_row: bool = False,
        compiled: bool = False,
    ) -> None:
        if not all(can_pack(model.output_weight) for model in models):
            raise UnsupportedModelError(
                "oneDNN is not in this build of PyTorch, or does not support "
                f"{models[0].output_weight.dtype} on this processor"
            )
        self._make = partial(Int8Linear, by_row=by_row) if int8 else OneDnnLinear
        copies = [packed_copy(model, self._make) for model in models]
        super().__init__(copies, src_special, tgt_special, heads, shortlist)
        self._decoders = [
            PackedDecoder(model, self._make, is_exact=by_row or not int8) for model in copies
        ]
        dtype = models[0].output_weight.dtype
        precision = "int8" if int8 else "bf16" if dtype == torch.bfloat16 else "float32"
        check_scorer(self, EnsembleScorer(models, src_special, tgt_special), _TOLERANCES[precision])
        self.compiled_search = self._compile(models[0], is_int8=int8) if compiled else None

    def batch_search(self, config: SearchConfig) -> BatchSearch | None:
        """See `StepScorer`."""
        return self.compiled_search and self.compiled_search.batch_search(config)

    def start(self, sources: list[list[int]]) -> "CpuState":
        """See `StepScorer`."""
        # A source's results must not depend on others, so each is padded as if it were alone.
        by_length: defaultdict[int, list[int]] = defaultdict(list)
        for row, source in enumerate(sources):
            by_length[self._padded_length(len(source))].append(row)
        batches = [
            self._padded([sources[row] for row in rows], length)
            for length, rows in by_length.items()
        ]
        caches = [
            decoder.start_cache([model.encode(src_BS) for src_BS in batches], [*by_length.values()])
            for model, decoder in zip(self.models, self._decoders, strict=True)
        ]
        return CpuState(caches, self._shortlisted(sources))

    def _compile(self, model: Transformer, *, is_int8: bool) -> "CompiledSearch | None":
        from mtkit.engines.cpu.compiled.search import CompiledSearch

        special = self.src_special, self.tgt_special
        try:
            return CompiledSearch(model, *special, self.shortlist, is_int8=is_int8)
        except UnsupportedModelError as exc:
            logger.warning("translating without compiled code, which is slower: %s", exc)
            return None

    def _decode(
        self, state: EnsembleState, token_ids_BW: Tensor, may_attend_BWM: Tensor | None
    ) -> list[Tensor]:
        return [
            decoder.step(token_ids_BW, cache, may_attend_BWM)
            for decoder, cache in zip(self._decoders, state.caches, strict=True)
        ]

    def _output_for(self, index: int, token_ids: Tensor) -> OutputLayer:
        output = self.models[index].output
        assert isinstance(output, PackedLayer)
        return self._make(*output_rows(output.weight, output.bias, token_ids))

    def _log_softmax(self, logits_BWV: Tensor) -> Tensor:
        # In place: memory that is in the cache already makes it a quarter faster.
        return torch.log_softmax(logits_BWV, -1, out=logits_BWV)


@dataclass
class CpuState(EnsembleState):
    """As `EnsembleState`; positions that no hypothesis descends from may be dropped."""

    caches: Sequence[PackedCache] = ()

    def ancestors(self, parents_BW: Tensor) -> Tensor | None:
        """See `EnsembleState`."""
        may_attend_BWM = super().ancestors(parents_BW)
        if may_attend_BWM is not None and self.n_steps % _DROP_EVERY == 0:
            self._drop_positions(may_attend_BWM)
        return self.may_attend_BWM

    def _drop_positions(self, may_attend_BWM: Tensor) -> None:
        """Drop cached positions without descendants: with a beam of 5, two thirds and more."""
        W = may_attend_BWM.size(1)
        past_BWM = may_attend_BWM[:, :, :-W]
        if W == 1 or not past_BWM.size(2) or not all(cache.may_drop for cache in self.caches):
            return
        is_live_BM = past_BWM.any(1)
        n_live = int(is_live_BM.sum(1).max())
        if n_live > _MAX_SHARE_KEPT * is_live_BM.size(1):
            return
        order_BM = is_live_BM.to(torch.uint8).argsort(dim=1, descending=True, stable=True)
        positions_BN = order_BM[:, :n_live]
        for cache in self.caches:
            cache.select_positions(positions_BN)
        kept_BWN = past_BWM.gather(2, positions_BN[:, None].expand(-1, W, -1))
        self.may_attend_BWM = torch.cat((kept_BWN, may_attend_BWM[:, :, -W:]), dim=2)
