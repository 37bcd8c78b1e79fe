"""Scan a corpus once, with several processes: counts, keys on disk, and held-out lines in it."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mtkit.checking.counts import CorpusCounts
from mtkit.checking.findings import Role
from mtkit.checking.lenient_reader import RawChunk, decode_lines, read_chunks
from mtkit.checking.line_checks import LineChecker
from mtkit.checking.line_keys import KEY_KINDS, REPEAT_KINDS, line_keys, unique_key
from mtkit.checking.side_words import SideWords, learn_side_words
from mtkit.config.data import CorpusSource, DataConfig
from mtkit.corpus.scripts import UNKNOWN_LANG, scripts_of_language
from mtkit.errors import MtkitError
from mtkit.io.progress import ProgressBar
from mtkit.workers.process_pool import ordered_map


class CheckedCorpus(NamedTuple):
    """A corpus to check."""

    number: int
    role: Role
    source: CorpusSource
    data: DataConfig
    """The configuration that the source belongs to."""

    @property
    def languages(self) -> tuple[str, str]:
        """Codes of source and target; empty if unknown."""
        src, tgt = self.data.languages_of(self.source)
        return "" if src == UNKNOWN_LANG else src, "" if tgt == UNKNOWN_LANG else tgt

    @property
    def has_scripts_apart(self) -> bool:
        """Whether the languages are known and share no script."""
        src, tgt = map(scripts_of_language, self.languages)
        return bool(src and tgt) and not src & tgt


@dataclass
class ScanResult:
    """The result of one scan."""

    corpus: CheckedCorpus
    key_paths: dict[str, Path]
    """For each of REPEAT_KINDS, a file with a key per line."""
    counts: CorpusCounts = field(default_factory=CorpusCounts)
    held_out: dict[bytes, int] = field(default_factory=dict)
    """Keys that also occur in a held-out corpus, with their first line."""
    error: MtkitError | None = None
    """The error that ended the scan, if any."""


class TolerantReader:
    """Iterates over chunks until reading fails, and keeps the error."""

    def __init__(self, corpus: CheckedCorpus) -> None:
        self._corpus = corpus
        self.error: MtkitError | None = None

    def __iter__(self) -> Iterator[RawChunk]:
        try:
            yield from read_chunks(self._corpus.source, self._corpus.data)
        except MtkitError as exc:
            self.error = exc


def read_texts(corpus: CheckedCorpus, bar: ProgressBar | None = None) -> Iterator[tuple[str, str]]:
    """Yield the pairs as text, as far as they can be read; a line that is not UTF-8 is blank."""
    for chunk in TolerantReader(corpus):
        yield from zip(
            decode_lines(chunk.src, chunk.first).lines,
            decode_lines(chunk.tgt, chunk.first).lines,
            strict=False,
        )
        if bar is not None:
            bar.advance(max(len(chunk.src), len(chunk.tgt)))


def held_out_keys(corpus: CheckedCorpus) -> dict[int, tuple[bytes, ...]]:
    """Return the keys of all pairs with text on both sides by line; stops where reading fails."""
    return {
        line: line_keys(src, tgt)
        for line, (src, tgt) in enumerate(read_texts(corpus), 1)
        if src.strip() and tgt.strip()
    }


class _ChunkScanner:
    """Scans a chunk for counts, keys of each kind (concatenated) and held-out keys."""

    def __init__(
        self,
        number: int,
        tags: tuple[str, ...],
        held_out: frozenset[bytes],
        side_words: SideWords | None,
    ) -> None:
        self._checker = LineChecker(side_words)
        self._number = number
        self._tags = tags
        self._held_out = held_out

    def __call__(self, chunk: RawChunk) -> tuple[CorpusCounts, list[bytes], dict[bytes, int]]:
        counts, src, tgt = self._checker.check(chunk)
        keys = []
        held_out: dict[bytes, int] = {}
        for line, (src_text, tgt_text) in enumerate(
            zip(src.lines, tgt.lines, strict=False), chunk.first
        ):
            if src_text.strip() and tgt_text.strip():
                of_line = line_keys(src_text, tgt_text, self._tags)
                keys.append(of_line)
                if self._held_out:
                    untagged = line_keys(src_text, tgt_text) if self._tags else of_line
                    for key in self._held_out.intersection(untagged):
                        held_out.setdefault(key, line)
            else:
                keys.append((unique_key(self._number, line),) * len(KEY_KINDS))
        by_kind = dict(zip(KEY_KINDS, zip(*keys, strict=True), strict=False))
        return counts, [b"".join(by_kind.get(kind, ())) for kind in REPEAT_KINDS], held_out


def scan_corpus(
    corpus: CheckedCorpus,
    directory: Path,
    held_out: frozenset[bytes],
    n_workers: int,
    bar: ProgressBar,
) -> ScanResult:
    """Scan a corpus.

    Args:
        corpus: The corpus.
        directory: Directory for its keys.
        held_out: Keys of held-out pairs to look for.
        n_workers: Number of processes; 0 for this process.
        bar: Progress bar, advanced by the number of lines.
    """
    key_paths = {kind: directory / f"{corpus.number}.{kind}" for kind in REPEAT_KINDS}
    result = ScanResult(corpus, key_paths)
    chunks = TolerantReader(corpus)
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("wb")) for path in key_paths.values()]
        side_words = None if corpus.has_scripts_apart else learn_side_words(read_texts(corpus))
        args = (corpus.number, corpus.source.tags, held_out, side_words)
        for counts, keys, held_out_lines in ordered_map(_ChunkScanner, args, chunks, n_workers):
            result.counts.merge(counts)
            for stream, column in zip(files, keys, strict=True):
                stream.write(column)
            for key, line in held_out_lines.items():
                result.held_out.setdefault(key, line)
            bar.advance(max(side.n_lines for side in counts.sides.values()))
    result.error = chunks.error
    return result
