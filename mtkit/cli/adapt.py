"""`mtkit adapt`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from mtkit.cli.common.corpus_arguments import (
    HeldOutOptionsCommand,
    has_both_sides,
    refuse_other_order,
)
from mtkit.cli.common.option_groups import option_group, takes_option_groups
from mtkit.cli.common.options import DEVICES, DeviceOption
from mtkit.cli.common.synthesis_options import CorpusOutputOptions
from mtkit.config.section import MAX_PROCESSES
from mtkit.io.paths import is_recipe_name

if TYPE_CHECKING:
    from mtkit.adaptation.direction import Direction
    from mtkit.config.data import DataConfig


@option_group()
class MemoryOptions:
    """The model, and the memory."""

    model_dir: Annotated[Path, typer.Argument(metavar="MODEL")]
    """Model directory."""
    memory: Annotated[list[Path], typer.Argument(metavar="MEMORY...")]
    """Translation memory: files with both sides (TMX, XLIFF, PO, TSV, CSV, xlsx, JSON Lines,
    Parquet), or two aligned text files."""


@option_group("Direction and tags")
class DirectionOptions:
    """Direction of the memory, for a model of several languages, and further tags."""

    src_lang: Annotated[
        str | None, typer.Option("--src-lang", metavar="LANG", show_default="the model's")
    ] = None
    """Source language of the memory."""
    tgt_lang: Annotated[
        str | None, typer.Option("--tgt-lang", metavar="LANG", show_default="the model's")
    ] = None
    """Target language of the memory; it also selects the tag of that language."""
    tags: Annotated[list[str] | None, typer.Option("--tag", metavar="TAG")] = None
    """Further tag before each source of the memory, as in training; repeatable."""


@option_group()
class AdaptationOutputOptions(CorpusOutputOptions):
    """Directory of the adaptation, and options of the run and its report."""

    out_dir: Annotated[Path, typer.Option("--output", "-o", metavar="DIR")]
    """Directory for the adapted model, in DIR/model, recipe, texts and report."""
    dry_run: Annotated[bool, typer.Option("--dry-run")] = False
    """Read and split the memory, measure what training needs, and write nothing."""


@option_group("General text")
class GeneralOptions:
    """Text of the kind that the model was trained on."""

    general: Annotated[
        list[Path] | None,
        typer.Option(
            "--general", metavar="SRC TGT|FILE|RECIPE", show_default="the recipe of the model"
        ),
    ] = None
    """Text to mix in, so that the model does not forget: files like those of the memory, or a
    recipe with all its corpora; repeatable."""
    test: Annotated[
        list[Path] | None,
        typer.Option(
            "--general-test", metavar="SRC TGT|FILE", show_default="of the recipe, or held out"
        ),
    ] = None
    """Test set that shows what the model forgets."""
    ratio: Annotated[float, typer.Option("--ratio", min=0, metavar="R")] = 1.0
    """General pairs in an epoch for each pair of the memory; 0 trains on the memory alone."""


@option_group("Training")
class TuningOptions:
    """Settings of training."""

    max_epochs: Annotated[int, typer.Option("--max-epochs", min=1, metavar="N")] = 8
    """Epochs of the memory, if validation does not stop training before."""
    learning_rate: Annotated[
        float | None,
        typer.Option("--learning-rate", metavar="X", show_default="a quarter of the model's"),
    ] = None
    """Peak learning rate."""


@option_group(DEVICES)
class AdaptationDeviceOptions:
    """Device and threads."""

    device: DeviceOption = "auto"
    n_threads: Annotated[
        int | None, typer.Option("--threads", min=1, max=MAX_PROCESSES, show_default="one per core")
    ] = None
    """CPU threads."""


class AdaptCommand(HeldOutOptionsCommand):
    """A command whose options for general text take one file or two."""

    pair_options: ClassVar[tuple[str, ...]] = ("--general", "--general-test")

    def takes_one(self, option: str, first: Path) -> bool:
        """See `HeldOutOptionsCommand`."""
        return has_both_sides(first)


app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command("adapt", cls=AdaptCommand)
@takes_option_groups
def adapt(
    inputs: MemoryOptions,
    direction_options: DirectionOptions,
    output: AdaptationOutputOptions,
    general: GeneralOptions,
    tuning: TuningOptions,
    devices: AdaptationDeviceOptions,
) -> None:
    """Adapt a model to a translation memory.

    Holds out a part of the memory, fine-tunes the model on the rest, mixed with general text
    against forgetting, and compares both models on the memory and on general text. The same command
    resumes an interrupted run.

    Examples:
        mtkit adapt de-en/model memory.tmx -o adapted --dry-run
        mtkit adapt de-en/model memory.tmx -o adapted --general news.de news.en
        mtkit adapt de-en/model memory.de memory.en -o adapted --ratio 0.5
        mtkit adapt multi/model memory.tmx -o adapted --src-lang de --tgt-lang en
    """
    from mtkit.cli.common.corpus_arguments import make_sources
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.cli.common.recipe_paths import corpus_paths
    from mtkit.config.data import DataConfig
    from mtkit.io.find_model import refuse_no_model

    if not general.ratio < float("inf"):
        raise typer.BadParameter("--ratio must be a number")
    if tuning.learning_rate is not None and not 0 < tuning.learning_rate < 1:
        raise typer.BadParameter("--learning-rate must be between 0 and 1")
    refuse_no_model(inputs.model_dir)
    refuse_overwriting(
        [output.out_dir],
        [inputs.model_dir, *inputs.memory, *(general.general or []), *(general.test or [])],
    )
    from mtkit.adaptation.direction import RequestedDirection, choose_direction

    requested = RequestedDirection(
        direction_options.src_lang, direction_options.tgt_lang, direction_options.tags or ()
    )
    direction = choose_direction(inputs.model_dir, requested)
    langs = direction.langs
    memory = make_sources(inputs.memory)
    refuse_other_order(inputs.memory, langs)
    data = _general_data(general, direction)
    from mtkit.adaptation.adapt import Adaptation, adapt, estimate
    from mtkit.adaptation.general_text import GeneralText
    from mtkit.adaptation.recorded_recipe import recorded_data
    from mtkit.adaptation.settings import FineTuning

    data, ratio = data or recorded_data(inputs.model_dir), general.ratio
    if test := tuple(map(direction.with_tags, make_sources(general.test or []))):
        if data is None:
            # Only measured.
            data, ratio = DataConfig(src_lang=langs[0], tgt_lang=langs[1], train=test), 0.0
        # Nothing says that the lines of a file are in the order of documents.
        alone = (source.model_copy(update={"documents": False}) for source in test)
        data = data.model_copy(update={"test": tuple(alone)})
    if data is not None:
        refuse_overwriting([output.out_dir], corpus_paths(data))
    job = Adaptation(
        inputs.model_dir,
        memory,
        output.out_dir,
        GeneralText(data, ratio, direction),
        FineTuning(tuning.max_epochs, tuning.learning_rate),
        devices.device,
        devices.n_threads,
        direction,
    )
    output.show(estimate(job) if output.dry_run else adapt(job, resume=output.resume))


def _general_data(options: GeneralOptions, direction: "Direction") -> "DataConfig | None":
    """Return the general text that was named on the command line.

    Raises:
        MtkitError: A recipe cannot be read, or is for other languages.
        typer.BadParameter: The files are neither a recipe nor corpora.
    """
    from mtkit.cli.common.corpus_arguments import make_sources
    from mtkit.config.data import DataConfig
    from mtkit.config.recipe import Recipe
    from mtkit.errors import MtkitError

    paths, langs = options.general or [], direction.langs
    refuse_other_order(paths, langs)
    refuse_other_order(options.test or [], langs)
    if not paths:
        return None
    if not any(map(is_recipe_name, paths)):
        src_lang, tgt_lang = langs
        sources = tuple(map(direction.with_tags, make_sources(paths)))
        return DataConfig(src_lang=src_lang, tgt_lang=tgt_lang, train=sources)
    if len(paths) > 1:
        raise typer.BadParameter("--general: give one recipe, or corpora, but not both")
    data = Recipe.load(paths[0]).data
    sources = (*data.train, *data.validation, *data.test)
    if not any(direction.is_of(data.languages_of(source)) for source in sources):
        raise MtkitError(
            f"`{paths[0]}`: is for {data.src_lang} to {data.tgt_lang}, but the memory is from"
            f" {langs[0]} to {langs[1]}",
            "give a recipe of the same languages",
        )
    return data
