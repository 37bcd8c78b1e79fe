"""config.json of a model directory: languages, tags, dimensions and origin of a model.

An exported model contains the same configuration, and is read without torch.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, ValidationError

from mtkit.checkpoint.untrusted import read_json
from mtkit.config.model import AlignmentHead, ModelConfig
from mtkit.config.search import SearchConfig
from mtkit.config.section import PositiveFloat, PositiveInt, Section
from mtkit.errors import MtkitError
from mtkit.io.find_model import CONFIG_NAME, refuse_no_model
from mtkit.io.paths import printable

FORMAT_VERSION = 1
Share = Annotated[float, Field(ge=0.0, le=1.0)]
FileName = Annotated[str, AfterValidator(printable)]
"""Name of a file or a directory, which can be written as UTF-8 and shown on one line."""
_MIN_COMMON_SHARE = 0.25
"""Share of the training lines from which a number of sentences per line is common enough to be
translated together."""


class TrainingLineStatistics(Section):
    """Length of the training lines, which limits how much of a line is translated at a time.

    A model trained on single sentences drops sentences of longer lines.
    """

    sentence_shares: tuple[Share, ...]
    """Share of the lines with at least 2, 3, 4 ... sentences, in decreasing order."""
    usual_length: PositiveInt
    """Number of subwords that 95 % of the lines do not exceed."""
    longest: PositiveInt
    """Number of subwords that 99.9 % of the lines do not exceed."""
    length_ratio: PositiveFloat
    """Target subwords per source subword."""
    endings: tuple[str, ...] = ()
    """Word endings that show the end of a sentence without punctuation."""

    @property
    def usual_sentences(self) -> int:
        """Return the maximum number of sentences per line that was common in training."""
        return 1 + sum(share >= _MIN_COMMON_SHARE for share in self.sentence_shares)


class ModelOrigin(Section):
    """Origin of an imported model; for information only."""

    program: str
    """Program whose format the model had, such as Hugging Face transformers."""
    architecture: str
    """Name of the model's class or type in that program."""
    name: FileName
    """Name of its directory or archive."""
    files: dict[FileName, str]
    """SHA-256 of each file that was read."""
    imported_with: str
    """Version of mtkit that imported it."""
    notes: tuple[str, ...] = ()
    """Differences from the original, such as subwords that are not used."""


class InitialModel(Section):
    """Model whose weights a training started from; for information only."""

    name: FileName
    """Name of its directory."""
    sha256: str
    """SHA-256 of its weights."""
    origin: ModelOrigin | None = None
    """Origin of the imported model among it and the models that it was trained from."""


class TrainingHistory(Section):
    """Origin of a model's weights; for information only, without effect on translation."""

    steps: tuple[NonNegativeInt, ...]
    """Number of updates when the weights were saved; several for an average of checkpoints."""
    n_pairs: NonNegativeInt | None = None
    """Number of training pairs."""
    data_signature: str | None = None
    """Hash of the tokenized training data; equal for equal corpora, cleaning and tokenizer."""
    seed: int | None = None
    """Random seed of the training run."""
    scores: dict[str, float] = Field(default_factory=dict)
    """Validation loss, BLEU and chrF of these weights; empty for an average or without
    validation."""
    initial_model: InitialModel | None = None
    """Model that the training started from; None if the initial weights were random."""


class VocabularyChange(Section):
    """Change of a model's vocabulary after its training or import; for information only."""

    kind: Literal["pruned", "extended"]
    """Kind of the change."""
    corpora: tuple[FileName, ...]
    """Names of the corpora that determined it."""
    src_sizes: tuple[PositiveInt, PositiveInt]
    """Size of the source vocabulary, before and after."""
    tgt_sizes: tuple[PositiveInt, PositiveInt]
    """Size of the target vocabulary, before and after."""
    made_with: str
    """Version of mtkit that changed it."""


class ModelDirConfig(Section):
    """Content of config.json."""

    format_version: PositiveInt = FORMAT_VERSION
    """Format of the directory; newer ones are refused."""
    src_lang: str
    """Source language."""
    tgt_lang: str
    """Target language."""
    max_length: PositiveInt
    """Maximum number of subwords in a training sentence, without tags; longer lines are split."""
    tags: tuple[str, ...] = ()
    """Tags before the sources in training, for example <2ko>."""
    tag_required: bool = False
    """Whether every source had a tag in training."""
    tgt_tags: tuple[str, ...] = ()
    """Tags before the targets in training, one of which begins each translation; sources begin with
    one of `tags` then. Empty in models whose target tags are part of the text."""
    training_lines: TrainingLineStatistics | None = None
    """Length of the training lines; None, as in older models, means one sentence per line."""
    alignment_head: AlignmentHead | None = None
    """Head that was trained to predict word alignments, if any."""
    masks: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Symbols that the model was trained to copy in place of placeholders."""
    term_symbols: tuple[str, str, str] | None = None
    """Symbols before a term, before its translation and after it; None if the model was not trained
    with terms whose translations are given."""
    context: NonNegativeInt = 0
    """Maximum number of previous sentences before each sentence in training, separated by <sep>."""
    model: ModelConfig
    """Dimensions of the model."""
    search: SearchConfig = SearchConfig()
    """Default search settings."""
    history: TrainingHistory | None = None
    """Origin of the weights; None in older and in imported models."""
    origin: ModelOrigin | None = None
    """Origin of an imported model."""
    vocabulary_changes: tuple[VocabularyChange, ...] = ()
    """Changes of the vocabulary by `mtkit vocab`, in order."""

    @property
    def attention_head(self) -> AlignmentHead:
        """The head that learned word alignments, or the layer that aligns best without training."""
        return self.alignment_head or AlignmentHead.untrained(self.model.n_decoder_layers)


def read_model_config(path: Path) -> ModelDirConfig:
    """Read the configuration of a model directory.

    Raises:
        MtkitError: The directory is not a model, or config.json is invalid or of a newer format.
    """
    refuse_no_model(path)
    config_path = path / CONFIG_NAME
    tree = read_json(config_path)
    version = tree.get("format_version") if isinstance(tree, dict) else None
    if not isinstance(version, int):
        if (path / "mtkit.json").is_file():
            raise MtkitError(
                f"`{path}`: exported to another engine",
                "`mtkit translate` can use it; for everything else, give the original model",
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
        from mtkit.config.validation_errors import describe_problems

        raise _invalid_config(
            config_path,
            "; ".join(
                problem.text for problem in describe_problems(exc, ModelDirConfig, tree, set())
            ),
        ) from None


def _invalid_config(config_path: Path, problem: str) -> MtkitError:
    return MtkitError(
        f"`{config_path}`: not a configuration of mtkit: {problem}",
        "make or copy the directory again",
    )
