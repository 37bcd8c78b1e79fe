"""`mtkit init`."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer


def init(
    preset: Annotated[
        Literal["tiny", "small", "base", "big"],
        typer.Argument(
            metavar="PRESET",
            help="Size: tiny (thousands of pairs, minutes), small (tens of thousands), base or big (millions, on a GPU; as in the Transformer paper)",
        ),
    ],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write recipe.yaml; made if missing")],
    src_lang: Annotated[str, typer.Option(metavar="CODE", help="Language to translate from")] = "de",
    tgt_lang: Annotated[str, typer.Option(metavar="CODE", help="Language to translate into")] = "en",
    train_src: Annotated[Path | None, typer.Option(metavar="FILE", help="Training text, source side", show_default="train.SRC_LANG in DIR")] = None,
    train_tgt: Annotated[Path | None, typer.Option(metavar="FILE", help="Training text, target side", show_default="train.TGT_LANG in DIR")] = None,
    validation_src: Annotated[Path | None, typer.Option(metavar="FILE", help="Validation text", show_default="validation.SRC_LANG in DIR")] = None,
    validation_tgt: Annotated[Path | None, typer.Option(metavar="FILE", help="Its translation", show_default="validation.TGT_LANG in DIR")] = None,
) -> None:
    """Write a recipe with every key explained.

    An existing recipe is never overwritten. Files named here may be relative to the current directory. With training files but no
    validation files, no checkpoint counts as the best.
    """
    from mtkit.config.presets import PRESETS
    from mtkit.config.recipe import Recipe
    from mtkit.config.writer import commented_yaml
    from mtkit.errors import MtkitError
    from mtkit.files import atomic_write

    path = folder / "recipe.yaml"
    if path.exists():
        raise MtkitError(f"`{path}`: exists, and is not overwritten", "name another folder, or move it away")
    train = _pair(train_src, train_tgt, "train", folder)
    validation = _pair(validation_src, validation_tgt, "validation", folder)
    data: dict[str, Any] = {"src_lang": src_lang, "tgt_lang": tgt_lang, "train": train or _in_folder("train", src_lang, tgt_lang)}
    # Who names own training files but no validation files has none.
    data["validation"] = validation or (None if train else _in_folder("validation", src_lang, tgt_lang))
    recipe = Recipe.model_validate({"data": data, **PRESETS[preset]})
    with atomic_write(path) as stream:
        stream.write(commented_yaml(recipe).encode())
    print(f"wrote {path}")
    if not train:
        texts = data["train"]
        print(f"next: put your text into {folder / texts['src']} and {folder / texts['tgt']} (line N of one translates line N of the other),")
        print(f"      or name your own files under `data:` in {path}")
    print(f"then: mtkit train {path}")


def _in_folder(name: str, src_lang: str, tgt_lang: str) -> dict[str, str]:
    return {"src": f"{name}.{src_lang}", "tgt": f"{name}.{tgt_lang}"}


def _pair(src: Path | None, tgt: Path | None, name: str, folder: Path) -> dict[str, Path] | None:
    """Both sides as the recipe has to name them, relative to its folder; None if the user gave neither."""
    if src is None and tgt is None:
        return None
    if src is None or tgt is None:
        raise typer.BadParameter(f"--{name}-src and --{name}-tgt go together")
    return {"src": _seen_from(src, folder), "tgt": _seen_from(tgt, folder)}


def _seen_from(path: Path, folder: Path) -> Path:
    return path if path.is_absolute() else Path(os.path.relpath(path, folder))
