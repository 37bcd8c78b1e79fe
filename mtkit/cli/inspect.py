"""`mtkit inspect`."""

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtkit.cli.common.option_groups import option_group, takes_option_groups
from mtkit.cli.common.options import DeviceOption, OverridesOption, TagOptions
from mtkit.cli.common.search_options import option_name, search_group

if TYPE_CHECKING:
    from mtkit.inspection.views.figures import NamedFigure

_SearchOptions = Annotated[
    dict[str, Any],
    search_group(
        only=(
            *("beam_size", "length_penalty", "alpha", "coverage_penalty"),
            *("max_length", "min_length", "split_sentences"),
        )
    ),
]
"""Settings that change one search with a beam."""


@option_group()
class InspectOptions:
    """The model or recipe, and the outputs."""

    path: Annotated[Path, typer.Argument(metavar="MODEL|RECIPE")]
    """Model directory, or recipe."""
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT...", show_default=False)] = None
    """With a model: the sentence to translate, or several."""
    html_path: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", show_default="stdout as text")
    ] = None
    """Write one HTML page that needs no network."""
    figures_dir: Annotated[Path | None, typer.Option("--figures", metavar="DIR")] = None
    """Write the figures as PNG and SVG files into this directory."""
    as_json: Annotated[bool, typer.Option("--json")] = False
    """Print JSON with every number, one line for each sentence."""
    layer: Annotated[int | None, typer.Option(min=1, metavar="N")] = None
    """With a model: print the attention of this layer, from 1."""
    head: Annotated[int | None, typer.Option(min=1, metavar="N")] = None
    """With a model: print the attention of this head, from 1."""
    overrides: OverridesOption = None
    device: DeviceOption = "cpu"


@takes_option_groups
def inspect(options: InspectOptions, tags: TagOptions, search: _SearchOptions) -> None:
    """Look inside a translation, or at what follows from a recipe.

    With a model and a sentence: subwords, shapes, attention of every head, the beam as it grew,
    word alignment, and statistics of the layers; several sentences have a section each. With a
    recipe: learning rate schedule, parameters, positions, label smoothing and dropout. Prints text;
    layers and heads are numbered from 1.

    Examples:
        mtkit inspect demo/model '나는 학교에 간다'
        mtkit inspect demo/model '나는 학교에 간다' -o page.html --figures figures
        mtkit inspect demo/model '나는 학교에 간다' --layer 2 --head 1
        mtkit inspect demo/recipe.yaml -o recipe.html
    """
    from mtkit.io.paths import is_recipe_name

    if is_recipe_name(options.path):
        model_only = {
            "TEXT": options.texts,
            "--layer": options.layer,
            "--head": options.head,
            "--tag": tags.tags,
            "--src-lang": tags.src_lang,
            "--tgt-lang": tags.tgt_lang,
            "--tgt-tag": tags.tgt_tags,
            "--device": None if options.device == "cpu" else options.device,
            **{option_name(field): value for field, value in search.items()},
        }
        if given := [name for name, value in model_only.items() if value is not None]:
            raise typer.BadParameter(f"{given[0]} goes with a model, not with a recipe")
        _inspect_recipe(options)
    else:
        _inspect_translation(options, tags, search)


def _inspect_recipe(options: InspectOptions) -> None:
    from mtkit.config.recipe import Recipe

    recipe = Recipe.load(options.path, options.overrides or ())
    _refuse_outputs(options)
    from mtkit.inspection.recipe.facts import recipe_facts
    from mtkit.training.optimizer import learning_rate

    facts = recipe_facts(options.path, recipe, lambda step: learning_rate(step, recipe.training))
    from mtkit.inspection.views.html import recipe_to_html
    from mtkit.inspection.views.recipe_figures import recipe_figures
    from mtkit.inspection.views.recipe_text import facts_to_text

    _write(
        options,
        lambda: [facts.as_dict()],
        as_text=lambda: facts_to_text(facts),
        as_html=lambda: recipe_to_html(facts),
        figures=lambda: recipe_figures(facts),
    )


def _inspect_translation(options: InspectOptions, tags: TagOptions, search: dict[str, Any]) -> None:
    from mtkit.io.find_model import is_model_dir, refuse_no_model
    from mtkit.io.paths import is_path

    texts = options.texts or []
    if not options.path.exists() and any(
        is_path(text) and is_model_dir(Path(text)) for text in texts
    ):
        raise typer.BadParameter("the model comes first, and then the text")
    # torch takes seconds to load, which a mistyped path should not wait for.
    refuse_no_model(options.path)
    if not texts:
        raise typer.BadParameter("TEXT is missing: the sentence to translate, in quotes")
    if options.overrides:
        raise typer.BadParameter("--set goes with a recipe, not with a model")
    _refuse_outputs(options)
    from mtkit.inspection.trace.trace import trace_texts

    traces = trace_texts(
        options.path,
        texts,
        device=options.device,
        **tags.load_arguments([options.path]),
        **search,
    )
    from mtkit.inspection.views.html import traces_to_html
    from mtkit.inspection.views.trace_figures import traces_figures
    from mtkit.inspection.views.trace_text import traces_to_text

    traces[0].require_layer_and_head(options.layer, options.head)
    _warn_of_texts(texts, traces[0].languages[0])
    width = shutil.get_terminal_size().columns
    _write(
        options,
        lambda: [trace.as_dict() for trace in traces],
        as_text=lambda: traces_to_text(traces, width, options.layer, options.head),
        as_html=lambda: traces_to_html(traces),
        figures=lambda: traces_figures(traces, options.layer, options.head),
    )


def _warn_of_texts(texts: list[str], lang: str) -> None:
    """Log a warning about the name of a file, and about a sentence without quotes."""
    from mtkit.corpus.languages import word_separator
    from mtkit.io.logs import get_logger
    from mtkit.io.paths import is_path

    logger = get_logger(__name__)
    for text in texts:
        if is_path(text) and Path(text).is_file():
            logger.warning("`%s` is a file; its name was translated, not its text", text)
    if len(texts) > 1 and word_separator(lang) and not any(" " in text.strip() for text in texts):
        logger.warning(
            "every word was translated on its own; put quotes around a sentence of several words"
        )


def _write(
    options: InspectOptions,
    as_dicts: Callable[[], list[dict[str, Any]]],
    as_text: Callable[[], str],
    as_html: Callable[[], str],
    figures: Callable[[], Iterable["NamedFigure"]],
) -> None:
    """Write the outputs that were asked for; text if there is no other."""
    if options.html_path is not None:
        from mtkit.io.text import write_lines

        write_lines(options.html_path, as_html().replace("\r", " ").rstrip("\n").split("\n"))
    if options.figures_dir is not None:
        from mtkit.inspection.views.figures import write_figures

        write_figures(options.figures_dir, figures())
    if options.as_json:
        for one in as_dicts():
            print(json.dumps(one, ensure_ascii=False, allow_nan=False))
    elif options.html_path is None and options.figures_dir is None:
        print(as_text())


def _refuse_outputs(options: InspectOptions) -> None:
    """Check the outputs before the model is loaded."""
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.errors import MtkitError

    json_path = Path("-") if options.as_json else None
    refuse_overwriting([options.html_path, options.figures_dir, json_path], [options.path])
    if options.figures_dir is not None:
        if options.figures_dir.exists() and not options.figures_dir.is_dir():
            raise MtkitError(
                f"`{options.figures_dir}`: is a file, not a directory", "name a directory"
            )
        from mtkit.inspection.views.figures import require_matplotlib

        require_matplotlib()
