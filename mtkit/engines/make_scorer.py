"""The fastest scorer that can run a model on its device."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mtkit.config.model import AlignmentHead
from mtkit.config.section import SearchPrecision
from mtkit.engines.protocol import UnsupportedModelError
from mtkit.io.logs import get_logger
from mtkit.model.transformer import Transformer
from mtkit.search.ensemble_scorer import EnsembleScorer
from mtkit.tokenizer.special_ids import SpecialIds

if TYPE_CHECKING:
    from mtkit.search.shortlist.shortlist import Shortlist
    from mtkit.search.teacher_forcing import TeacherForcedScorer

logger = get_logger(__name__)


def make_scorer(
    models: Sequence[Transformer],
    src_special: SpecialIds,
    tgt_special: SpecialIds,
    heads: Sequence[AlignmentHead] | None = None,
    shortlist: "Shortlist | None" = None,
    *,
    precision: SearchPrecision = "auto",
    batch_invariant: bool = False,
    compiled: bool = False,
) -> EnsembleScorer:
    """Make the engine's scorer for models that no longer change.

    If the engine does not know a part of a model, the plain models are used and a warning is
    logged. The models themselves are not modified.

    Args:
        models: See `EnsembleScorer`; already of the type that the products are computed in.
        src_special: See `EnsembleScorer`.
        tgt_special: See `EnsembleScorer`.
        heads: See `EnsembleScorer`.
        shortlist: See `EnsembleScorer`.
        precision: int8 quantizes the products on a CPU; others make no difference here.
        batch_invariant: With int8, compute each sentence as if it were alone.
        compiled: On a CPU, see `CpuScorer`.
    """
    scorer = EnsembleScorer(models, src_special, tgt_special, heads, shortlist)
    make: Callable[..., EnsembleScorer]
    if scorer.device.type == "cpu":
        from mtkit.engines.cpu.scorer import CpuScorer

        make = CpuScorer
        options = {"int8": precision == "int8", "by_row": batch_invariant, "compiled": compiled}
    elif scorer.device.type == "cuda":
        from mtkit.engines.cuda.scorer import CudaScorer

        make, options = CudaScorer, {}
    else:
        return scorer
    try:
        return make(models, src_special, tgt_special, heads, shortlist, **options)
    except UnsupportedModelError as exc:
        logger.warning("translating with the plain model, which is slower: %s", exc)
        return scorer


def make_teacher_forced_scorer(
    models: Sequence[Transformer], src_special: SpecialIds, tgt_special: SpecialIds
) -> "TeacherForcedScorer":
    """Make a scorer of given translations; see `TeacherForcedScorer`.

    On a CPU its linear layers are those of oneDNN. Other libraries may add up the products of a row
    in an order that depends on the number of rows, so the score of a pair would depend on its
    batch.
    """
    from mtkit.search.teacher_forcing import TeacherForcedScorer

    if models[0].output_weight.device.type == "cpu":
        from mtkit.engines.cpu.packed_linear import OneDnnLinear, can_pack
        from mtkit.engines.cpu.packed_model import packed_copy

        if all(can_pack(model.output_weight) for model in models):
            models = [packed_copy(model, OneDnnLinear, whole_decoder=True) for model in models]
    return TeacherForcedScorer(models, src_special, tgt_special)
