"""What a trained model is on disk: a folder with its weights, its configuration and its tokenizer,
and nothing else needed.

config.json          format version, languages, tags, dimensions, search defaults
model.safetensors    weights
tokenizer/           SentencePiece models
shortlist.safetensors  if `mtkit shortlist` made one
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, ValidationError

from mtkit.checkpoint.empty_model import make_empty_model
from mtkit.checkpoint.find_model import CONFIG_NAME, SHORTLIST_NAME, refuse_no_model
from mtkit.checkpoint.history import TrainingHistory
from mtkit.checkpoint.untrusted import check_layer_counts, check_limits, read_json
from mtkit.checkpoint.weights import read_weights, save_weights
from mtkit.config.model import AlignmentHead, ModelConfig
from mtkit.config.search import SearchConfig
from mtkit.config.section import PositiveFloat, PositiveInt, Section
from mtkit.config.validation_errors import describe_problems
from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_dir
from mtkit.io.safetensors_header import read_header
from mtkit.model.transformer import Transformer
from mtkit.tokenizer.subword import Tokenizer

FORMAT_VERSION = 1
Share = Annotated[float, Field(ge=0.0, le=1.0)]
_MIN_COMMON_SHARE = 0.25
"""Share of the training lines from which on a number of sentences in a line is one that the model
can translate together.
"""
WEIGHTS_NAME, TOKENIZER_DIR_NAME = "model.safetensors", "tokenizer"


class TrainingLineStatistics(Section):
    """Size of the lines that a model was trained on, which limits how much of a line it translates
    at a time.

    A model that has seen one sentence in each line leaves out the others of a line of several.
    """

    sentence_shares: tuple[Share, ...]
    """Share of the lines with at least 2, 3, 4 ... sentences, in falling order."""
    usual_length: PositiveInt
    """Pieces: 95 % of the lines have at most this many."""
    longest: PositiveInt
    """Pieces: 99.9 % of the lines have at most this many."""
    length_ratio: PositiveFloat
    """Target pieces for each source piece."""
    endings: tuple[str, ...] = ()
    """Word endings that show the end of a sentence without punctuation."""

    @property
    def usual_sentences(self) -> int:
        """The most sentences that the model has often seen in a line."""
        return 1 + sum(share >= _MIN_COMMON_SHARE for share in self.sentence_shares)


class ModelDirConfig(Section):
    """The content of config.json."""

    format_version: PositiveInt = FORMAT_VERSION
    """Of the folder; a newer one is refused."""
    src_lang: str
    """Language that the model reads."""
    tgt_lang: str
    """Language that the model writes."""
    max_length: PositiveInt
    """Most pieces of a training sentence, its tags not counted; longer lines are translated in
    parts.
    """
    tags: tuple[str, ...] = ()
    """Pieces that stood before sources in training, for example <2ko>."""
    tag_required: bool = False
    """Whether every source had one in training."""
    training_lines: TrainingLineStatistics | None = None
    """Size of the training lines; None, as in models of before this was recorded, means one
    sentence a line.
    """
    alignment_head: AlignmentHead | None = None
    """The head that learned word alignments, if one did."""
    model: ModelConfig
    """Dimensions."""
    search: SearchConfig = SearchConfig()
    """Search settings, unless the user asks for others."""
    history: TrainingHistory | None = None
    """How the weights came about; None in models of before this was recorded."""


@dataclass
class TrainedModel:
    """Everything that is needed to translate."""

    config: ModelDirConfig
    model: Transformer
    tokenizer: Tokenizer


def make_model(config: ModelConfig, tokenizer: Tokenizer) -> Transformer:
    """A model with initial weights for a tokenizer's vocabularies."""
    src, tgt = tokenizer.src, tokenizer.tgt
    return Transformer(config, src.vocab_size, tgt.vocab_size, src.special.pad, tgt.special.pad)


