"""The Hugging Face hub: downloads and uploads, each only if it was asked for.

The access token is that of huggingface_hub: `hf auth login`, or the environment variable HF_TOKEN.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mtkit.errors import MtkitError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)


def is_hub_name(name: str) -> bool:
    """Whether a text has the form of a name on the hub, such as Helsinki-NLP/opus-mt-ko-en."""
    return _NAME.fullmatch(name) is not None


def download_files(
    name: str, revision: str | None, choose: Callable[[set[str]], Iterable[str]]
) -> dict[str, Path]:
    """Download files of a model into the cache of huggingface_hub.

    Args:
        name: Name of the model.
        revision: Branch, tag or commit; None for main.
        choose: Returns the files to download, of those that the model has.
    Returns:
        Path of each file, by its name on the hub. All are of one commit.
    Raises:
        MtkitError: The download fails.
    """
    with _hub_errors(
        name,
        "downloaded",
        "check name and network, or download the model yourself and give its directory",
    ) as api:
        from huggingface_hub import hf_hub_download

        info = api.model_info(name, revision=revision)
        present = {file.rfilename for file in info.siblings or ()}
        return {
            file: Path(hf_hub_download(name, file, revision=info.sha))
            for file in sorted(choose(present))
        }


class HubModel:
    """A model on the hub that files are uploaded to.

    Args:
        name: Its name; the model need not exist.
    Raises:
        MtkitError: The hub cannot be reached.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        with self._errors() as api:
            from huggingface_hub.utils import RepositoryNotFoundError

            try:
                info = api.model_info(name)
            except RepositoryNotFoundError:  # or a private one of another user
                self.commit, self.files = None, frozenset[str]()
                return
            self.commit = info.sha
            self.files = frozenset(file.rfilename for file in info.siblings or ())

    def find(self, file: str) -> Path | None:
        """Download a file of the commit that an upload builds on; None if it has no such file."""
        if file not in self.files:
            return None
        return download_files(self.name, self.commit, lambda present: {file})[file]

    def upload(
        self, contents: Mapping[str, Path | bytes], deleted: Iterable[str], *, private: bool
    ) -> str:
        """Upload files as one commit, and create the model if it does not exist.

        Args:
            contents: File or content, by name on the hub.
            deleted: Files to delete.
            private: Whether a new model is private; an existing one stays as it is.
        Returns:
            Address of the model.
        Raises:
            MtkitError: The upload fails, or the model has been changed in the meantime.
        """
        with self._errors() as api:
            from huggingface_hub import CommitOperationAdd, CommitOperationDelete

            address = api.create_repo(self.name, private=private, exist_ok=True)
            api.create_commit(
                self.name,
                [
                    *(CommitOperationAdd(file, content) for file, content in contents.items()),
                    *(CommitOperationDelete(file) for file in deleted),
                ],
                commit_message="Upload model with mtkit",
                parent_commit=self.commit,
            )
            return str(address)

    def _errors(self) -> "AbstractContextManager[HfApi]":
        return _hub_errors(
            self.name, "uploaded", "check name and network, and log in with `hf auth login`"
        )


@contextmanager
def _hub_errors(name: str, done: str, hint: str) -> "Iterator[HfApi]":
    """Yield a client, and raise its errors as a MtkitError."""
    if not is_hub_name(name):
        raise MtkitError(
            f"`{name}`: not the name of a model on the hub",
            "names look like Helsinki-NLP/opus-mt-ko-en; for a directory, leave out "
            + ("--download" if done == "downloaded" else "--upload"),
        )
    from huggingface_hub import HfApi
    from huggingface_hub.utils import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        yield HfApi()
    except MtkitError:
        raise
    except Exception as exc:  # of several packages: huggingface_hub, httpx, ...
        reason = " ".join(str(exc).split())[:200] or type(exc).__name__
        raise MtkitError(f"`{name}`: cannot be {done}: {reason}", hint) from exc
