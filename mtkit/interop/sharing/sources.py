"""Sources that a model is pulled from: a directory, an archive, or the hub."""

from pathlib import Path

from mtkit.errors import MtkitError
from mtkit.interop.hub import download_files, is_hub_name
from mtkit.interop.sharing.archive import extract_archive
from mtkit.interop.sharing.package import choose_names, copy_package, find_package


def check_source(source: Path, out_dir: Path, *, download: bool) -> None:
    """Check that there is something to pull, and nothing in its place yet.

    Args:
        source: A directory, an archive, or the name of a model on the hub.
        out_dir: Directory to write.
        download: Whether the source is on the hub.
    Raises:
        MtkitError: There is no such file or directory, or `out_dir` exists and is not empty.
    """
    if out_dir.exists() and not (out_dir.is_dir() and not any(out_dir.iterdir())):
        raise MtkitError(
            f"`{out_dir}`: exists, and is not replaced", "name a new directory, or remove this one"
        )
    if download:
        return
    if not source.exists():
        raise MtkitError(
            f"`{source}`: no such file or directory",
            "if it is the name of a model on the Hugging Face hub, give --download"
            if is_hub_name(str(source))
            else "check the path",
        )
    if not source.is_dir() and not source.is_file():
        raise MtkitError(f"`{source}`: not a file or directory", "give an archive or a directory")


def fetch_package(source: str, directory: Path, *, download: bool, revision: str | None) -> None:
    """Copy the files of a shared model, which are not checked yet.

    Args:
        source: A directory, an archive, or the name of a model on the hub.
        directory: An empty directory.
        download: Whether the source is on the hub.
        revision: Branch, tag or commit on the hub; None for main.
    Raises:
        MtkitError: A file is a link, an archive contains something else, or the download fails.
    """
    if download:
        copy_package(download_files(source, revision, choose_names), directory)
    elif Path(source).is_dir():
        copy_package(find_package(Path(source)), directory)
    else:
        extract_archive(Path(source), directory)
