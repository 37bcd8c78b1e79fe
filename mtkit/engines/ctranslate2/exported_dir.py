"""An exported model on disk: the files that CTranslate2 reads, and those that mtkit needs.

model.bin, config.json, *_vocabulary.json    CTranslate2's own
mtkit.json     kind and version of the export, mtkit's configuration, comparison with the original
tokenizer/     SentencePiece models
MODEL_CARD.md  the same information as readable text
"""

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from pydantic import Field, ValidationError

from mtkit.checkpoint.model_config import ModelDirConfig
from mtkit.config.section import NonNegativeInt, PositiveInt, Section
from mtkit.config.validation_errors import describe_problems
from mtkit.engines.ctranslate2.model_bin import check_model_bin, n_positions
from mtkit.errors import MtkitError
from mtkit.io.atomic import os_error_reason
from mtkit.io.find_model import EXPORT_NAME, is_exported_dir, refuse_no_model
from mtkit.io.tokenizer_files import TOKENIZER_DIR_NAME
from mtkit.tokenizer.subword import Tokenizer

EXPORT_VERSION = 1
CARD_NAME = "MODEL_CARD.md"
_WEIGHTS_NAME, _THEIR_CONFIG_NAME = "model.bin", "config.json"
_VOCABULARIES = ("shared_vocabulary.json",), ("source_vocabulary.json", "target_vocabulary.json")
_MAX_JSON_BYTES = 1 << 27
EXPORTED_NAMES = frozenset(
    {
        EXPORT_NAME,
        CARD_NAME,
        _WEIGHTS_NAME,
        _THEIR_CONFIG_NAME,
        TOKENIZER_DIR_NAME,
        *(name for names in _VOCABULARIES for name in names),
    }
)

Quantization = Literal[
    "float32",
    "float16",
    "bfloat16",
    "int16",
    "int8",
    "int8_float32",
    "int8_float16",
    "int8_bfloat16",
]
QUANTIZATIONS: tuple[str, ...] = get_args(Quantization)

Share = float


class Verification(Section):
    """Result of a comparison of the exported model with the original."""

    file: str
    """Name of the file that was translated."""
    n_lines: PositiveInt
    """Number of lines of the file."""
    search: dict[str, Any]
    """Search settings that both engines used."""
    compute_type: str
    """Precision of CTranslate2's computation; mtkit's is float32."""
    equal_lines: Share = Field(ge=0, le=1)
    """Share of the lines with identical translations, loop guard included."""
    equal_lines_first: Share | None = Field(default=None, ge=0, le=1)
    """Share of identical lines after the first search, before the loop guard repeats it for some
    lines; None in older files."""
    equal_tokens: Share = Field(ge=0, le=1)
    """Share of the tokens that are equal at the same position after the first search."""
    n_compared_scores: NonNegativeInt
    """Number of sentences with identical tokens, whose scores are compared."""
    max_score_difference: float = Field(ge=0)
    """Largest difference of the compared scores."""
    mean_score_difference: float = Field(ge=0)
    """Mean difference of the compared scores."""
    bleu_between: float
    """BLEU of CTranslate2's translations with mtkit's as the reference."""
    bleu_mtkit: float | None = None
    """BLEU of mtkit's translations."""
    bleu_ctranslate2: float | None = None
    """BLEU of CTranslate2's translations."""
    bleu_signature: str
    """Signature of the BLEU scores, as sacreBLEU writes it."""
    reference: str | None = None
    """Name of the reference file."""


class ExportConfig(Section):
    """The content of mtkit.json."""

    export_version: PositiveInt = EXPORT_VERSION
    """Version of the format; a newer one is refused."""
    engine: Literal["ctranslate2"] = "ctranslate2"
    """Program that runs the model."""
    quantization: Quantization
    """Type of the weights."""
    made_at: str
    """Date and time, in UTC."""
    made_with: dict[str, str]
    """Versions of the programs that made the export."""
    n_parameters: NonNegativeInt
    """Number of parameters."""
    model: ModelDirConfig
    """Content of config.json in the model's own directory."""
    verification: Verification | None = None
    """None if it was not compared."""


