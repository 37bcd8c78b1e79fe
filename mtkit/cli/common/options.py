"""Arguments and options that several commands share."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mtkit.cli.common.option_groups import option_group
from mtkit.config.section import MAX_PROCESSES, SearchPrecision, Section
from mtkit.errors import MtkitError

_DURATION = re.compile(
    r"(?:(?P<d>\d+(?:\.\d+)?)d)?(?:(?P<h>\d+(?:\.\d+)?)h)?"
    r"(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?"
)
_UNITS_S = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}


def given(**options: Any) -> dict[str, Any]:
    """Return the options that the user gave."""
    return {name: value for name, value in options.items() if value is not None}


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as `90s`, `45m`, `3h`, `1h30m` or `2d`.

    Raises:
        typer.BadParameter: The text is not a duration, or the duration is zero.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    groups = match.groupdict() if match else {}
    seconds = sum(_UNITS_S[unit] * float(number) for unit, number in groups.items() if number)
    if seconds <= 0:
        raise typer.BadParameter(
            f"{text} is not a duration; write it as in 90s, 45m, 3h, 1h30m or 2d"
        )
    return seconds


def setting_option(section: type[Section], name: str, *flags: str, **limits: Any) -> Any:
    """Return the option for a setting, with the setting's help.

    Args:
        section: Class of the section that has the setting.
        name: Name of the setting.
        flags: Names of the option; default: that of the parameter.
        limits: Further arguments of `typer.Option`.
    """
    help_text = section.model_fields[name].description or ""
    return typer.Option(*flags, help=help_text.removesuffix("."), **limits)


INPUT_AND_OUTPUT = "Input and output"
TAGS_AND_CONSTRAINTS = "Tags, prefixes and constraints"
DEVICES = "Devices and speed"
"""Titles of groups of options that several commands have.

Options without a group are the first in the help.
"""

RecipeArgument = Annotated[
    Path, typer.Argument(metavar="RECIPE", help="Recipe file, as written by `mtkit init`")
]
OverridesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key of the recipe for this run, as in training.max_steps=100; repeatable",
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        metavar="DEVICE",
        help="auto, cpu, cuda or cuda:N; auto uses a GPU if there is one",
        rich_help_panel=DEVICES,
    ),
]
EngineOption = Annotated[
    Literal["auto", "torch", "ctranslate2"],
    typer.Option(
        help=(
            "Engine that runs the model; auto is ctranslate2 for a model from `mtkit export"
            " ctranslate2`, else torch"
        ),
        rich_help_panel=DEVICES,
    ),
]
CompiledOption = Annotated[
    bool,
    typer.Option(
        "--compiled",
        help=(
            "Search on a CPU with code that Numba compiles: several times as fast for a few lines"
            " at a time, and faster for many. Needs the extra [numba]"
        ),
        rich_help_panel=DEVICES,
    ),
]
RayOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help=(
            "Share the lines of a file among the machines of a Ray cluster: auto is the running"
            " one, local this machine alone, or HOST:PORT; needs the extra [ray]"
        ),
        rich_help_panel=DEVICES,
    ),
]
CorpusWorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=0,
        max=MAX_PROCESSES,
        help="Number of processes",
        show_default="one per core; none for a small corpus",
    ),
]


@option_group()
class ModelOptions:
    """Models, and output of a command that runs them."""

    model_dirs: Annotated[list[Path], typer.Option("--model", "-m", metavar="DIR")]
    """Model directory; repeat it for an ensemble."""
    output_path: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", show_default="stdout")
    ] = None
    """File to write."""


@option_group(DEVICES)
class DeviceOptions:
    """Device and precision."""

    device: DeviceOption = "auto"
    precision: SearchPrecision = "auto"
    """Precision of the matrix products; auto is bf16 on a GPU that supports it, else float32; int8
    is the fastest on a CPU."""
    workers: Annotated[
        int | None, typer.Option(min=1, max=MAX_PROCESSES, show_default="one per core")
    ] = None
    """Batches translated at the same time on a CPU; they share its cores."""


@option_group(TAGS_AND_CONSTRAINTS)
class TagOptions:
    """Tags of source and target."""

    tags: Annotated[list[str] | None, typer.Option("--tag", metavar="TAG")] = None
    """Tag to put before each source line, as in training, such as '<2ko>'; repeatable."""
    src_lang: Annotated[str | None, typer.Option("--src-lang", metavar="LANG")] = None
    """Source language of a model that needs it, such as deu_Latn or de in NLLB."""
    tgt_lang: Annotated[str | None, typer.Option("--tgt-lang", metavar="LANG")] = None
    """Target language of a model with several: the language of one of its tags, such as deu or de
    for >>deu<<."""
    tgt_tags: Annotated[list[str] | None, typer.Option("--tgt-tag", metavar="TAG")] = None
    """Vocabulary symbol with which every translation begins, as in training; it is removed from the
    output; repeatable."""

    def load_arguments(self, model_dirs: Sequence[Path]) -> dict[str, Any]:
        """Return the arguments `tags` and `tgt_tags` of `Translator.load`.

        A language selects a tag: that of the target the one before each source, unless the models
        have tags on both sides.

        Args:
            model_dirs: The models.
        Raises:
            MtkitError: --src-lang was given, but the models do not read the source language.
        """
        from mtkit.io.find_model import tags_of_model

        tags, tgt_tags = tuple(self.tags or ()), tuple(self.tgt_tags or ())
        src_lang, tgt_lang = (
            (language,) if language else () for language in (self.src_lang, self.tgt_lang)
        )
        if model_dirs and tags_of_model(model_dirs[0])[1]:
            return {"tags": src_lang + tags, "tgt_tags": tgt_lang + tgt_tags}
        if self.src_lang:
            raise MtkitError(
                f"`{model_dirs[0]}`: --src-lang has no effect on a model that does not read the "
                "source language",
                "leave it out",
            )
        return {"tags": tgt_lang + tags, "tgt_tags": tgt_tags}


@option_group(DEVICES)
class FileDeviceOptions(DeviceOptions):
    """Devices and processes of models that translate files."""

    processes: Annotated[
        int | None, typer.Option(min=1, max=MAX_PROCESSES, show_default="one for each GPU")
    ] = None
    """Processes that share the lines; on a CPU they also share its cores."""
    compiled: CompiledOption = False
    engine: EngineOption = "auto"
    ray: RayOption = None

    def load_arguments(self, tags: TagOptions, model_dirs: Sequence[Path]) -> dict[str, Any]:
        """Return arguments of `Translator.load` that determine the output.

        Raises:
            typer.BadParameter: The options contradict each other.
        """
        if self.compiled and (self.ray is not None or (self.processes or 1) > 1):
            raise typer.BadParameter(
                "--compiled is for one process; leave it out to share lines among several"
            )
        arguments = {"precision": self.precision, **tags.load_arguments(model_dirs)}
        # Only if given, because a resumed run compares them.
        return arguments | ({"compiled": True} if self.compiled else {})
