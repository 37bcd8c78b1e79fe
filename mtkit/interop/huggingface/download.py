"""Models on the Hugging Face hub, downloaded only if that was asked for."""

from pathlib import Path

from mtkit.errors import MtkitError
from mtkit.interop.hub import download_files, is_hub_name
from mtkit.interop.huggingface.files import CONFIG_NAME
from mtkit.interop.huggingface.weight_files import choose_files


def fetch_model(source: str, revision: str | None, *, is_allowed: bool, allow_pickle: bool) -> Path:
    """Find a model directory, or download a model into the cache of huggingface_hub.

    Args:
        source: A directory, or the name of a model on the hub.
        revision: Branch, tag or commit on the hub; None for main.
        is_allowed: Whether anything may be downloaded; a directory is then not looked for.
        allow_pickle: Whether pytorch_model.bin is downloaded if there is no model.safetensors.
    Returns:
        The directory of the model.
    Raises:
        MtkitError: There is no such directory, or the download fails.
    """
    if is_allowed:
        return _download(source, revision, allow_pickle=allow_pickle)
    path = Path(source)
    if not path.is_dir():
        is_name = is_hub_name(source) and not path.exists()
        raise MtkitError(
            f"`{source}`: no such directory",
            "if it is the name of a model on the Hugging Face hub, give --download"
            if is_name
            else "give the directory of a Hugging Face model",
        )
    return path


def _download(name: str, revision: str | None, *, allow_pickle: bool) -> Path:
    def choose(present: set[str]) -> set[str]:
        return {CONFIG_NAME, *choose_files(present, allow_pickle=allow_pickle)}

    return download_files(name, revision, choose)[CONFIG_NAME].parent
