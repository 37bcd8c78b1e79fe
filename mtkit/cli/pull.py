"""`mtkit pull`."""

from pathlib import Path
from typing import Annotated

import typer

from mtkit.cli.common.hub_options import DownloadOption, RevisionOption


def pull(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Directory or archive (.tar, .tar.gz), or with --download a name on the hub",
        ),
    ],
    out_dir: Annotated[Path, typer.Argument(metavar="OUT", help="Model directory to write")],
    download: DownloadOption = False,
    revision: RevisionOption = None,
) -> None:
    """Get a model that `mtkit push` wrote, and check it.

    The directory appears only if every file has the SHA-256 of the manifest and the model can be
    loaded. No code is run.

    Examples:
        mtkit pull de-en.tar.gz de-en
        mtkit pull me/de-en de-en --download
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.interop.sharing.sources import check_source

    if revision is not None and not download:
        raise typer.BadParameter("--revision needs --download")
    refuse_overwriting([out_dir], [] if download else [source])
    check_source(source, out_dir, download=download)
    # torch takes seconds to load, which a mistyped path should not wait for.
    from mtkit.interop.sharing.pull import pull as pull_model
    from mtkit.model.transformer import n_parameters

    trained = pull_model(source.as_posix(), out_dir, download=download, revision=revision)
    config = trained.config
    size = f"{n_parameters(trained.model):,} parameters"
    print(f"{out_dir}: {config.src_lang} to {config.tgt_lang}, {size}")
