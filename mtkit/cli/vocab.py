"""`mtkit vocab prune` and `extend`."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mtkit.cli.common.corpus_arguments import CorpusOptions, HeldOutOptionsCommand
from mtkit.cli.common.help_pages import Group
from mtkit.cli.common.option_groups import option_group, takes_option_groups
from mtkit.cli.common.options import setting_option
from mtkit.config.prune import PruneConfig

if TYPE_CHECKING:
    from mtkit.config.data import DataConfig

app = typer.Typer(cls=Group, rich_markup_mode=None, no_args_is_help=True, add_completion=False)


@app.callback()
def start() -> None:
    """Change the vocabulary of a model: prune it to a corpus, or extend it.

    Examples:
        mtkit vocab prune captions.de captions.en -m general -o pruned
        mtkit vocab extend captions.de captions.en -m general -o extended --add 1000
    """


_setting = partial(setting_option, PruneConfig)


@option_group()
class ChangedModelOptions:
    """The model, and the one to write."""

    model_dir: Annotated[Path, typer.Option("--model", "-m", metavar="DIR")]
    """Model directory, as written by `mtkit train` or `mtkit import`; not modified."""
    out_dir: Annotated[Path, typer.Option("--output", "-o", metavar="DIR")]
    """Model directory to write; an existing model is replaced."""


@app.command(cls=HeldOutOptionsCommand)
@takes_option_groups
def prune(
    corpus: CorpusOptions,
    models: ChangedModelOptions,
    min_count: Annotated[int, _setting("min_count", min=1, metavar="N")] = 1,
    size: Annotated[
        int | None, _setting("size", min=8, metavar="N", show_default="no limit")
    ] = None,
    characters: Annotated[Literal["all", "corpus"], _setting("characters")] = "all",
) -> None:
    """Remove the subwords that a corpus does not use.

    The model gets smaller and faster. It splits the corpus as before, and its logits on what is
    left are unchanged. Other text is split into shorter subwords; --validation and --test report
    how much longer it gets.

    Examples:
        mtkit vocab prune captions.de captions.en -m general -o pruned
        mtkit vocab prune captions.de captions.en -m general -o pruned --min-count 2
        mtkit vocab prune recipe.yaml -m general -o pruned --size 4000
    """
    data = _read_arguments(corpus, models)
    # torch takes seconds to load, which a mistyped path should not wait for.
    from mtkit.checkpoint.change_vocab import prune_vocab

    config = PruneConfig(min_count=min_count, size=size, characters=characters)
    report = prune_vocab(models.model_dir, models.out_dir, data, config)
    print("\n".join(report.lines()))


@app.command(cls=HeldOutOptionsCommand)
@takes_option_groups
def extend(
    corpus: CorpusOptions,
    models: ChangedModelOptions,
    max_new: Annotated[
        int,
        typer.Option(
            "--add",
            min=1,
            max=1_000_000,
            metavar="N",
            help="Maximum number of new subwords; with separate vocabularies, for each",
        ),
    ],
    character_coverage: Annotated[
        float,
        typer.Option(
            min=0.98,
            max=1.0,
            metavar="SHARE",
            help="Share of the corpus' characters to cover; 0.9995 suits Hangul, Han and kana",
        ),
    ] = 1.0,
) -> None:
    """Add subwords of a corpus, for fine-tuning on it.

    All old subwords keep their ids, embeddings and logits. The embedding of a new subword is the
    mean of those that it replaces. The same happens in training with `tokenizer.extend`.

    Examples:
        mtkit vocab extend captions.de captions.en -m general -o extended --add 1000
        mtkit vocab extend recipe.yaml -m general -o extended --add 1000
    """
    from mtkit.config.recipe import Recipe

    data = _read_arguments(corpus, models)
    # torch takes seconds to load, which a mistyped path should not wait for.
    from mtkit.checkpoint.change_vocab import extend_vocab

    report = extend_vocab(
        models.model_dir,
        models.out_dir,
        data,
        max_new,
        clean=Recipe.load(corpus.recipe_path).clean if corpus.recipe_path else None,
        character_coverage=character_coverage,
    )
    print("\n".join(report.lines()))


def _read_arguments(corpus: CorpusOptions, models: ChangedModelOptions) -> "DataConfig":
    """Check the paths, and return the corpus."""
    from mtkit.cli.common.corpus_arguments import refuse_other_order_than
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.cli.common.recipe_paths import corpus_paths
    from mtkit.io.find_model import refuse_no_model

    refuse_no_model(models.model_dir)
    refuse_other_order_than(models.model_dir, corpus.paths)
    data = corpus.data_config()
    refuse_overwriting(
        [models.out_dir], [models.model_dir, *corpus_paths(data), corpus.recipe_path]
    )
    return data
