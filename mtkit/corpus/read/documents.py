"""Documents of a corpus: which pairs follow the pair before them in the same document."""

from collections.abc import Iterable, Iterator
from itertools import count, islice

import numpy as np
from numpy.typing import NDArray

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.corpus.read.pairs import file_format, read_columns, read_pairs
from mtkit.corpus.sentence_pair import SentencePair, SideSpec
from mtkit.errors import MtkitError
from mtkit.io.paths import display_name


def read_positions(source: CorpusSource, data: DataConfig) -> Iterator[int] | None:
    """Yield the position of each pair of a corpus, in order; None without `data.context`.

    A pair follows the one before it in the same document if its position is the next number.

    Args:
        source: The corpus.
        data: Gives the language codes, by which the layout of a table is recognized.
    Raises:
        MtkitError: As in `read_pairs`; also if the file has no columns.
    """
    if not data.context:
        return None
    if source.document_column is None:
        # A gap in the numbers separates two documents.
        return count(1) if source.documents else count(1, 2)
    return _positions(_document_names(source, data))


def take_positions(positions: Iterator[int] | None, n: int) -> tuple[int, ...] | None:
    """Return the next n positions; None if there are none.

    Raises:
        MtkitError: The corpus ended before.
    """
    if positions is None:
        return None
    taken = tuple(islice(positions, n))
    if len(taken) < n:
        raise MtkitError(
            "document_column: a corpus has fewer rows than pairs",
            "name its columns with src_column and tgt_column as well",
        )
    return taken


def read_with_positions(
    source: CorpusSource, data: DataConfig, limit: int | None = None
) -> tuple[list[SentencePair], NDArray[np.int64]]:
    """Read the pairs with text on both sides, and their positions.

    Args:
        source: The corpus.
        data: Gives the language codes.
        limit: Number of pairs to read; None reads all.
    """
    pairs = list(islice(read_pairs(source, data), limit))
    taken = take_positions(read_positions(source, data), len(pairs))
    positions = np.array(range(len(pairs)) if taken is None else taken, np.int64)
    is_kept = np.array([bool(pair.src.strip() and pair.tgt.strip()) for pair in pairs], np.bool_)
    return [pairs[i] for i in np.flatnonzero(is_kept)], positions[is_kept]


def _positions(names: Iterable[str]) -> Iterator[int]:
    position, before = 0, None
    for name in names:
        position += 1 if name == before else 2
        before = name
        yield position


def _document_names(source: CorpusSource, data: DataConfig) -> Iterator[str]:
    if source.file is not None and (kind := file_format(source)) in ("tmx", "xliff", "po"):
        raise MtkitError(
            f"`{display_name(source.file)}`: document_column needs columns or keys, which {kind} "
            "does not have",
            "leave it out; the file is one document",
        )
    pairs = read_columns(source, data, lambda side: _document_side(source, side))
    return (name for name, _ in pairs)


def _document_side(source: CorpusSource, side: SideSpec) -> SideSpec:
    return SideSpec("document_column", source.document_column, side.lang, replaces=side)