def refuse_foreign_dir(path: Path) -> None:
    """Keep from replacing a folder that somebody else filled.

    Raises:
        MtkitError: The folder holds something that is not of a model directory.
    """
    if path.is_dir() and (
        foreign := sorted(
            {entry.name for entry in path.iterdir()}
            - {CONFIG_NAME, WEIGHTS_NAME, TOKENIZER_DIR_NAME, SHORTLIST_NAME}
        )
    ):
        raise MtkitError(
            f"`{path}`: holds {foreign[0]}, which is no part of a model, and will not be replaced",
            "name another folder",
        )


def save_model_dir(path: Path, trained: TrainedModel) -> None:
    """Write a model directory, whole or not at all; one that is there is replaced.

    Raises:
        MtkitError: The folder holds something else, or cannot be written.
    """
    refuse_foreign_dir(path)
    with atomic_dir(path) as folder:
        (folder / CONFIG_NAME).write_text(
            trained.config.model_dump_json(indent=2) + "\n", encoding="utf-8"
        )
        save_weights(folder / WEIGHTS_NAME, trained.model)
        trained.tokenizer.save(folder / TOKENIZER_DIR_NAME)


def with_history(trained: TrainedModel, history: TrainingHistory) -> TrainedModel:
    """The same model, with another history in its configuration."""
    return replace(trained, config=trained.config.model_copy(update={"history": history}))


def load_model_dir(path: Path, device: torch.device | str = "cpu") -> TrainedModel:
    """Read a model directory, which may come from a stranger: sizes are checked before memory is
    taken, and no code is run.

    What else lies in it is not looked at.

    Raises:
        MtkitError: It is missing, incomplete, damaged or of a newer format.
    """
    trained = load_without_weights(path)
    read_weights(path / WEIGHTS_NAME, trained.model, device)
    trained.model.eval()
    return trained


def load_without_weights(path: Path) -> TrainedModel:
    """Read a model directory except for its weights: the model is on the meta device.

    Raises:
        MtkitError: See `load_model_dir`; the header of the weights is checked, but not the weights.
    """
    config = _read_config(path)
    check_limits(path / CONFIG_NAME, config.max_length, config.model, config.search)
    check_layer_counts(path / WEIGHTS_NAME, read_header(path / WEIGHTS_NAME), config.model)
    tokenizer = Tokenizer.load(path / TOKENIZER_DIR_NAME)
    try:
        model = make_empty_model(config.model, tokenizer)
    except (ValueError, RuntimeError, OverflowError, TypeError) as exc:
        problem = str(exc).splitlines()[0]
        raise MtkitError(
            f"`{path}`: {CONFIG_NAME} and the tokenizer make no model: {problem}",
            "make or copy the folder again",
        ) from None
    return TrainedModel(config, model, tokenizer)


def _read_config(path: Path) -> ModelDirConfig:
    refuse_no_model(path)
    config_path = path / CONFIG_NAME
    tree = read_json(config_path)
    version = tree.get("format_version") if isinstance(tree, dict) else None
    if not isinstance(version, int):
        if (path / "mtkit.json").is_file():
            raise MtkitError(
                f"`{path}`: exported to another engine",
                "translate with it by `mtkit translate`; for all else give the model it was"
                " made of",
            )
        raise _invalid_config(config_path, "it has no format_version")
    if version > FORMAT_VERSION:
        raise MtkitError(
            f"`{config_path}`: format {version} is newer than this mtkit knows ({FORMAT_VERSION})",
            "install a newer mtkit",
        )
    try:
        return ModelDirConfig.model_validate(tree)
    except ValidationError as exc:
        raise _invalid_config(
            config_path,
            "; ".join(
                problem.text for problem in describe_problems(exc, ModelDirConfig, tree, set())
            ),
        ) from None


def _invalid_config(config_path: Path, problem: str) -> MtkitError:
    return MtkitError(
        f"`{config_path}`: not a configuration that mtkit wrote: {problem}",
        "make or copy the folder again",
    )
