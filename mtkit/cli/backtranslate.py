"""`mtkit backtranslate`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from mtkit.cli.common.option_groups import option_group, takes_option_groups
from mtkit.cli.common.options import TagOptions
from mtkit.cli.common.search_options import SearchOptions
from mtkit.cli.common.synthesis_options import CorpusOutputOptions, TeacherDeviceOptions


@option_group()
class TextOptions:
    """Text, models and recipe."""

    texts: Annotated[list[Path], typer.Argument(metavar="TEXT...")]
    """Text in the target language of the recipe, one segment per line; may be compressed."""
    model_dirs: Annotated[list[Path], typer.Option("--model", "-m", metavar="DIR")]
    """Model that translates from the target language of the recipe to its source language; repeat
    it for an ensemble."""
    recipe_path: Annotated[Path, typer.Option("--recipe", metavar="RECIPE")]
    """Recipe of the genuine corpora, whose languages, cleaning rules, validation and test sets
    apply."""
    held_out: Annotated[list[Path] | None, typer.Option("--held-out", metavar="FILE")] = None
    """File of lines that must not get into the corpus, in addition to validation and test sets;
    repeatable."""
    documents: Annotated[
        bool | None,
        typer.Option("--documents/--no-documents", show_default="as data.context of the recipe"),
    ] = None
    """Whether consecutive lines belong to one document, which a blank line or the end of a file
    ends; for models that were or will be trained with context."""


@option_group("Filter and mixture")
class MixtureOptions:
    """Filter of the pairs, and their mixture with genuine pairs."""

    forward_dirs: Annotated[list[Path] | None, typer.Option("--forward-model", metavar="DIR")] = (
        None
    )
    """Model of the opposite direction, which scores each pair together with --model: dual
    conditional cross-entropy; repeat it for an ensemble."""
    keep: Annotated[
        str | None, typer.Option("--keep", metavar="SHARE|knee", show_default="0.9")
    ] = None
    """With --forward-model: share of the pairs to keep, the best scored ones; knee cuts where the
    sorted scores begin to fall."""
    corpus_tag: Annotated[str, typer.Option("--corpus-tag", metavar="TAG")] = "<bt>"
    """Tag before each synthetic source; empty for none."""
    ratio: Annotated[float, typer.Option("--ratio", metavar="R")] = 1.0
    """Maximum number of synthetic pairs in an epoch for each genuine one."""
    until_epoch: Annotated[
        int | None, typer.Option("--until-epoch", min=1, metavar="N", show_default="all")
    ] = None
    """Last epoch with synthetic pairs; later epochs are of genuine pairs only."""


@takes_option_groups
def backtranslate(
    text: TextOptions,
    output: CorpusOutputOptions,
    mixing: MixtureOptions,
    tags: TagOptions,
    devices: TeacherDeviceOptions,
    search: SearchOptions,
) -> None:
    """Make training pairs of monolingual text by back-translation.

    Translates text in the target language into the source language, filters the pairs, and writes
    them to a directory with a recipe that mixes them with the genuine corpora, and a report. Lines
    of validation and test sets are left out. The same command resumes an interrupted run.

    Examples:
        mtkit backtranslate a.en -m en-de/model --recipe recipe.yaml -o bt --dry-run
        mtkit backtranslate a.en -m en-de/model --recipe recipe.yaml -o bt --sampling
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.cli.common.recipe_paths import corpus_paths
    from mtkit.cli.common.synthesis_options import check_models, parse_keep
    from mtkit.config.recipe import Recipe

    if not 0 < mixing.ratio < float("inf"):
        raise typer.BadParameter("--ratio must be more than 0")
    forward_dirs = mixing.forward_dirs or []
    if mixing.keep is not None and not forward_dirs:
        raise typer.BadParameter("--keep needs the scores of --forward-model")
    keep = parse_keep(mixing.keep or "0.9")
    inputs = [*text.texts, *(text.held_out or []), text.recipe_path]
    refuse_overwriting([output.out_dir], inputs)
    recipe = Recipe.load(text.recipe_path)
    data = recipe.data
    if text.documents and not data.context:
        raise typer.BadParameter(
            "--documents: the recipe trains without context; set data.context in it"
        )
    has_documents = data.context > 0 if text.documents is None else text.documents
    refuse_overwriting([output.out_dir], corpus_paths(data))
    # The model of an earlier round may be in the directory of the corpus it was trained on.
    model_dirs = [*text.model_dirs, *forward_dirs]
    refuse_overwriting(output.written_paths(), model_dirs, own=output.out_dir)
    check_models(text.model_dirs, data.tgt_lang, data.src_lang)
    check_models(forward_dirs, data.src_lang, data.tgt_lang)
    from mtkit.synthesis.agreement_filter import AgreementFilter, ScoringModel
    from mtkit.synthesis.backtranslate import BackTranslation, backtranslate, estimate
    from mtkit.synthesis.line_selection import MonolingualText
    from mtkit.synthesis.mixed_recipe import Mixture

    teacher = devices.teacher(text.model_dirs, tags, search, scores=bool(forward_dirs))
    teacher = replace(teacher, has_documents=has_documents)
    pair_filter = None
    if forward_dirs:
        pair_filter = AgreementFilter(
            ScoringModel(teacher.model_dirs, teacher.scoring_load),
            ScoringModel(tuple(forward_dirs), {"precision": devices.precision}),
            keep,
            teacher.run,
        )
    job = BackTranslation(
        MonolingualText(text.texts, recipe, text.held_out or (), has_documents=has_documents),
        recipe,
        teacher,
        output.out_dir,
        Mixture(mixing.corpus_tag, mixing.ratio, mixing.until_epoch),
        pair_filter,
    )
    output.show(estimate(job) if output.dry_run else backtranslate(job, resume=output.resume))
