"""Recipe: all settings that determine a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationInfo, model_validator

from mtkit.config.augment import AugmentConfig
from mtkit.config.batches import BatchesConfig
from mtkit.config.clean import CleanConfig
from mtkit.config.data import DataConfig, corpus_name
from mtkit.config.init_from import take_over
from mtkit.config.load import read_section
from mtkit.config.model import AlignmentHead, ModelConfig
from mtkit.config.preprocess import PreprocessConfig
from mtkit.config.sampling import SamplingConfig
from mtkit.config.search import SearchConfig
from mtkit.config.section import Section, resolve_path
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.config.training import TrainingConfig, ValidationConfig
from mtkit.io.arguments import list_of_texts, require_type


class Recipe(Section):
    """A complete recipe, one section for each stage of the pipeline."""

    data: DataConfig
    clean: CleanConfig = CleanConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    preprocess: PreprocessConfig = PreprocessConfig()
    sampling: SamplingConfig = SamplingConfig()
    augment: AugmentConfig = AugmentConfig()
    batches: BatchesConfig = BatchesConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    validation: ValidationConfig = ValidationConfig()
    search: SearchConfig = SearchConfig()

    @classmethod
    def load(cls, path: Path | str, overrides: Sequence[str] = ()) -> Self:
        """Read a recipe file (YAML 1.2).

        Args:
            path: The recipe; relative paths in it are relative to its directory.
            overrides: Settings such as `training.max_steps=100`; relative paths in them are
                relative to the current directory.
        Raises:
            MtkitError: The file cannot be read, or the recipe is invalid; all problems are listed.
            TypeError: Overrides are not a list of strings.
        """
        return read_section(cls, Path(path), list_of_texts(overrides, "overrides"))

    @classmethod
    def require(cls, value: object) -> None:
        """Check that an argument is a recipe.

        Raises:
            TypeError: The argument is something else, such as the path of a recipe.
        """
        require_type(value, cls, "recipe", "mtkit.Recipe.load(path) reads one from a file")

    @property
    def tokenizer_dir(self) -> Path:
        """Directory of the tokenizer."""
        return self.data.work_dir / "tokenizer"

    @property
    def store_dir(self) -> Path:
        """Directory of the token store."""
        return self.data.work_dir / "store"

    @property
    def run_dir(self) -> Path:
        """Default output directory of training."""
        return self.data.work_dir / "run"

    @model_validator(mode="before")
    @classmethod
    def start_from_model(cls, tree: Any, info: ValidationInfo) -> Any:
        return take_over(tree, lambda value: resolve_path(value, info))

    @property
    def max_sequence_length(self) -> int:
        """Maximum sequence length in tokens: preprocess.max_length, tags and EOS."""
        return self.preprocess.max_length + 1 + self._max_tags

    @property
    def augments_online(self) -> bool:
        """Whether token ids differ between epochs: by subword sampling or augmentation."""
        sampling = self.sampling
        return sampling.samples_src or sampling.samples_tgt or any(self.augment.shares.values())

    @property
    def _max_tags(self) -> int:
        return max(
            max(len(source.tags), len(source.tgt_tags))
            for source in (*self.data.train, *self.data.validation)
        )

    @property
    def alignment_head(self) -> AlignmentHead | None:
        """Attention head that learns word alignments; None without guided alignment."""
        return alignment_head(self.training, self.model)

    @model_validator(mode="after")
    def sections_agree(self) -> Self:
        if self.model.tied_embeddings in ("inputs", "all") and not self.tokenizer.joint:
            tied = self.model.tied_embeddings
            raise ValueError(
                f"model.tied_embeddings is {tied}, but tokenizer.joint is false; "
                "use output or none, or a joint tokenizer"
            )
        longest = self.max_sequence_length
        extras = "tags and the EOS token" if self._max_tags else "the EOS token"
        if longest > self.model.max_positions:
            raise ValueError(
                f"preprocess.max_length ({self.preprocess.max_length}) plus {extras} exceeds "
                f"model.max_positions ({self.model.max_positions})"
            )
        if self.batches.max_tokens == "auto":
            if self.batches.effective_tokens is None:
                raise ValueError(
                    "batches.max_tokens is auto, which requires batches.effective_tokens; "
                    "set it to the positions per update, for example 25000"
                )
        elif longest > self.batches.max_tokens:
            raise ValueError(
                f"preprocess.max_length ({self.preprocess.max_length}) plus {extras} exceeds "
                f"batches.max_tokens ({self.batches.max_tokens})"
            )
        sampling, kind = self.sampling, self.tokenizer.type
        if (sampling.src_dropout or sampling.tgt_dropout) and kind != "bpe":
            hint = "; use sampling.src_alpha and tgt_alpha" if kind == "unigram" else ""
            raise ValueError(
                "sampling.src_dropout and tgt_dropout require tokenizer.type bpe, "
                f"but it is {kind}{hint}"
            )
        if (sampling.src_alpha is not None or sampling.tgt_alpha is not None) and kind != "unigram":
            hint = "; use sampling.src_dropout and tgt_dropout" if kind == "bpe" else ""
            raise ValueError(
                "sampling.src_alpha and tgt_alpha require tokenizer.type unigram, "
                f"but it is {kind}{hint}"
            )
        return self

    @model_validator(mode="after")
    def target_tags_can_be_learned(self) -> Self:
        sources = (*self.data.train, *self.data.validation)
        if not any(source.tgt_tags for source in sources):
            return self
        if without := [corpus_name(source) for source in sources if not source.tgt_tags]:
            raise ValueError(
                f"{without[0]} has no tgt_tags, but other corpora do; give each corpus one"
            )
        # These join or split targets, whose first token would be a tag no longer.
        settings = {
            "sampling of targets": self.sampling.samples_tgt,
            "training.alignment_weight": self.training.alignment_weight,
        }
        used = [name for name, value in settings.items() if value]
        if unsupported := [*self.augment.altering, *used]:
            raise ValueError(
                f"tgt_tags cannot be combined with {', '.join(unsupported)}; set one to 0"
            )
        return self

    @model_validator(mode="after")
    def context_can_be_learned(self) -> Self:
        # These would alter or align the joined sentences as if they were one.
        settings = {
            "sampling.n_best": self.sampling.n_best >= 0,
            "training.alignment_weight": self.training.alignment_weight,
            "tgt_tags": any(source.tgt_tags for source in self.data.train),
        }
        unsupported = [name for name, value in settings.items() if value]
        if self.data.context and (unsupported := [*self.augment.altering, *unsupported]):
            raise ValueError(
                f"data.context cannot be combined with {', '.join(unsupported)}; leave one out"
            )
        return self

    @model_validator(mode="after")
    def alignment_can_be_learned(self) -> Self:
        if not self.training.alignment_weight:
            return self
        if all(source.alignment is None for source in self.data.train):
            raise ValueError(
                "training.alignment_weight is set, but no corpus of data.train has an `alignment`; "
                "name an alignment file, or leave the weight at 0"
            )
        layer, n_layers = self.training.alignment_layer, self.model.n_decoder_layers
        if not -n_layers <= layer < n_layers:
            raise ValueError(
                f"training.alignment_layer ({layer}) is not one of the model's {n_layers} decoder "
                f"layers: {-n_layers} to {n_layers - 1}"
            )
        # These change or add words, which invalidates the word alignments.
        if changing := self.augment.altering:
            raise ValueError(
                f"training.alignment_weight cannot be combined with {', '.join(changing)}, "
                "which alter the aligned words; set one to 0"
            )
        return self


def alignment_head(training: TrainingConfig, model: ModelConfig) -> AlignmentHead | None:
    """Return the attention head that learns word alignments; None without guided alignment."""
    return (
        AlignmentHead(layer=training.alignment_layer % model.n_decoder_layers)
        if training.alignment_weight
        else None
    )
