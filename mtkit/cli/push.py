"""`mtkit push`."""

from pathlib import Path
from typing import Annotated

import typer


def push(
    model_dir: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="Model directory, as written by `mtkit train` or `mtkit average`"
        ),
    ],
    destination: Annotated[
        Path,
        typer.Argument(
            metavar="DEST",
            help="Directory or archive (.tar, .tar.gz), or with --upload a name on the hub",
        ),
    ],
    license_name: Annotated[
        str | None,
        typer.Option("--license", metavar="NAME", help="License of the model, such as cc-by-4.0"),
    ] = None,
    score_paths: Annotated[
        list[Path] | None,
        typer.Option(
            "--scores",
            metavar="FILE",
            help="Scores for the model card: output of `mtkit evaluate --json`; repeatable",
        ),
    ] = None,
    card_path: Annotated[
        Path | None,
        typer.Option(
            "--card",
            metavar="FILE",
            help="Text of the model card, in place of the existing one",
            show_default=False,
        ),
    ] = None,
    upload: Annotated[
        bool, typer.Option("--upload", help="Upload the model to the Hugging Face hub")
    ] = False,
    public: Annotated[
        bool, typer.Option("--public", help="With --upload: make a new model public, not private")
    ] = False,
) -> None:
    """Share a model: copy it to a directory, an archive or the hub.

    Only the files of the model are copied, with a model card. A manifest with their SHA-256 is
    checked whenever the model is loaded.

    Examples:
        mtkit push de-en/averaged de-en.tar --license cc-by-4.0 --scores bleu.json
        mtkit push de-en/averaged me/de-en --upload
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.io.find_model import refuse_no_model
    from mtkit.io.logs import counted

    if public and not upload:
        raise typer.BadParameter("--public needs --upload")
    inputs = [model_dir, card_path, *(score_paths or [])]
    refuse_overwriting([] if upload else [destination], inputs)
    # torch takes seconds to load, which a mistyped path should not wait for.
    refuse_no_model(model_dir)
    from mtkit.interop.sharing.push import push as push_model

    pushed = push_model(
        model_dir,
        destination.as_posix(),
        license_name=license_name,
        score_paths=score_paths or [],
        card_path=card_path,
        upload=upload,
        private=not public,
    )
    print(f"{pushed.place}: {counted(pushed.n_files, 'files')}, {pushed.n_bytes / 1e6:,.1f} MB")
