"""Engine for models that torch runs: the models are loaded, and their scorer is chosen."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mtkit.checkpoint.model_dir import TrainedModel, load_model_dir
from mtkit.config.section import SearchPrecision
from mtkit.engines.choose import require_compiled_search
from mtkit.engines.make_scorer import make_scorer
from mtkit.engines.precision import choose_dtype, describe_placement
from mtkit.engines.protocol import Engine
from mtkit.engines.torch_engine import TorchEngine
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.model.device import choose_device
from mtkit.search.ensemble_scorer import EnsembleScorer
from mtkit.search.shortlist.shortlist import Shortlist

logger = get_logger(__name__)


def load_models(
    model_dirs: Sequence[Path], device: str, precision: SearchPrecision
) -> tuple[list[TrainedModel], str]:
    """Load model directories for translation.

    Args:
        model_dirs: Directories that `mtkit train` or `mtkit average` wrote.
        device: cpu, cuda, cuda:N, or auto.
        precision: See `Translator.load`.
    Returns:
        The models, and a description of precision and device.
    Raises:
        MtkitError: A directory is missing or damaged, or the device or precision not available.
    """
    chosen = choose_device(device)
    dtype = choose_dtype(precision, chosen)
    if chosen.type == "cpu":
        from mtkit.engines.cpu.allocator import (
            bound_kernel_caches,
            keep_freed_memory,
            use_huge_pages,
        )

        keep_freed_memory()
        bound_kernel_caches()
        use_huge_pages()
    trained = [load_model_dir(path, chosen) for path in model_dirs]
    for one in trained:
        one.model.to(dtype)
    return trained, describe_placement(precision, chosen)


def make_engine(
    trained: Sequence[TrainedModel],
    n_workers: int | None,
    shortlist: Shortlist | None,
    *,
    precision: SearchPrecision,
    batch_invariant: bool,
    is_frozen: bool,
    compiled: bool = False,
) -> tuple[Engine, list[TrainedModel]]:
    """Make an engine for a model or an ensemble; see `Translator.from_models`.

    Returns:
        The engine, and the models, which may share their weights with copies in the engine.
    Raises:
        MtkitError: A compiled search is not available.
    """
    tokenizer = trained[0].tokenizer
    heads = [one.config.attention_head for one in trained]
    models = [one.model for one in trained]
    special = tokenizer.src.special, tokenizer.tgt.special
    if compiled:
        require_compiled_search(len(trained))
        if models[0].output_weight.is_cuda:
            raise MtkitError(
                "a compiled search is not available on a GPU", "use the CPU, or leave it out"
            )
        logger.info("preparing the compiled search; the first time it takes up to a minute")
    if is_frozen:
        scorer = make_scorer(
            models,
            *special,
            heads,
            shortlist,
            precision=precision,
            batch_invariant=batch_invariant,
            compiled=compiled,
        )
    else:
        scorer = EnsembleScorer(models, *special, heads, shortlist)
    one_by_one = batch_invariant and (shortlist is not None or not scorer.mixes_lengths)
    engine = TorchEngine(scorer, n_workers, one_by_one=one_by_one, is_frozen=is_frozen)
    # An engine may hold copies of the models.
    return engine, [
        replace(one, model=model) for one, model in zip(trained, scorer.models, strict=True)
    ]
