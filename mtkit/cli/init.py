"""`mtkit init`."""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer

from mtkit.cli.common.command_line import shell_command
from mtkit.cli.common.from_data import init_from_data
from mtkit.cli.common.new_recipe import (
    FilePair,
    LanguagePair,
    check_two_files,
    choose_languages,
    files_in_recipe,
    refuse_existing,
    side_endings,
    write_recipe,
)
from mtkit.cli.common.option_groups import option_group, takes_option_groups
from mtkit.cli.common.options import DeviceOption
from mtkit.cli.common.usage_errors import UsageMistake

Preset = Literal["tiny", "small", "base", "big"]


@option_group()
class TextOptions:
    """Languages and files of training and validation."""

    src_lang: Annotated[
        str | None, typer.Option(metavar="CODE", show_default="from the name of the file")
    ] = None
    """Source language."""
    tgt_lang: Annotated[
        str | None, typer.Option(metavar="CODE", show_default="from the name of the file")
    ] = None
    """Target language."""
    train_src: Annotated[
        Path | None, typer.Option(metavar="FILE", show_default="train.SRC_LANG in DIR")
    ] = None
    """Training text, source side."""
    train_tgt: Annotated[
        Path | None, typer.Option(metavar="FILE", show_default="train.TGT_LANG in DIR")
    ] = None
    """Training text, target side."""
    validation_src: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", show_default="validation.SRC_LANG in DIR, or drawn with --from-data"
        ),
    ] = None
    """Validation text, source side."""
    validation_tgt: Annotated[
        Path | None, typer.Option(metavar="FILE", show_default="validation.TGT_LANG in DIR")
    ] = None
    """Validation text, target side."""

    @property
    def langs(self) -> LanguagePair:
        """Language codes, as given."""
        return self.src_lang, self.tgt_lang

    @property
    def train(self) -> FilePair | None:
        """Training text; None if it is not given."""
        return _pair(self.train_src, self.train_tgt, "train")

    @property
    def validation(self) -> FilePair | None:
        """Validation text; None if it is not given."""
        return _pair(self.validation_src, self.validation_tgt, "validation")


@takes_option_groups
def init(
    preset: Annotated[
        str | None,
        typer.Argument(
            metavar="PRESET",
            help="Size: tiny (thousands of pairs, minutes), small (tens of thousands), base or big "
            "(millions, on a GPU; as in the Transformer paper). With --from-data also compact and "
            "medium; if left out, the corpus decides",
            show_default=False,
        ),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR",
            help="Directory for recipe.yaml. With --from-data it may be left out, and is named "
            "after the languages, such as de-en",
            show_default=False,
        ),
    ] = None,
    from_data: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="SRC TGT",
            help="Choose the settings for this training text and this machine, with reasons; line "
            "N of TGT translates line N of SRC",
            show_default=False,
        ),
    ] = None,
    *,
    texts: TextOptions,
    device: DeviceOption = "auto",
    is_full: Annotated[
        bool,
        typer.Option(
            "--full", help="Write every key with its explanation, not only those that matter most"
        ),
    ] = False,
) -> None:
    """Write a recipe: the settings of a training run.

    With --from-data, tokenizer, model, batches, rates and intervals are chosen by the size and kind
    of the corpus, and by the device; each reason is printed and written into the recipe. The text
    itself is not copied. Without validation files, up to 2,000 pairs are drawn, written to DIR and
    left out of training.

    The recipe holds the keys that matter most; all others keep their defaults, and --full writes
    them too. An existing recipe is never overwritten. The languages are taken from names such as
    train.de and train.en. With PRESET and training files but no validation files, the best
    checkpoint cannot be selected.

    Examples:
        mtkit init --from-data train.de train.en
        mtkit init my-system --from-data train.de train.en
        mtkit init small my-system --train-src train.de --train-tgt train.en
    """
    if from_data is not None:
        from mtkit.config.auto.model_sizes import MODEL_SIZES
        from mtkit.io.paths import normalize_path

        if preset is not None and directory is None and preset not in MODEL_SIZES:
            preset, directory = None, normalize_path(Path(preset))
        if texts.train_src or texts.train_tgt:
            raise typer.BadParameter(
                "--from-data names the training text; leave --train-src and --train-tgt out"
            )
        validation = texts.validation
        if preset is not None:
            _check_preset(preset, MODEL_SIZES)
        init_from_data(
            from_data, directory, preset, texts.langs, validation, device, is_full=is_full
        )
        return
    if preset is None or directory is None:
        raise UsageMistake(
            "give --from-data SRC TGT, or PRESET and DIR",
            "for example: mtkit init --from-data train.de train.en",
        )
    if Path(preset).is_file() and directory.is_file():
        raise UsageMistake(
            f"`{preset}` is a file, not a preset",
            f"type: {shell_command('init', '--from-data', Path(preset), directory)}",
        )
    _check_preset(preset, get_args(Preset))
    _init_preset(preset, directory, texts, is_full=is_full)


def _check_preset(preset: str, known: tuple[str, ...]) -> None:
    if preset not in known:
        raise UsageMistake(f"`{preset}` is not a preset", f"give one of {', '.join(known)}")


def _init_preset(preset: str, directory: Path, texts: TextOptions, *, is_full: bool) -> None:
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.config.presets import PRESETS
    from mtkit.config.recipe import Recipe

    train, validation = texts.train, texts.validation
    for files in filter(None, (train, validation)):
        check_two_files(*files)
    src_lang, tgt_lang = choose_languages(texts.langs, train or validation)
    path = directory / "recipe.yaml"
    refuse_overwriting([path], [*(train or ()), *(validation or ())])
    refuse_existing(path)
    endings = side_endings(src_lang, tgt_lang)

    def corpus(files: FilePair | None, name: str) -> dict[str, Any]:
        default = (directory / f"{name}.{endings[0]}", directory / f"{name}.{endings[1]}")
        return files_in_recipe(files or default, directory)

    data: dict[str, Any] = {
        "src_lang": src_lang,
        "tgt_lang": tgt_lang,
        "train": corpus(train, "train"),
        # Training files without validation files mean that there are none.
        "validation": None if train and not validation else corpus(validation, "validation"),
    }
    write_recipe(
        path, Recipe.model_validate({"data": data, **PRESETS[preset]}), {}, is_full=is_full
    )
    print(f"wrote {path}: {src_lang} to {tgt_lang}")
    if not train:
        names = " and ".join(str(directory / f"train.{ending}") for ending in endings)
        print(f"next: put your text into {names} (line N of one translates line N of the other),")
        print(f"      or specify other files under `data:` in {path}")
    print(f"then: {shell_command('train', path)}")


def _pair(src: Path | None, tgt: Path | None, name: str) -> FilePair | None:
    """Return both sides, or None if the user gave neither."""
    if src is None and tgt is None:
        return None
    if src is None or tgt is None:
        raise typer.BadParameter(f"--{name}-src and --{name}-tgt go together")
    return src, tgt
