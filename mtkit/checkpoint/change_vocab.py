"""Change the vocabulary of a trained model: prune it to a corpus, or extend it by one."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mtkit.checkpoint.model_config import VocabularyChange
from mtkit.checkpoint.model_dir import (
    WEIGHTS_NAME,
    TrainedModel,
    load_model_dir,
    refuse_foreign_dir,
    save_model_dir,
)
from mtkit.checkpoint.vocab_transfer import VocabMapping, transfer_weights
from mtkit.checkpoint.weights import make_empty_model
from mtkit.config.clean import CleanConfig
from mtkit.config.data import DataConfig, corpus_name
from mtkit.config.prune import PruneConfig
from mtkit.config.recipe import Recipe
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.corpus.train_tokenizer import make_tokenizer
from mtkit.corpus.vocab_usage import SplitComparison, count_tokens
from mtkit.errors import MtkitError
from mtkit.io.columns import align
from mtkit.io.find_model import SHORTLIST_NAME
from mtkit.io.tokenizer_files import read_settings
from mtkit.model.transformer import n_parameters
from mtkit.tokenizer.prune import prune_tokenizer
from mtkit.tokenizer.subword import Tokenizer
from mtkit.version import __version__

_N_SHOWN = 10
"""Number of removed tokens to show."""


@dataclass(frozen=True)
class VocabReport:
    """Effects of a change of the vocabulary on a model and on texts."""

    change: VocabularyChange
    joint: bool
    """Whether both sides share one vocabulary."""
    n_parameters: tuple[int, int]
    """Before and after."""
    n_weight_bytes: tuple[int, int]
    """Size of the weights file, before and after."""
    mappings: dict[str, VocabMapping]
    """Origin of the new embedding rows, by side."""
    removed: list[str]
    """Tokens of the corpus that were removed, most frequent first."""
    splits: list[SplitComparison]
    """The corpora, then validation and test sets."""
    had_shortlist: bool
    """Whether the model had a shortlist, which belongs to its old vocabulary."""

    def lines(self) -> Iterator[str]:
        """Format the report line by line."""
        sizes = {"source subwords": self.change.src_sizes, "target subwords": self.change.tgt_sizes}
        if self.joint:
            sizes = {"subwords": self.change.src_sizes}
        rows = [["", "before", "after"]]
        rows += [
            [name, *(f"{number:,}" for number in numbers)]
            for name, numbers in {**sizes, "parameters": self.n_parameters}.items()
        ]
        rows.append(["weights, MB", *(f"{n / 1e6:,.1f}" for n in self.n_weight_bytes)])
        for split in self.splits:
            rows.append([f"{split.name}: subwords", *(f"{n:,}" for n in split.n_tokens)])
            rows.append([f"{split.name}: unknown in pairs", *(f"{n:,}" for n in split.n_unknown)])
        yield from align(rows, right=(1, 2))
        for split in self.splits:
            yield (
                f"{split.name}: {split.n_pairs - split.n_changed:,} of {split.n_pairs:,} pairs are "
                "split as before"
            )
        if self.change.kind == "pruned":
            more = ", ..." if len(self.removed) > _N_SHOWN else ""
            shown = ": " + " ".join(self.removed[:_N_SHOWN]) + more if self.removed else ""
            yield f"removed subwords of the corpus: {len(self.removed) or 'none'}{shown}"
        else:
            for side, mapping in self.mappings.items():
                yield f"{'' if len(self.mappings) == 1 else side + ': '}{mapping.describe()}"
        if self.had_shortlist:
            yield "the shortlist belongs to the old vocabulary: make one with `mtkit shortlist`"


def prune_vocab(
    model_dir: Path | str,
    out_dir: Path | str,
    data: DataConfig,
    config: PruneConfig | None = None,
) -> VocabReport:
    """Remove subwords that a corpus does not use from the vocabulary of a model.

    On what is kept, the logits are those of the model.

    Args:
        model_dir: The model directory; not modified.
        out_dir: Model directory to write; an existing one is replaced.
        data: The corpora of `data.train`; validation and test sets are only reported on.
        config: Which subwords to keep; by default those of the corpus and all single characters.
    Raises:
        MtkitError: The model or a corpus cannot be read, the vocabulary cannot be changed (all
            obstacles are listed), or the size is too small.
    """
    trained, out_dir = _load(Path(model_dir), Path(out_dir))
    src_counts, tgt_counts = count_tokens(data, trained.tokenizer)
    tokenizer = prune_tokenizer(trained.tokenizer, src_counts, tgt_counts, config or PruneConfig())
    removed: Counter[str] = Counter()
    for old, new, counts_V in (
        (trained.tokenizer.src, tokenizer.src, src_counts),
        (trained.tokenizer.tgt, tokenizer.tgt, tgt_counts),
    ):
        kept = set(new.token_texts)
        for entry, count in zip(old.entries(), counts_V.tolist(), strict=True):
            if count and entry.text not in kept:
                removed[entry.text] += count
    ranked = [text for text, _ in removed.most_common()]
    return _save_changed(Path(model_dir), trained, out_dir, tokenizer, "pruned", data, ranked)


def extend_vocab(
    model_dir: Path | str,
    out_dir: Path | str,
    data: DataConfig,
    max_new: int,
    *,
    clean: CleanConfig | None = None,
    character_coverage: float = 1.0,
) -> VocabReport:
    """Add the subwords of a corpus to the vocabulary of a model, as `tokenizer.extend` does.

    Args:
        model_dir: The model directory; not modified.
        out_dir: Model directory to write; an existing one is replaced.
        data: The corpora of `data.train`; validation and test sets are only reported on.
        max_new: Maximum number of new subwords; with separate vocabularies, of each.
        clean: Rules for cleaning the corpora; by default those of a recipe without any.
        character_coverage: Share of the characters that the vocabulary has to cover.
    Raises:
        MtkitError: The model or a corpus cannot be read, or the vocabulary cannot be changed (all
            obstacles are listed).
    """
    trained, out_dir = _load(Path(model_dir), Path(out_dir))
    settings = TokenizerConfig(
        init_from=Path(model_dir), extend=max_new, character_coverage=character_coverage
    )
    recipe = Recipe(
        data=data,
        clean=clean or CleanConfig(),
        tokenizer=settings,
        model=trained.config.model,
    )
    tokenizer = make_tokenizer(recipe, trained.tokenizer)
    return _save_changed(Path(model_dir), trained, out_dir, tokenizer, "extended", data, [])


def _load(model_dir: Path, out_dir: Path) -> tuple[TrainedModel, Path]:
    """Load a model whose vocabulary can be changed.

    Raises:
        MtkitError: It cannot, or one directory would replace the other.
    """
    if out_dir.resolve() == model_dir.resolve():
        raise MtkitError(f"`{out_dir}`: is the model itself", "name another directory")
    refuse_foreign_dir(out_dir)
    trained = load_model_dir(model_dir)
    tokenizer = trained.tokenizer
    obstacles = []
    if not tokenizer.joint and trained.config.model.tied_embeddings in ("inputs", "all"):
        obstacles.append("source and target share their embeddings, but not their subwords")
    if "word" in {read_settings(side.model_bytes).type for side in (tokenizer.src, tokenizer.tgt)}:
        obstacles.append("its vocabulary consists of whole words, not of subwords")
    if obstacles:
        raise MtkitError(
            f"`{model_dir}`: its vocabulary cannot be changed: {'; '.join(obstacles)}",
            "train a model with another vocabulary",
        )
    return trained, out_dir


def _save_changed(
    model_dir: Path,
    trained: TrainedModel,
    out_dir: Path,
    tokenizer: Tokenizer,
    kind: Literal["pruned", "extended"],
    data: DataConfig,
    removed: list[str],
) -> VocabReport:
    old = trained.tokenizer
    change = VocabularyChange(
        kind=kind,
        corpora=tuple(corpus_name(source) for source in data.train),
        src_sizes=(old.src.vocab_size, tokenizer.src.vocab_size),
        tgt_sizes=(old.tgt.vocab_size, tokenizer.tgt.vocab_size),
        made_with=__version__,
    )
    history = trained.config.history
    config = trained.config.model_copy(
        update={
            "vocabulary_changes": (*trained.config.vocabulary_changes, change),
            # The scores are those of the old vocabulary.
            "history": history and history.model_copy(update={"scores": {}}),
        }
    )
    model = make_empty_model(config.model, tokenizer).to_empty(device="cpu").eval()
    mappings = transfer_weights(trained, model, tokenizer)
    splits = [
        SplitComparison.of(source, data, old, tokenizer)
        for source in (*data.train, *data.validation, *data.test)
    ]
    save_model_dir(out_dir, TrainedModel(config, model, tokenizer))
    return VocabReport(
        change=change,
        joint=old.joint,
        n_parameters=(n_parameters(trained.model), n_parameters(model)),
        n_weight_bytes=(
            (model_dir / WEIGHTS_NAME).stat().st_size,
            (out_dir / WEIGHTS_NAME).stat().st_size,
        ),
        mappings=mappings,
        removed=removed,
        splits=splits,
        had_shortlist=(model_dir / SHORTLIST_NAME).is_file(),
    )
