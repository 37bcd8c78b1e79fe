"""`mtkit data clean`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtkit.cli.common.corpus_arguments import CorpusOptions, is_one_file
from mtkit.cli.common.option_groups import option_group, takes_option_groups
from mtkit.cli.common.options import CorpusWorkersOption
from mtkit.cli.common.recipe_paths import corpus_paths

if TYPE_CHECKING:
    from mtkit.config.data import DataConfig
    from mtkit.corpus.write_pairs import PairsPath


@option_group()
class CleanOptions:
    """Output files and changed rules."""

    output_paths: Annotated[
        list[Path] | None,
        typer.Option(
            "--output", "-o", metavar="SRC TGT | FILE", show_default="none, only a report"
        ),
    ] = None
    """Files to write: two text files, or one that ends in .tsv or .jsonl; may end in .gz, .xz or
    .zst; - is TSV on stdout."""
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE")] = None
    """Change a key of `clean:`, such as duplicates=folded or max_chars=0; repeatable."""
    documents: Annotated[
        bool | None,
        typer.Option("--documents/--no-documents", show_default="as data.context of the recipe"),
    ] = None
    """Whether consecutive pairs belong to one document, which a blank line on both sides, a dropped
    pair or the end of a corpus ends; blank lines are written between documents."""


@option_group("Report")
class ReportOptions:
    """Report of the dropped pairs."""

    n_samples: Annotated[int, typer.Option("--show", min=0, max=5, metavar="N")] = 0
    """Dropped pairs to show for each rule."""
    dropped_path: Annotated[Path | None, typer.Option("--dropped", metavar="FILE")] = None
    """Write every dropped pair to this file as JSON Lines, with line number and rule."""


@takes_option_groups
def clean(
    options: CleanOptions,
    corpus: CorpusOptions,
    reporting: ReportOptions,
    n_workers: CorpusWorkersOption = None,
) -> None:
    """Repair the text of a corpus, and drop the pairs that break a rule.

    The order is kept. The rules are those of the section `clean:` of a recipe, which
    `mtkit preprocess` and `mtkit train` follow too; the corpora of a recipe become one. Reports how
    many pairs each rule dropped.

    Examples:
        mtkit data clean train.de train.en -o clean.de clean.en
        mtkit data clean train.de train.en --show 3
        mtkit data clean corpus.tsv -o clean.tsv --dropped dropped.jsonl
        mtkit data clean talks.de talks.en -o clean.de clean.en --documents
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.config.clean import CleanConfig
    from mtkit.config.load import make_section
    from mtkit.config.recipe import Recipe
    from mtkit.corpus.clean.clean_corpus import clean_corpus

    written = [*(options.output_paths or []), reporting.dropped_path]
    out = _pairs_out(options.output_paths or [])
    rules = [override.removeprefix("clean.") for override in options.overrides or ()]
    data = corpus.data_config()
    if options.documents is not None:
        data = _with_documents(data) if options.documents else _without_documents(data)
    config = (
        Recipe.load(corpus.recipe_path, [f"clean.{rule}" for rule in rules]).clean
        if corpus.recipe_path
        else make_section(CleanConfig, rules)
    )
    refuse_overwriting(written, [*corpus_paths(data), corpus.recipe_path])
    recipe = Recipe(data=data, clean=config)
    report = clean_corpus(recipe, out, dropped_path=reporting.dropped_path, n_workers=n_workers)
    print(
        "\n".join(report.lines(reporting.n_samples)),
        file=sys.stderr if "-" in map(str, written) else sys.stdout,
    )


def _with_documents(data: "DataConfig") -> "DataConfig":
    """Return the corpora with documents.

    Raises:
        typer.BadParameter: A model cannot learn their context.
    """
    if any(source.tgt_tags for source in data.train):
        raise typer.BadParameter("--documents cannot be combined with tgt_tags in the recipe")
    return data.model_copy(update={"context": data.context or 1})


def _without_documents(data: "DataConfig") -> "DataConfig":
    ignored = {"documents": True, "document_column": None}
    changes: dict[str, Any] = {
        name: tuple(source.model_copy(update=ignored) for source in getattr(data, name))
        for name in ("train", "validation", "test")
    }
    return data.model_copy(update=changes | {"context": 0})


def _pairs_out(paths: list[Path]) -> "PairsPath | None":
    if not paths:
        return None
    if len(paths) == 1 and is_one_file(paths[0]):
        return paths[0]
    if len(paths) != 2 or any(map(is_one_file, paths)):
        raise typer.BadParameter(
            "--output takes two text files, or one that ends in .tsv or .jsonl"
        )
    return paths[0], paths[1]
