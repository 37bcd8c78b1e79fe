"""Notice when a corpus is changed by somebody else while it is read."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mtkit.config.data import CorpusSource
from mtkit.corpus.read.hub import directory_files, local_directory
from mtkit.io.change_guard import FileStamp, changed_while_read, file_stamp
from mtkit.io.spool import is_stream


@dataclass(frozen=True)
class FileSnapshot:
    """What the local files of some corpora look like from outside at one moment."""

    sources: tuple[CorpusSource, ...]
    stamps: dict[Path, FileStamp | None]

    @classmethod
    def take(cls, sources: Iterable[CorpusSource]) -> Self:
        """Look at the files now; take it before the first of them is read.

        Of a dataset in a local folder these are all its files. Stdin, pipes and datasets on the hub have none: of those a copy or a revision is read.
        """
        sources = tuple(sources)
        return cls(sources, _file_stamps(sources))

    def check(self) -> None:
        """Look again.

        Raises:
            MtkitError: A file was changed, replaced, added or removed.
        """
        now = _file_stamps(self.sources)
        for path in sorted(self.stamps.keys() | now.keys()):
            if self.stamps.get(path) != now.get(path):
                raise changed_while_read(path)


def _file_stamps(sources: tuple[CorpusSource, ...]) -> dict[Path, FileStamp | None]:
    return {path: file_stamp(path) for source in sources for path in _files(source)}


def _files(source: CorpusSource) -> list[Path]:
    directory = local_directory(source)
    if directory is not None:
        return directory_files(directory)
    paths = (source.src, source.tgt, source.alignment, source.file)
    return [path for path in paths if path is not None and not is_stream(path)]
