"""Options of `mtkit init`."""

from pathlib import Path
from typing import Annotated

import typer

from mtkit.cli.common.new_recipe import FilePair, LanguagePair
from mtkit.cli.common.option_groups import option_group
from mtkit.cli.common.options import DeviceOption


@option_group()
class InitOptions:
    """Size, directory and texts of a new recipe."""

    preset: Annotated[str | None, typer.Argument(metavar="PRESET")] = None
    """Size: tiny (thousands of pairs, minutes), small (tens of thousands), base or big (millions,
    on a GPU; as in the Transformer paper). With --from-data also compact and medium; if left out,
    the corpus decides."""
    directory: Annotated[Path | None, typer.Argument(metavar="DIR")] = None
    """Directory for recipe.yaml. With --from-data it may be left out, and is named after the
    languages, such as de-en."""
    from_data: Annotated[tuple[Path, Path] | None, typer.Option(metavar="SRC TGT")] = None
    """Choose the settings for this training text and this machine, with reasons; line N of TGT
    translates line N of SRC."""
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
    device: DeviceOption = "auto"
    is_full: Annotated[bool, typer.Option("--full")] = False
    """Write every key with its explanation, not only those that matter most."""

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


def _pair(src: Path | None, tgt: Path | None, name: str) -> FilePair | None:
    """Return both sides, or None if the user gave neither."""
    if src is None and tgt is None:
        return None
    if src is None or tgt is None:
        raise typer.BadParameter(f"--{name}-src and --{name}-tgt go together")
    return src, tgt
