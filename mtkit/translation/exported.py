"""Translators that run exported models."""

from collections.abc import Sequence
from pathlib import Path

from mtkit.config.section import SearchPrecision
from mtkit.engines.choose import not_with_ctranslate2
from mtkit.engines.ctranslate2.engine import load_engine
from mtkit.errors import MtkitError
from mtkit.translation.translator import Translator


def load_exported_translator(
    model_dirs: Path | str | Sequence[Path | str],
    device: str = "auto",
    precision: SearchPrecision = "auto",
    n_workers: int | None = None,
    tags: Sequence[str] = (),
    tgt_tags: Sequence[str] = (),
    shortlist: Path | str | bool = False,
    batch_invariant: bool = False,
    compiled: bool = False,
) -> Translator:
    """Load a model that was exported to CTranslate2; takes the arguments of `Translator.load`.

    Args:
        model_dirs: A directory that `mtkit export ctranslate2` wrote.
        device: cpu, cuda, cuda:N, or auto.
        precision: See `load_engine`.
        n_workers: See `load_engine`.
        tags: See `Translator`.
        tgt_tags: See `Translator`.
        shortlist: Not available.
        batch_invariant: Not available.
        compiled: Not available; CTranslate2 is compiled.
    Raises:
        MtkitError: An option is not available with CTranslate2, or see `load_engine`.
    """
    if unavailable := [
        name
        for name, is_set in (
            ("--shortlist", shortlist),
            ("--batch-invariant", batch_invariant),
            ("--compiled", compiled),
        )
        if is_set
    ]:
        raise not_with_ctranslate2(unavailable)
    paths = [model_dirs] if isinstance(model_dirs, Path | str) else list(model_dirs)
    if len(paths) != 1:
        raise MtkitError(
            f"CTranslate2 translates with one model, and {len(paths)} are given",
            "give one, or use mtkit's own engine",
        )
    engine = load_engine(Path(paths[0]), device, precision, n_workers)
    return Translator(
        engine,
        engine.exported.config.model,
        engine.exported.tokenizer,
        tags=tags,
        tgt_tags=tgt_tags,
        placement=engine.placement,
    )
