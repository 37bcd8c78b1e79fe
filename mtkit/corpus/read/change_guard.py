"""Notice when a corpus is changed by somebody else while it is read."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mtkit.config.data import CorpusSource
from mtkit.corpus.read.hub import folder_files, local_folder
from mtkit.errors import MtkitError
from mtkit.io.spool import is_read_once

Marks = tuple[int, int, int] | None
"""Size, time of the last change in nanoseconds, and inode; None where there is no file."""


@dataclass(frozen=True)
class Snapshot:
    """What the local files of some corpora look like from outside at one moment."""

    sources: tuple[CorpusSource, ...]
    marks: dict[Path, Marks]

    @classmethod
    def of(cls, sources: Iterable[CorpusSource]) -> Self:
        """Look at the files now; take it before the first of them is read.

        Of a dataset in a local folder these are all its files. Stdin, pipes and datasets on the hub have none: of those a copy or a revision is read.
        """
        sources = tuple(sources)
        return cls(sources, _look(sources))

    def check(self) -> None:
        """Look again.

        Raises:
            MtkitError: A file was changed, replaced, added or removed.
        """
        now = _look(self.sources)
        for path in sorted(self.marks.keys() | now.keys()):
            if self.marks.get(path) != now.get(path):
                raise MtkitError(
                    f"`{path}`: changed while it was read", "run it again when nobody writes to it"
                )


def _look(sources: tuple[CorpusSource, ...]) -> dict[Path, Marks]:
    return {path: _marks(path) for source in sources for path in _files(source)}


def _files(source: CorpusSource) -> list[Path]:
    folder = local_folder(source)
    if folder is not None:
        return folder_files(folder)
    paths = (source.src, source.tgt, source.alignment, source.file)
    return [path for path in paths if path is not None and not is_read_once(path)]


def _marks(path: Path) -> Marks:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ino
