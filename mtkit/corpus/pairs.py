"""Read parallel text as pairs, whether it comes as two files, as TSV or as a Hugging Face dataset."""

import hashlib
import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.errors import MtkitError
from mtkit.files import read_lines, sha256_file


class SentencePair(NamedTuple):
    """A segment and its translation."""

    src: str
    tgt: str


def read_pairs(source: CorpusSource, data: DataConfig) -> Iterator[SentencePair]:
    """Read a corpus from start to end, blank sides included.

    Args:
        source: Where the pairs are.
        data: Gives the language codes, by which a dataset's columns are found.
    Raises:
        MtkitError: At the call: a file, dataset or column is missing. While reading: invalid UTF-8, a TSV line without two columns, or at the end two
            files of unequal length.
    """
    if source.file is not None:
        return _tsv_pairs(source.file)
    if source.dataset is not None:
        from mtkit.corpus.hub import dataset_pairs

        return dataset_pairs(source, data)
    assert source.src is not None and source.tgt is not None
    return _text_pairs(source.src, source.tgt)


def describe_source(source: CorpusSource) -> str:
    """Name a corpus in a report."""
    if source.file is not None:
        return str(source.file)
    if source.dataset is not None:
        return ", ".join(part for part in (source.dataset, source.dataset_config, source.split or "train") if part)
    return f"{source.src}, {source.tgt}"


def source_fingerprint(source: CorpusSource, data: DataConfig) -> str:
    """A hash that changes when the pairs may have changed: of the files' bytes, or the dataset's own fingerprint with its columns.

    Raises:
        MtkitError: A file or dataset is missing.
    """
    if source.file is not None:
        parts = ["tsv", sha256_file(source.file)]
    elif source.dataset is not None:
        from mtkit.corpus.hub import dataset_fingerprint

        parts = ["dataset", dataset_fingerprint(source, data), source.src_column or data.src_lang, source.tgt_column or data.tgt_lang]
    else:
        assert source.src is not None and source.tgt is not None
        parts = ["text", sha256_file(source.src), sha256_file(source.tgt)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _text_pairs(src_path: Path, tgt_path: Path) -> Iterator[SentencePair]:
    # Both are opened here, so that a missing file is told at once.
    return _zipped(src_path, read_lines(src_path, what="the source side"), tgt_path, read_lines(tgt_path, what="the target side"))


def _zipped(src_path: Path, src_lines: Iterator[str], tgt_path: Path, tgt_lines: Iterator[str]) -> Iterator[SentencePair]:
    for n_read, (src, tgt) in enumerate(zip_longest(src_lines, tgt_lines)):
        if src is None or tgt is None:
            longer = tgt_lines if src is None else src_lines
            n_longer = n_read + 1 + sum(1 for _ in longer)
            n_src, n_tgt = (n_read, n_longer) if src is None else (n_longer, n_read)
            raise MtkitError(
                f"`{src_path}` has {n_src:,} lines, but `{tgt_path}` has {n_tgt:,}",
                "line N of one must translate line N of the other; find where they come apart",
            )
        yield SentencePair(src, tgt)


def _tsv_pairs(path: Path) -> Iterator[SentencePair]:
    return _split(path, read_lines(path, what="the TSV corpus"))


def _split(path: Path, lines: Iterator[str]) -> Iterator[SentencePair]:
    for number, line in enumerate(lines, 1):
        columns = line.split("\t")
        if len(columns) == 2:
            yield SentencePair(*columns)
        elif not line.strip():
            yield SentencePair("", "")
        else:
            found = "1 column" if len(columns) == 1 else f"{len(columns)} columns"
            raise MtkitError(f"`{path}`: line {number} has {found}, not 2", "each line is source, TAB, target; `cut -f1,2` drops further columns")
