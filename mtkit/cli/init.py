"""`mtkit init`."""

from collections.abc import Collection
from pathlib import Path

import typer

from mtkit.cli.common.command_line import shell_command
from mtkit.cli.common.init_options import InitOptions
from mtkit.cli.common.new_recipe import NewRecipe
from mtkit.cli.common.option_groups import takes_option_groups
from mtkit.cli.common.usage_errors import UsageMistake


@takes_option_groups
def init(options: InitOptions) -> None:
    """Write a recipe: the settings of a training run.

    With --from-data, tokenizer, model, batches, rates and intervals are chosen for the corpus and
    the device; each reason is printed and written into the recipe. The text itself is not copied.
    Without validation files, up to 2,000 pairs are drawn, written to DIR and left out of training.

    The recipe contains the keys that matter most; all others have their defaults, and --full writes
    them too. An existing recipe is never overwritten. The languages are taken from names such as
    train.de and train.en. With PRESET and training files but no validation files, the best
    checkpoint cannot be selected.

    Examples:
        mtkit init --from-data train.de train.en
        mtkit init my-system --from-data train.de train.en
        mtkit init small my-system --train-src train.de --train-tgt train.en
    """
    if options.from_data is not None:
        _init_from_data(options, options.from_data)
    else:
        _init_preset(options)


def _init_from_data(options: InitOptions, train: tuple[Path, Path]) -> None:
    from mtkit.cli.common.from_data import init_from_data
    from mtkit.config.auto.model_sizes import MODEL_SIZES
    from mtkit.io.paths import normalize_path

    preset, directory = options.preset, options.directory
    if preset is not None and directory is None and preset not in MODEL_SIZES:
        preset, directory = None, normalize_path(Path(preset))
    if options.train_src or options.train_tgt:
        raise typer.BadParameter(
            "--from-data names the training text; leave --train-src and --train-tgt out"
        )
    validation = options.validation
    if preset is not None:
        _check_preset(preset, MODEL_SIZES)
    recipe = NewRecipe.plan(directory, options.langs, train, validation)
    init_from_data(recipe, options, preset)


def _init_preset(options: InitOptions) -> None:
    from mtkit.config.presets import PRESETS
    from mtkit.io.logs import get_logger

    preset, directory = options.preset, options.directory
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
    _check_preset(preset, PRESETS)
    recipe = NewRecipe.plan(directory, options.langs, options.train, options.validation)
    validation = recipe.validation
    if recipe.train is None and validation is None:
        validation = recipe.files_in_directory("validation")
    recipe.write(validation, PRESETS[preset], {}, is_full=options.is_full)
    for path in (*(recipe.train or ()), *(recipe.validation or ())):
        if not path.exists():
            get_logger(__name__).warning("`%s`: no such file; create it before training", path)
    print(f"wrote {recipe.path}: {recipe.src_lang} to {recipe.tgt_lang}")
    if recipe.train is None:
        names = " and ".join(map(str, recipe.files_in_directory("train")))
        print(f"next: put your text into {names} (line N of one translates line N of the other),")
        print(f"      or specify other files under `data:` in {recipe.path}")
    print(f"then: {shell_command('train', recipe.path)}")


def _check_preset(preset: str, known: Collection[str]) -> None:
    if preset not in known:
        raise UsageMistake(f"`{preset}` is not a preset", f"give one of {', '.join(known)}")
