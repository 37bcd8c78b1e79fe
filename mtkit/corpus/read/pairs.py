"""Read sentence pairs from any source: two files, one file, a Hugging Face dataset, stdin."""

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from mtkit.config.data import CorpusSource, DataConfig, FileFormat
from mtkit.corpus.sentence_pair import SentencePair, SideSpec, SideSpecs
from mtkit.errors import MtkitError
from mtkit.io.build_manifest import content_hash
from mtkit.io.compression import without_compression_suffix
from mtkit.io.logs import counted
from mtkit.io.paths import display_name
from mtkit.io.progress import progress
from mtkit.io.spool import read_spooled_lines, spool_if_stream
from mtkit.io.text import sha256_file

_FORMATS: dict[str, FileFormat] = {
    ".tsv": "tsv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".tmx": "tmx",
    ".po": "po",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    **dict.fromkeys((".xliff", ".xlf", ".sdlxliff", ".mxliff", ".mqxliff"), "xliff"),
}

Lines = Generator[str, None, None]


def read_pairs(source: CorpusSource, data: DataConfig) -> Iterator[SentencePair]:
    """Read all pairs of a corpus, including blank ones, in memory that does not grow with it.

    Args:
        source: The corpus.
        data: Gives the language codes, by which columns and segments are found.
    Raises:
        MtkitError: At the call: a file or dataset is missing. While reading: a column is missing,
            the file is damaged or of another format, a text is not valid Unicode, or two files have
            different lengths.
    """
    return read_columns(source, data)


def read_columns(
    source: CorpusSource,
    data: DataConfig,
    choose: Callable[[SideSpec], SideSpec] = lambda side: side,
) -> Iterator[SentencePair]:
    """Read all rows of a corpus like `read_pairs`, possibly other columns than those of the pair.

    Args:
        source: The corpus.
        data: Gives the language codes.
        choose: Returns the column to read in place of a side.
    """
    src_side, tgt_side = _side_specs(source, data)
    sides = choose(src_side), choose(tgt_side)
    if source.dataset is not None:
        from mtkit.corpus.read.hub import dataset_pairs

        return dataset_pairs(source, data, sides)
    if source.file is None:
        assert source.src is not None and source.tgt is not None
        return _text_pairs(source.src, source.tgt, sides)
    kind, name = file_format(source), display_name(source.file)
    path = spool_if_stream(source.file, "the corpus")
    if kind == "tmx":
        from mtkit.corpus.read.tmx import tmx_pairs

        return tmx_pairs(path, name, sides)
    if kind == "xliff":
        from mtkit.corpus.read.xliff import xliff_pairs

        return xliff_pairs(path, name, sides)
    if kind == "po":
        from mtkit.corpus.read.po import po_pairs

        return po_pairs(path, name, sides)
    if kind == "xlsx":
        from mtkit.corpus.read.xlsx import xlsx_pairs

        return xlsx_pairs(path, name, sides)
    from mtkit.corpus.read.tables import table_pairs

    return table_pairs(path, kind, name, sides, source.separator)


def read_pair_chunks(
    source: CorpusSource, data: DataConfig, size: int
) -> Iterator[tuple[int, list[SentencePair]]]:
    """Read pairs in lists of `size`, each with the number of its first pair, from 1."""
    pairs = read_pairs(source, data)
    first_line = 1
    while chunk := list(islice(pairs, size)):
        yield first_line, chunk
        first_line += len(chunk)


class NumberedPairs:
    """Iterates over all training pairs with the index of their corpus, and counts them.

    Args:
        data: The corpora.
        title: Title of the progress bar.
    """

    def __init__(self, data: DataConfig, title: str) -> None:
        self.data, self.title = data, title
        self.n_read: Counter[int] = Counter()
        """Number of pairs that were read, by corpus."""

    def __iter__(self) -> Iterator[tuple[int, SentencePair]]:
        with progress(self.title, unit="pairs") as bar:
            for corpus, source in enumerate(self.data.train):
                for pair in read_pairs(source, self.data):
                    self.n_read[corpus] += 1
                    bar.advance()
                    yield corpus, pair


def describe_source(source: CorpusSource) -> str:
    """Return the name of a corpus for reports."""
    if source.dataset is not None:
        parts = (source.dataset, source.dataset_config, source.split or "train")
        return ", ".join(filter(None, parts))
    return ", ".join(
        display_name(path) for path in (source.src, source.tgt, source.file) if path is not None
    )


def source_fingerprint(source: CorpusSource, data: DataConfig) -> str:
    """Hash what determines the pairs: files or dataset revision, and the choice of columns.

    Raises:
        MtkitError: A file or dataset is missing.
    """
    choice = [[side.column, side.lang] for side in _side_specs(source, data)]
    if source.dataset is not None:
        from mtkit.corpus.read.hub import dataset_fingerprint

        parts: list[Any] = ["dataset", dataset_fingerprint(source, data), choice]
    elif source.file is not None:
        parts = [
            file_format(source),
            sha256_file(spool_if_stream(source.file)),
            choice,
            *filter(None, [source.separator]),
        ]
    else:
        assert source.src is not None and source.tgt is not None
        parts = [
            "text",
            sha256_file(spool_if_stream(source.src)),
            sha256_file(spool_if_stream(source.tgt)),
        ]
    return content_hash(parts)


def file_format(source: CorpusSource) -> FileFormat:
    """Return the format of `source.file`: as the recipe specifies, or by its suffix.

    Raises:
        MtkitError: Neither determines it.
    """
    assert source.file is not None
    if source.format is not None:
        return source.format
    if source.separator is not None:
        return "csv"
    suffix = without_compression_suffix(source.file).suffix.lower()
    if suffix not in _FORMATS:
        formats = "tsv, csv, jsonl, parquet, tmx, xliff, po or xlsx"
        raise MtkitError(
            f"`{display_name(source.file)}`: its name does not determine its format",
            "give text as two files, source and target; for one file with both sides, set `format` "
            f"of that corpus to {formats}",
        )
    return _FORMATS[suffix]


def _side_specs(source: CorpusSource, data: DataConfig) -> SideSpecs:
    """Return source and target side; languages of the corpus override those of the recipe."""
    src_lang, tgt_lang = data.languages_of(source)
    return (
        SideSpec("src_column", source.src_column, src_lang),
        SideSpec("tgt_column", source.tgt_column, tgt_lang),
    )


def _text_pairs(src_path: Path, tgt_path: Path, sides: SideSpecs) -> Iterator[SentencePair]:
    # Both are opened here, so that a missing file is reported at the call.
    src_lines = read_spooled_lines(src_path, "the source side", sides[0].lang)
    tgt_lines = read_spooled_lines(tgt_path, "the target side", sides[1].lang)
    return _zip_lines(display_name(src_path), src_lines, display_name(tgt_path), tgt_lines)


def _zip_lines(
    src_name: str, src_lines: Lines, tgt_name: str, tgt_lines: Lines
) -> Iterator[SentencePair]:
    with closing(src_lines), closing(tgt_lines):
        for n_read, (src, tgt) in enumerate(zip_longest(src_lines, tgt_lines)):
            if src is None or tgt is None:
                longer = tgt_lines if src is None else src_lines
                n_longer = n_read + 1 + sum(1 for _ in longer)
                n_src, n_tgt = (n_read, n_longer) if src is None else (n_longer, n_read)
                raise MtkitError(
                    f"`{src_name}` has {counted(n_src, 'lines')}, but `{tgt_name}` has {n_tgt:,}",
                    "line N of one must translate line N of the other; `mtkit data "
                    "check` finds where they diverge",
                )
            yield SentencePair(src, tgt)
