"""`mtkit init`."""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer

from mtkit.cli.from_data import init_from_data, refuse_existing, seen_from
from mtkit.cli.options import DeviceOption

Preset = Literal["tiny", "small", "base", "big"]


def init(
    preset: Annotated[
        str | None,
        typer.Argument(
            metavar="PRESET",
            help="Size: tiny (thousands of pairs, minutes), small (tens of thousands), base or big (millions, on a GPU; as in the Transformer "
            "paper). With --from-data also compact and medium; without it, the corpus decides then",
            show_default=False,
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR",
            help="Where to write recipe.yaml; made if missing. With --from-data it may be left out; it is named after the languages then, as de-en",
            show_default=False,
        ),
    ] = None,
    from_data: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="SRC TGT",
            help="Choose the settings by looking at this training text and at the machine, and say why; line N of SRC translates line N of TGT",
            show_default=False,
        ),
    ] = None,
    src_lang: Annotated[
        str | None, typer.Option(metavar="CODE", help="Language to translate from", show_default="de; with --from-data by the file's name")
    ] = None,
    tgt_lang: Annotated[
        str | None, typer.Option(metavar="CODE", help="Language to translate into", show_default="en; with --from-data by the file's name")
    ] = None,
    train_src: Annotated[Path | None, typer.Option(metavar="FILE", help="Training text, source side", show_default="train.SRC_LANG in DIR")] = None,
    train_tgt: Annotated[Path | None, typer.Option(metavar="FILE", help="Training text, target side", show_default="train.TGT_LANG in DIR")] = None,
    validation_src: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Validation text", show_default="validation.SRC_LANG in DIR; with --from-data drawn from the training text"
        ),
    ] = None,
    validation_tgt: Annotated[Path | None, typer.Option(metavar="FILE", help="Its translation", show_default="validation.TGT_LANG in DIR")] = None,
    device: DeviceOption = "auto",
) -> None:
    """Write a recipe with every key explained.

    An existing recipe is never overwritten. Files named here may be relative to the current directory. With training files but no
    validation files, no checkpoint counts as the best.

    With --from-data, tokenizer, model, batches, rates and intervals are chosen by the size and kind of the corpus, and by the device; each
    reason is printed, and stands in the recipe. The text itself is not copied. Without validation files, up to 2,000 pairs are drawn and written
    to DIR; training leaves them out.
    """
    if from_data is not None:
        from mtkit.config.sizes import SIZES

        if preset is not None and folder is None and preset not in SIZES:
            preset, folder = None, Path(preset)
        if train_src or train_tgt:
            raise typer.BadParameter("--from-data names the training text; leave --train-src and --train-tgt out")
        validation = _pair(validation_src, validation_tgt, "validation")
        if preset is not None:
            _check_preset(preset, SIZES)
        init_from_data(from_data, folder, preset, (src_lang, tgt_lang), validation, device)
        return
    if preset is None or folder is None:
        raise typer.BadParameter("name PRESET and DIR, as in `mtkit init small my-system`, or give --from-data SRC TGT")
    _check_preset(preset, get_args(Preset))
    _init_preset(
        preset,
        folder,
        (src_lang or "de", tgt_lang or "en"),
        _pair(train_src, train_tgt, "train"),
        _pair(validation_src, validation_tgt, "validation"),
    )


def _check_preset(preset: str, known: tuple[str, ...]) -> None:
    if preset not in known:
        raise typer.BadParameter(f"{preset!r} is no PRESET; there are {', '.join(known)}")


def _init_preset(preset: str, folder: Path, langs: tuple[str, str], train: tuple[Path, Path] | None, validation: tuple[Path, Path] | None) -> None:
    from mtkit.config.presets import PRESETS
    from mtkit.config.recipe import Recipe
    from mtkit.config.writer import commented_yaml
    from mtkit.files import atomic_write

    def named(pair: tuple[Path, Path] | None, name: str) -> dict[str, Any]:
        src, tgt = (seen_from(path, folder) for path in pair) if pair else (f"{name}.{lang}" for lang in langs)
        return {"src": src, "tgt": tgt}

    path = folder / "recipe.yaml"
    refuse_existing(path)
    data: dict[str, Any] = {"src_lang": langs[0], "tgt_lang": langs[1], "train": named(train, "train")}
    # Who names own training files but no validation files has none.
    data["validation"] = None if train and not validation else named(validation, "validation")
    recipe = Recipe.model_validate({"data": data, **PRESETS[preset]})
    with atomic_write(path) as stream:
        stream.write(commented_yaml(recipe).encode())
    print(f"wrote {path}")
    if not train:
        texts = data["train"]
        print(f"next: put your text into {folder / texts['src']} and {folder / texts['tgt']} (line N of one translates line N of the other),")
        print(f"      or name your own files under `data:` in {path}")
    print(f"then: mtkit train {path}")


def _pair(src: Path | None, tgt: Path | None, name: str) -> tuple[Path, Path] | None:
    """Both sides; None if the user gave neither."""
    if src is None and tgt is None:
        return None
    if src is None or tgt is None:
        raise typer.BadParameter(f"--{name}-src and --{name}-tgt go together")
    return src, tgt
