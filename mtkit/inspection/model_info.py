"""Description of a model directory, a run, or an exported model, without loading its weights."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mtkit.checkpoint.model_config import ModelDirConfig
from mtkit.checkpoint.model_dir import load_without_weights
from mtkit.config.search import SearchConfig
from mtkit.engines.ctranslate2.exported_dir import ExportConfig, load_exported_dir
from mtkit.engines.ctranslate2.obstacles import export_obstacles
from mtkit.errors import MtkitError
from mtkit.inspection.run_info import RunInfo, read_run_info
from mtkit.io.find_model import (
    CONFIG_NAME,
    SHORTLIST_NAME,
    WEIGHTS_NAME,
    is_exported_dir,
    refuse_no_model,
)
from mtkit.io.safetensors_header import read_header
from mtkit.io.tokenizer_files import read_settings
from mtkit.model.transformer import n_parameters
from mtkit.tokenizer.subword import Subword, Tokenizer


@dataclass(frozen=True)
class VocabularyInfo:
    """One SentencePiece model."""

    type: str
    """bpe, unigram, char or word."""
    vocab_size: int
    byte_fallback: bool
    normalization: str
    """See docs/concepts/unicode-normalization.md; other programs may use other names."""


@dataclass(frozen=True)
class TokenizerInfo:
    """The tokenizer of a model."""

    joint: bool
    """Whether both sides share one vocabulary."""
    src: VocabularyInfo
    tgt: VocabularyInfo
    sha256: str


@dataclass(frozen=True)
class ModelInfo:
    """The description of a model."""

    path: str
    engine: str
    """Program that runs the model: torch or ctranslate2."""
    config: ModelDirConfig
    n_parameters: int
    weights_format: str
    """Precision of the weights, or quantization of an export."""
    n_weight_bytes: int
    """Size of the weights file."""
    tokenizer: TokenizerInfo
    has_shortlist: bool
    run: RunInfo | None
    """Training run of the model, if in the same directory; the model's own record is
    `config.history`."""
    export_obstacles: list[str]
    """Reasons why the model cannot be exported to CTranslate2; empty if it can, or is exported."""
    export: ExportConfig | None = None
    """Record of the export; None for a model directory."""

    @property
    def non_default_search(self) -> dict[str, Any]:
        """Return the search defaults that differ from those of mtkit."""
        return {
            name: value
            for name, value in self.config.search
            if value != SearchConfig.model_fields[name].default
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the description for JSON, with the content of config.json under `config`."""
        shallow = {
            name: value
            for name, value in vars(self).items()
            if name not in ("tokenizer", "run", "config", "export")
        }
        return shallow | {
            "config": self.config.model_dump(mode="json"),
            "tokenizer": asdict(self.tokenizer),
            "run": asdict(self.run) if self.run else None,
            "export": self.export.model_dump(mode="json", exclude={"model"})
            if self.export
            else None,
        }


def inspect_model(path: Path) -> ModelInfo:
    """Describe a model by its configuration, tokenizer, header of the weights, and log of its run.

    Args:
        path: A model directory, a run directory, or an exported model.
    Raises:
        MtkitError: The model is missing, incomplete, damaged, or from another toolkit.
    """
    model_dir = _model_of_run(path) if (path / "identity.json").is_file() else path
    refuse_no_model(model_dir)
    return (
        _inspect_exported(model_dir)
        if is_exported_dir(model_dir)
        else _inspect_model_dir(model_dir)
    )


def _model_of_run(run_dir: Path) -> Path:
    if not (run_dir / "model" / CONFIG_NAME).is_file():
        raise MtkitError(
            f"`{run_dir}`: is a training run that has no model yet",
            "the model appears with the first validation, or at the end",
        )
    return run_dir / "model"


def _inspect_model_dir(path: Path) -> ModelInfo:
    trained = load_without_weights(path)
    header = read_header(path / WEIGHTS_NAME)
    return ModelInfo(
        path=str(path),
        engine="torch",
        config=trained.config,
        n_parameters=n_parameters(trained.model),
        weights_format=" and ".join(sorted({tensor.dtype for tensor in header.tensors.values()})),
        n_weight_bytes=(path / WEIGHTS_NAME).stat().st_size,
        tokenizer=_tokenizer_info(trained.tokenizer),
        has_shortlist=(path / SHORTLIST_NAME).is_file(),
        run=read_run_info(path.parent)
        if (path.parent / "identity.json").is_file() and path.name == "model"
        else None,
        export_obstacles=export_obstacles(trained),
    )


def _inspect_exported(path: Path) -> ModelInfo:
    exported = load_exported_dir(path)
    return ModelInfo(
        path=str(path),
        engine=exported.config.engine,
        config=exported.config.model,
        n_parameters=exported.config.n_parameters,
        weights_format=exported.config.quantization,
        n_weight_bytes=(path / "model.bin").stat().st_size,
        tokenizer=_tokenizer_info(exported.tokenizer),
        has_shortlist=False,
        run=None,
        export_obstacles=[],
        export=exported.config,
    )


def _tokenizer_info(tokenizer: Tokenizer) -> TokenizerInfo:
    return TokenizerInfo(
        tokenizer.joint,
        _vocabulary_info(tokenizer.src),
        _vocabulary_info(tokenizer.tgt),
        tokenizer.sha256,
    )


def _vocabulary_info(subword: Subword) -> VocabularyInfo:
    return VocabularyInfo(**read_settings(subword.model_bytes)._asdict())
