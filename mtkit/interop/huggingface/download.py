"""Models on the Hugging Face hub, downloaded only if that was asked for."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mtkit.errors import MtkitError
from mtkit.interop.huggingface.files import CONFIG_NAME
from mtkit.interop.huggingface.weight_files import choose_files

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


@contextmanager
def fetched_model(
    source: str, revision: str | None, *, is_allowed: bool, allow_pickle: bool
) -> Iterator[Path]:
    """Find a model directory, or download a model into the cache of huggingface_hub.

    Args:
        source: A directory, or the name of a model on the hub.
        revision: Branch, tag or commit on the hub; None for main.
        is_allowed: Whether anything may be downloaded; a directory is then not looked for.
        allow_pickle: Whether pytorch_model.bin is downloaded if there is no model.safetensors.
    Yields:
        The directory of the model.
    Raises:
        MtkitError: There is no such directory, or the download fails.
    """
    if is_allowed:
        yield _download(source, revision, allow_pickle=allow_pickle)
        return
    path = Path(source)
    if not path.is_dir():
        is_name = _HUB_NAME.fullmatch(source) and not path.exists()
        raise MtkitError(
            f"`{source}`: no such directory",
            "if it is the name of a model on the Hugging Face hub, give --download"
            if is_name
            else "give the directory of a Hugging Face model",
        )
    yield path


def _download(name: str, revision: str | None, *, allow_pickle: bool) -> Path:
    if not _HUB_NAME.fullmatch(name):
        raise MtkitError(
            f"`{name}`: not the name of a model on the hub",
            "names look like Helsinki-NLP/opus-mt-ko-en; for a directory, leave out --download",
        )
    import huggingface_hub
    from huggingface_hub.utils import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        info = huggingface_hub.HfApi().model_info(name, revision=revision)
        names = {file.rfilename for file in info.siblings or ()}
        chosen = choose_files(names, allow_pickle=allow_pickle)
        paths = [
            Path(huggingface_hub.hf_hub_download(name, file, revision=info.sha))
            for file in sorted({CONFIG_NAME, *chosen})
        ]
        return paths[0].parent
    except Exception as exc:  # of several packages: huggingface_hub, httpx, ...
        reason = " ".join(str(exc).split())[:200] or type(exc).__name__
        raise MtkitError(
            f"`{name}`: cannot be downloaded: {reason}",
            "check name and network, or download the model yourself and give its directory",
        ) from exc
