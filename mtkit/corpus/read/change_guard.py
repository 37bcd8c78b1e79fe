"""Detect that a corpus is changed while it is read."""

from collections.abc import Iterable
from pathlib import Path

from mtkit.config.data import CorpusSource
from mtkit.corpus.read.hub import directory_files, local_directory
from mtkit.io.change_guard import FileStamp, changed_while_read, file_stamp
from mtkit.io.spool import is_stream


class FileSnapshot:
    """State of the local files of some corpora, before the first of them is read.

    These are all files of a dataset in a local directory. Stdin, pipes and datasets on the hub are
    excluded, since a copy or a fixed revision of them is read.
    """

    def __init__(self, sources: Iterable[CorpusSource]) -> None:
        self.sources = tuple(sources)
        self.stamps = _file_stamps(self.sources)

    def check(self) -> None:
        """Compare with the current state.

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
