"""Export of models for CTranslate2."""

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from mtkit.checkpoint.model_dir import load_model_dir
from mtkit.engines.ctranslate2.exported_dir import (
    CARD_NAME,
    EXPORTED_NAMES,
    QUANTIZATIONS,
    ExportConfig,
)
from mtkit.engines.ctranslate2.package import require_ctranslate2
from mtkit.errors import MtkitError
from mtkit.interop.ctranslate2.card import model_card
from mtkit.interop.ctranslate2.verify import VerificationText, verify
from mtkit.interop.ctranslate2.weight_map import make_spec
from mtkit.interop.export_dir import refuse_foreign_export
from mtkit.io.arguments import require_type
from mtkit.io.atomic import atomic_dir
from mtkit.io.find_model import EXPORT_NAME
from mtkit.io.tokenizer_files import TOKENIZER_DIR_NAME
from mtkit.model.transformer import n_parameters
from mtkit.version import __version__

WEIGHT_DESCRIPTIONS = {
    "float32": "all weights in 32 bits",
    "float16": "all weights in 16 bits (float16)",
    "bfloat16": "all weights in 16 bits (bfloat16)",
    "int16": "matrices as 16-bit integers with one scale each, the rest in float32",
    "int8": "matrices as 8-bit integers with a scale for each row, the rest in float32",
    "int8_float32": "matrices as 8-bit integers with a scale for each row, the rest in float32",
    "int8_float16": "matrices as 8-bit integers with a scale for each row, the rest in float16",
    "int8_bfloat16": "matrices as 8-bit integers with a scale for each row, the rest in bfloat16",
}
"""Description of the weights file, by quantization."""


def export_ctranslate2(
    model_dir: Path | str,
    out_dir: Path | str,
    quantization: str = "float32",
    comparison: VerificationText | None = None,
) -> ExportConfig:
    """Convert a model directory for CTranslate2, completely or not at all.

    An existing exported model is replaced.

    Args:
        model_dir: A model directory.
        out_dir: Directory for weights, vocabularies, tokenizer and a model card.
        quantization: See `WEIGHT_DESCRIPTIONS`.
        comparison: Text that both models translate, to write the differences into the card.
    Raises:
        TypeError: `comparison` is not a `VerificationText`.
        MtkitError: CTranslate2 is missing, or cannot run such a model; a file is missing; or
            `out_dir` contains other files.
    """
    if comparison is not None:
        require_type(
            comparison,
            VerificationText,
            "comparison",
            "VerificationText(path) gives the text to compare on",
        )
    model_dir, out_dir = Path(model_dir), Path(out_dir)
    require_ctranslate2()
    if quantization not in QUANTIZATIONS:
        raise MtkitError(
            f"unknown quantization {quantization}", f"choose one of {', '.join(QUANTIZATIONS)}"
        )
    refuse_foreign_export(out_dir, EXPORTED_NAMES, lambda names: EXPORT_NAME in names)
    texts = None if comparison is None else comparison.read()
    trained = load_model_dir(model_dir)
    spec = make_spec(trained)
    config = ExportConfig(
        quantization=quantization,  # pyright: ignore[reportArgumentType]
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        made_with={
            "mtkit": __version__,
            "ctranslate2": version("ctranslate2"),
            "torch": torch.__version__,
        },
        n_parameters=n_parameters(trained.model),
        model=trained.config,
    )
    spec.optimize(quantization=quantization)
    with atomic_dir(out_dir) as directory:
        spec.save(str(directory))
        trained.tokenizer.save(directory / TOKENIZER_DIR_NAME)
        _write_card(directory, config)
        if comparison is not None and texts is not None:
            verification = verify(model_dir, directory, comparison, *texts)
            config = config.model_copy(update={"verification": verification})
            _write_card(directory, config)
    return config


def _write_card(directory: Path, config: ExportConfig) -> None:
    (directory / EXPORT_NAME).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    n_bytes = (directory / "model.bin").stat().st_size
    (directory / CARD_NAME).write_text(
        model_card(config, WEIGHT_DESCRIPTIONS[config.quantization], n_bytes), encoding="utf-8"
    )
