"""Detect that a corpus is changed while it is read."""

from collections.abc import Iterable
from pathlib import Path

from mtkit.config.data import CorpusSource
from mtkit.corpus.read.hub import directory_files, local_directory
from mtkit.io.change_guard import FileSnapshot
from mtkit.io.spool import is_stream


def corpus_snapshot(sources: Iterable[CorpusSource]) -> FileSnapshot:
    """Return the state of the local files of some corpora, before the first of them is read.

    These are all files of a dataset in a local directory. Stdin, pipes and datasets on the hub are
    excluded, since a copy or a fixed revision of them is read.
    """
    sources = tuple(sources)
    return FileSnapshot(lambda: [path for source in sources for path in _files(source)])


def _files(source: CorpusSource) -> list[Path]:
    directory = local_directory(source)
    if directory is not None:
        return directory_files(directory)
    paths = (source.src, source.tgt, source.alignment, source.file)
    return [path for path in paths if path is not None and not is_stream(path)]
