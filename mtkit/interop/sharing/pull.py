"""Getting a shared model, which is checked before it appears."""

from pathlib import Path

from mtkit.checkpoint.model_dir import TrainedModel, load_model_dir
from mtkit.errors import MtkitError
from mtkit.interop.sharing.sources import check_source, fetch_package
from mtkit.io.atomic import atomic_dir
from mtkit.io.build_manifest import MANIFEST_NAME
from mtkit.io.find_model import refuse_foreign_model


def pull(
    source: Path | str, out_dir: Path | str, *, download: bool = False, revision: str | None = None
) -> TrainedModel:
    """Copy a model that `mtkit push` wrote, and check it.

    Files that are not part of a model are left out, or refused in an archive. The directory appears
    when everything has been checked: hashes, sizes, limits, and that the model can be loaded.

    Args:
        source: A directory; an archive, .tar or .tar.gz; or with `download` the name of a model on
            the Hugging Face hub.
        out_dir: Model directory to write; it must not exist, or be empty.
        download: Whether to download the model from the hub.
        revision: With `download`: branch, tag or commit; None for main.
    Returns:
        The model.
    Raises:
        MtkitError: There is no such model, it is incomplete or damaged, an archive contains
            something else, or the directory exists or cannot be written.
    """
    check_source(Path(source), Path(out_dir), download=download)
    with atomic_dir(Path(out_dir)) as directory:
        fetch_package(str(source), directory, download=download, revision=revision)
        try:
            return _checked(directory)
        except MtkitError as exc:
            # The temporary directory is gone when the message is read.
            shown = exc.message.replace(str(directory), str(source))
            raise MtkitError(shown, exc.hint) from None


def _checked(directory: Path) -> TrainedModel:
    refuse_foreign_model(directory)
    if not (directory / MANIFEST_NAME).is_file():
        raise MtkitError(
            f"`{directory}`: has no {MANIFEST_NAME}, so it was not written by `mtkit push`",
            "a model directory can be used without pulling it; a copy of one is checked if "
            "`mtkit push` makes it",
        )
    return load_model_dir(directory)