class ExportedModel(NamedTuple):
    """An exported model whose files have been checked."""

    path: Path
    config: ExportConfig
    tokenizer: Tokenizer


def load_exported_dir(path: Path) -> ExportedModel:
    """Read an exported model, except for its weights, of which only the sizes are checked.

    Other files in the directory are ignored.

    Raises:
        MtkitError: It is missing, incomplete, damaged, inconsistent, or of a newer format.
    """
    refuse_no_model(path)
    if not is_exported_dir(path):
        raise MtkitError(
            f"`{path}`: not an exported model: it has no {EXPORT_NAME}",
            "give a directory that `mtkit export ctranslate2` made",
        )
    tree = _read_json(path / EXPORT_NAME)
    version = tree.get("export_version") if isinstance(tree, dict) else None
    if not isinstance(version, int):
        raise _unfit(path / EXPORT_NAME, "it has no export_version")
    if version > EXPORT_VERSION:
        raise MtkitError(
            f"`{path / EXPORT_NAME}`: format {version} is newer than this mtkit supports "
            f"({EXPORT_VERSION})",
            "install a newer mtkit",
        )
    try:
        config = ExportConfig.model_validate(tree)
    except ValidationError as exc:
        raise _unfit(
            path / EXPORT_NAME,
            "; ".join(p.text for p in describe_problems(exc, ExportConfig, tree, set())),
        ) from None
    tokenizer = Tokenizer.load(path / TOKENIZER_DIR_NAME)
    _check_vocabularies(path, tokenizer)
    _check_their_config(path / _THEIR_CONFIG_NAME, tokenizer)
    sizes = tokenizer.src.vocab_size, tokenizer.tgt.vocab_size
    check_model_bin(
        path / _WEIGHTS_NAME, config.model.model, *sizes, n_positions(config.model.model)
    )
    return ExportedModel(path, config, tokenizer)


def _check_vocabularies(path: Path, tokenizer: Tokenizer) -> None:
    names = next(
        (names for names in _VOCABULARIES if (path / names[0]).is_file()), _VOCABULARIES[0]
    )
    for name, subword in zip(names, (tokenizer.src, tokenizer.tgt), strict=False):
        if _read_json(path / name) != subword.token_texts:
            raise _unfit(path / name, "it does not match the tokenizer")
    if len(names) == 1 and tokenizer.src.token_texts != tokenizer.tgt.token_texts:
        raise _unfit(path / names[0], "source and target have different vocabularies")


def _check_their_config(path: Path, tokenizer: Tokenizer) -> None:
    tree = _read_json(path)
    special, pieces = tokenizer.tgt.special, tokenizer.tgt.token_texts
    wanted = {
        "bos_token": special.bos,
        "decoder_start_token": special.bos,
        "eos_token": special.eos,
        "unk_token": special.unk,
    }
    expected = {name: pieces[piece_id] for name, piece_id in wanted.items()} | {
        "add_source_bos": False,
        "add_source_eos": True,
    }
    for name, value in expected.items():
        if not isinstance(tree, dict) or tree.get(name) != value:
            raise _unfit(path, f"{name} is not {value}")


def _read_json(path: Path) -> Any:
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise _unfit(path, f"it is larger than {_MAX_JSON_BYTES:,} bytes")
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise MtkitError(
            f"`{path}`: cannot be read: {os_error_reason(exc)}",
            "export the model again, or copy the directory again",
        ) from None
    except (ValueError, RecursionError):
        raise _unfit(path, "it is not valid JSON") from None


def _unfit(path: Path, problem: str) -> MtkitError:
    return MtkitError(
        f"`{path}`: not what mtkit wrote: {problem}",
        "export the model again, or copy the directory again",
    )
