"""`mtkit import`: models of other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli.common.help_pages import Command, Group
from mtkit.cli.common.hub_options import DownloadOption, RevisionOption

if TYPE_CHECKING:
    from mtkit.checkpoint.model_dir import TrainedModel

app = typer.Typer(cls=Group, rich_markup_mode=None, no_args_is_help=True, add_completion=False)


@app.callback()
def start() -> None:
    """Import models of other programs.

    Examples:
        mtkit import huggingface opus-mt-ko-en ko-en
        mtkit import marian opus-2020-01-16 de-en --src-lang de --tgt-lang en
    """


@app.command("huggingface", cls=Command)
def huggingface(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="Directory of the model, or with --download its name on the hub"
        ),
    ],
    out_dir: Annotated[Path, typer.Argument(metavar="OUT", help="Model directory to write")],
    src_lang: Annotated[
        str | None,
        typer.Option(help="Source language", show_default="that of tokenizer_config.json"),
    ] = None,
    tgt_lang: Annotated[
        str | None,
        typer.Option(help="Target language", show_default="that of tokenizer_config.json"),
    ] = None,
    download: DownloadOption = False,
    revision: RevisionOption = None,
    allow_pickle: Annotated[
        bool,
        typer.Option(
            "--allow-pickle",
            help="Read pytorch_model.bin if there is no model.safetensors; only tensors are read",
        ),
    ] = False,
) -> None:
    """Import a Hugging Face model: OPUS-MT, M2M100, NLLB, or one exported by mtkit.

    The result is a model directory like one that `mtkit train` writes. For M2M100 and NLLB, the
    languages are those to translate unless others are chosen.

    Examples:
        mtkit import huggingface opus-mt-ko-en ko-en
        mtkit import huggingface nllb-200-distilled-600M nllb --tgt-lang en
        mtkit import huggingface Helsinki-NLP/opus-mt-ko-en ko-en --download
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.interop.huggingface.download import fetch_model
    from mtkit.io.find_model import refuse_other_format

    if revision is not None and not download:
        raise typer.BadParameter("--revision needs --download")
    refuse_overwriting([out_dir], [] if download else [source])
    if not download:
        refuse_other_format(source, out_dir, "huggingface")
    name = source.as_posix()
    found = fetch_model(name, revision, is_allowed=download, allow_pickle=allow_pickle)
    # torch takes seconds to load, which a mistyped path should not wait for.
    from mtkit.interop.huggingface.import_model import import_huggingface

    trained = import_huggingface(
        found, out_dir, src_lang=src_lang, tgt_lang=tgt_lang, allow_pickle=allow_pickle
    )
    _report(trained, out_dir)


@app.command("marian", cls=Command)
def marian(
    source: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="Directory of the model, its decoder.yml or .npz"),
    ],
    out_dir: Annotated[Path, typer.Argument(metavar="OUT", help="Model directory to write")],
    src_lang: Annotated[str, typer.Option(help="Source language")],
    tgt_lang: Annotated[str, typer.Option(help="Target language")],
) -> None:
    """Import a Marian model, such as a package of OPUS-MT or HPLT.

    The result is a model directory like one that `mtkit train` writes. Scripts in the package are
    not run.

    Examples:
        mtkit import marian opus-2020-01-16 de-en --src-lang de --tgt-lang en
        mtkit import marian model.npz.best-chrf.npz de-en --src-lang de --tgt-lang en
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.interop.marian.package import find_package
    from mtkit.io.find_model import refuse_other_format

    refuse_overwriting([out_dir], [source])
    refuse_other_format(source, out_dir, "marian")
    # torch takes seconds to load, which a mistyped path should not wait for.
    find_package(source)
    from mtkit.interop.marian.import_model import import_marian

    _report(import_marian(source, out_dir, src_lang=src_lang, tgt_lang=tgt_lang), out_dir)


def _report(trained: "TrainedModel", out_dir: Path) -> None:
    from mtkit.model.transformer import n_parameters

    config = trained.config
    size = f"{n_parameters(trained.model):,} parameters"
    print(f"{out_dir}: {config.src_lang} to {config.tgt_lang}, {size}")
    if config.tags:
        shown = ", ".join(config.tags[:10]) + (", ..." if len(config.tags) > 10 else "")
        kinds = (
            "languages (--src-lang, --tgt-lang)"
            if config.tgt_tags
            else "target languages (--tgt-lang)"
        )
        print(f"{len(config.tags)} {kinds}: {shown}")
    assert config.origin is not None
    for note in config.origin.notes:
        print(note)
