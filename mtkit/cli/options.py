"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mtkit.config.search import SearchConfig
from mtkit.config.section import MAX_PROCESSES, Section


def help_of(section: type[Section], field: str) -> str:
    """The help of an option that stands for a recipe's key: the docstring under that key."""
    return section.model_fields[field].description or ""


def given(**options: Any) -> dict[str, Any]:
    """Those options that the user gave."""
    return {name: value for name, value in options.items() if value is not None}


MODELS_DEFAULT = "the model's"

RecipeArgument = Annotated[Path, typer.Argument(metavar="RECIPE", help="Recipe file, as `mtkit init` writes it")]
OverridesOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one key of the recipe for this run, as in training.max_steps=100; may be repeated"),
]
DeviceOption = Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda or cuda:N; auto takes a GPU where there is one")]
PrecisionOption = Annotated[
    Literal["auto", "float32", "bf16", "fp16", "int8"],
    typer.Option(help="Number format of the matrix products; auto is bf16 on a GPU that has it, else float32; int8 is the fastest on a CPU"),
]
EngineOption = Annotated[
    Literal["auto", "torch", "ctranslate2"],
    typer.Option(help="What runs the model; auto is ctranslate2 for one that `mtkit export ctranslate2` wrote, else torch"),
]
CorpusWorkersOption = Annotated[
    int | None, typer.Option("--workers", min=0, max=MAX_PROCESSES, help="Processes", show_default="one per core; none for a small corpus")
]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, max=MAX_PROCESSES, help="Batches at a time on a CPU, sharing its cores", show_default="one per core")
]
ProcessesOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MAX_PROCESSES,
        help="Processes that share the lines, on a CPU with an equal share of its cores each",
        show_default="one for each GPU",
    ),
]
TagsOption = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="Put before each source, as in training, for example '<2ko>'; may be repeated"),
]
BeamSizeOption = Annotated[int | None, typer.Option(min=1, help=help_of(SearchConfig, "beam_size"), show_default=MODELS_DEFAULT)]
LengthPenaltyOption = Annotated[
    Literal["wu", "mean", "none"] | None, typer.Option(help=help_of(SearchConfig, "length_penalty"), show_default=MODELS_DEFAULT)
]
AlphaOption = Annotated[float | None, typer.Option(min=0.0, help=help_of(SearchConfig, "alpha"), show_default=MODELS_DEFAULT)]
MaxTokensOption = Annotated[int | None, typer.Option(min=1, help=help_of(SearchConfig, "max_tokens"), show_default=MODELS_DEFAULT)]
ShortlistOption = Annotated[
    bool, typer.Option("--shortlist", help="Look only at the target pieces that `mtkit shortlist` found for the source's; faster, changes some lines")
]
BatchInvariantOption = Annotated[
    bool,
    typer.Option(
        "--batch-invariant",
        help="Exactly the same translation of a line whatever else is translated, with int8, a shortlist or a GPU too; slower",
    ),
]
