"""Scorer on a CPU whose own search is compiled."""

from collections.abc import Sequence
from functools import partial

from mtkit.config.model import AlignmentHead
from mtkit.config.search import SearchConfig
from mtkit.engines.cpu.compiled.search import CompiledSearch
from mtkit.engines.cpu.scorer import CpuScorer
from mtkit.io.logs import get_logger
from mtkit.model.transformer import Transformer
from mtkit.search.scorer import BatchSearch
from mtkit.search.shortlist.shortlist import Shortlist
from mtkit.tokenizer.special_ids import SpecialIds

logger = get_logger(__name__)

_MAX_BEAM_SIZE = 16


class CompiledScorer(CpuScorer):
    """A `CpuScorer` of one model that searches in compiled code where the settings allow it.

    Args:
        models: One model.
        src_special: See `EnsembleScorer`.
        tgt_special: See `EnsembleScorer`.
        heads: See `EnsembleScorer`.
        shortlist: See `EnsembleScorer`.
        int8: See `CpuScorer`.
        by_row: See `CpuScorer`.
    Raises:
        UnsupportedModelError: See `CompiledSearch`.
    """

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
    ) -> None:
        super().__init__(
            models, src_special, tgt_special, heads, shortlist, int8=int8, by_row=by_row
        )
        [model] = models
        self._search = CompiledSearch(model, src_special, tgt_special, shortlist, is_int8=int8)
        self._logged: set[str] = set()

    def batch_search(self, config: SearchConfig) -> BatchSearch | None:
        """See `StepScorer`."""
        reason = _reason_against(config)
        if not reason:
            return partial(self._search.search_batches, config)
        if reason not in self._logged:
            self._logged.add(reason)
            logger.info("not searching in compiled code: %s", reason)
        return None


def _reason_against(config: SearchConfig) -> str:
    """Return why a search with these settings is not compiled; empty if it is."""
    reasons = {
        f"a beam of more than {_MAX_BEAM_SIZE}": config.beam_size > _MAX_BEAM_SIZE,
        "sampling": config.sampling,
        "groups of the beam": config.n_groups > 1,
        "a coverage penalty": config.coverage_penalty > 0,
        "a repetition penalty": config.repetition_penalty != 1.0,
        "blocked n-grams": config.no_repeat_ngram_size > 0,
    }
    return next((reason for reason, is_given in reasons.items() if is_given), "")
