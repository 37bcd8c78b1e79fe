"""Clean corpora: text in, cleaner text out, and a report of what was dropped and why."""

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mtkit.config.data import CorpusSource, DataConfig, corpus_name
from mtkit.config.recipe import Recipe
from mtkit.corpus.clean.chunk_cleaner import ChunkCleaner, CleanedChunk, DroppedPair
from mtkit.corpus.clean.dedup_spill import CleanedBatch, DedupSpill
from mtkit.corpus.clean.drop_counts import DropCounts, dropped_lines
from mtkit.corpus.clean.match_keys import DuplicateRule
from mtkit.corpus.clean.pair_cleaner import PairCleaner
from mtkit.corpus.document_rows import DocumentTracker
from mtkit.corpus.read.change_guard import corpus_snapshot
from mtkit.corpus.read.documents import read_positions, take_positions
from mtkit.corpus.read.pairs import read_pair_chunks
from mtkit.corpus.sentence_pair import PairChunk
from mtkit.corpus.write_pairs import PairsPath, open_output, open_pair_writer
from mtkit.io.arguments import require_workers
from mtkit.io.logs import counted
from mtkit.io.progress import progress
from mtkit.workers.process_pool import choose_n_workers, ordered_map

CHUNK_SIZE = 5_000
"""Pairs per task of a worker process."""

MAX_CHUNKS_IN_PROCESS = 20
"""Up to this number of chunks, cleaning takes less time than starting worker processes."""


@dataclass(frozen=True)
class CleanReport:
    """The result of cleaning corpora."""

    n_read: int
    n_kept: int
    dropped: DropCounts
    """Pairs dropped and texts fixed, by rule."""
    n_following: int | None = None
    """Kept pairs that follow another one in their document; None without documents."""

    def lines(self, n_samples: int = 0) -> Iterator[str]:
        """Format the report line by line.

        Args:
            n_samples: Number of dropped pairs to show per rule.
        """
        share = f" ({self.n_kept / self.n_read:.2%})" if self.n_read else ""
        n_dropped = self.n_read - self.n_kept
        read = counted(self.n_read, "pairs read")
        yield f"{read}, {self.n_kept:,} kept{share}, {n_dropped:,} dropped"
        yield from dropped_lines(self.dropped, n_samples, self.n_read)
        if self.n_following is not None:
            yield following_line(self.n_following, self.n_kept)

    def __str__(self) -> str:
        return "\n".join(self.lines())


def clean_corpus(
    recipe: Recipe,
    out: PairsPath | str | None,
    *,
    dropped_path: Path | str | None = None,
    n_workers: int | None = None,
) -> CleanReport:
    """Clean the training corpora of a recipe into one corpus, by the rules of its section `clean:`.

    The order is kept; of duplicates, the first is kept. Memory does not grow with the corpora: if
    duplicates are dropped, all pairs are first written to a temporary directory (`TMPDIR`).

    If the recipe has documents (`data.context`), a pair of blank lines ends each of them. A dropped
    pair ends a document, too.

    Args:
        recipe: The corpora, the rules, and the validation and test sets to keep out.
        out: Two text files, or one that ends in .tsv or .jsonl; None only reports.
        dropped_path: File for all dropped pairs as JSON Lines with corpus, line, reason, src and
            tgt. Duplicates come last.
        n_workers: Number of processes; by default one per core, or none for a small corpus. The
            output does not depend on it.
    Raises:
        MtkitError: A corpus cannot be read or changes while it is read, or the output cannot be
            written. Nothing is written then.
    """
    Recipe.require(recipe)
    require_workers(n_workers)
    out = _to_paths(out)
    # Also if no corpus has documents: the lines of the output would otherwise become one.
    has_documents = recipe.data.context > 0
    documents = DocumentBreaks() if has_documents else None
    with ExitStack() as stack:
        langs = (recipe.data.src_lang, recipe.data.tgt_lang)
        write = stack.enter_context(open_pair_writer(out, langs)) if out is not None else _discard
        write_dropped = _discard
        if dropped_path is not None:
            stream = stack.enter_context(open_output(Path(dropped_path)))
            write_dropped = partial(_write_dropped, stream, recipe.data.train)
        pairs = CleanPairs(
            cleaned_chunks(
                recipe,
                n_workers,
                keep_dropped=dropped_path is not None,
                with_positions=has_documents,
            ),
            recipe.clean.duplicates,
        )
        for batch in pairs:
            write(batch.pairs if documents is None else documents.insert(batch))
            write_dropped(batch.dropped)
    report = pairs.report()
    return report if documents is None else replace(report, n_following=documents.n_following)


class DocumentBreaks:
    """Inserts a blank pair before each pair that does not follow the one before it."""

    def __init__(self) -> None:
        self.n_following = 0
        """Number of pairs that follow the one before them."""
        self._tracker = DocumentTracker()
        self._is_first = True

    def insert(self, batch: CleanedBatch) -> list[tuple[str, str]]:
        """Return the pairs of the next batch, with blank pairs between documents."""
        follows = self._tracker.follows(0, np.array(batch.positions, np.int64))
        assert follows is not None
        pairs: list[tuple[str, str]] = []
        for pair, follows_previous in zip(batch.pairs, follows.tolist(), strict=True):
            if not (follows_previous or self._is_first):
                pairs.append(("", ""))
            pairs.append(pair)
            self.n_following += follows_previous
            self._is_first = False
        return pairs


def following_line(n_following: int, n_pairs: int) -> str:
    """Describe how many pairs of a corpus with documents have context."""
    return (
        f"{n_following:,} pairs ({n_following / max(1, n_pairs):.1%}) follow another one in their "
        "document; blank lines separate the others"
    )


class CleanPairs:
    """Iterates over the pairs of cleaned chunks without duplicates, and counts what is dropped.

    Memory does not grow with the corpus: if duplicates are dropped, all pairs are first written to
    a temporary directory (`TMPDIR`).

    Args:
        chunks: Chunks as `ChunkCleaner` returns them, in order.
        duplicates: Which pairs are duplicates, of which the first is kept.
    """

    def __init__(self, chunks: Iterable[CleanedChunk], duplicates: DuplicateRule) -> None:
        self._chunks, self._duplicates = chunks, duplicates
        self._n_read, self._dropped = 0, DropCounts()

    def __iter__(self) -> Iterator[CleanedBatch]:
        """Yield batches of pairs, with dropped pairs as far as the chunks hold them."""
        if self._duplicates == "keep":
            for chunk in self._counted():
                yield CleanedBatch(chunk.pairs(), chunk.positions, chunk.dropped_pairs)
            return
        with tempfile.TemporaryDirectory(prefix="mtkit-clean-") as temp_dir:
            with DedupSpill(Path(temp_dir)) as spill:
                for chunk in self._counted():
                    spill.add(chunk)
                    yield CleanedBatch((), [], chunk.dropped_pairs)
            for batch in spill.split_duplicates():
                for pair in batch.dropped:
                    self._dropped.add(pair.reason, pair.line, pair.src, pair.tgt)
                yield batch

    def report(self) -> CleanReport:
        """Return the counts, once all pairs have been read."""
        n_dropped = self._dropped.counts.total()
        return CleanReport(self._n_read, self._n_read - n_dropped, self._dropped)

    def _counted(self) -> Iterator[CleanedChunk]:
        for chunk in self._chunks:
            self._n_read += chunk.n_read
            self._dropped.merge(chunk.dropped)
            yield chunk


def _to_paths(out: PairsPath | str | None) -> PairsPath | None:
    """Convert strings to paths.

    Raises:
        TypeError: `out` is neither one path nor two.
    """
    if out is None or isinstance(out, Path | str):
        return None if out is None else Path(out)
    if (
        not isinstance(out, tuple | list)
        or len(out) != 2
        or not all(isinstance(path, Path | str) for path in out)
    ):
        raise TypeError(f"out must be one path or two, not {out!r}")
    return Path(out[0]), Path(out[1])


def cleaned_chunks(
    recipe: Recipe,
    n_workers: int | None,
    *,
    keep_dropped: bool = False,
    with_positions: bool = False,
) -> Iterator[CleanedChunk]:
    """Clean the training corpora of a recipe in chunks, in order, except for duplicates.

    Args:
        recipe: See `clean_corpus`.
        n_workers: See `clean_corpus`.
        keep_dropped: Whether the chunks hold the dropped pairs.
        with_positions: Whether the chunks hold the positions of the pairs in their documents.
    """
    sources = recipe.data.train
    snapshot = corpus_snapshot(sources)
    cleaner = PairCleaner.for_recipe(recipe)
    cleaners = tuple(map(cleaner.for_source, sources))
    args = (cleaners, tuple(s.tags for s in sources), recipe.clean.duplicates, keep_dropped)
    chunks = _read_chunks(recipe.data, with_positions=with_positions)
    yield from clean_chunks(chunks, args, n_workers)
    snapshot.check()


def _read_chunks(data: DataConfig, *, with_positions: bool) -> Iterator[PairChunk]:
    last = 0
    for corpus, source in enumerate(data.train):
        # A gap in the numbers separates two corpora.
        offset = last + 1
        positions = read_positions(source, data) if with_positions else None
        for first_line, pairs in read_pair_chunks(source, data, CHUNK_SIZE):
            taken = take_positions(positions, len(pairs))
            if taken is not None:
                taken = tuple(offset + position for position in taken)
                last = taken[-1]
            yield PairChunk.of(corpus, first_line, pairs, positions=taken)


def clean_chunks(
    chunks: Iterator[PairChunk], args: tuple[Any, ...], n_workers: int | None, unit: str = "pairs"
) -> Iterator[CleanedChunk]:
    """Clean chunks in several processes, and show the progress.

    Args:
        chunks: The chunks.
        args: Arguments of `ChunkCleaner`.
        n_workers: See `clean_corpus`.
        unit: Unit of the progress bar.
    """
    chunks, n_workers = choose_n_workers(chunks, n_workers, MAX_CHUNKS_IN_PROCESS)
    with progress("Cleaning", None, unit) as bar:
        for cleaned in ordered_map(ChunkCleaner, args, chunks, n_workers):
            yield cleaned
            bar.advance(cleaned.n_read)


def _write_dropped(
    stream: BinaryIO, sources: Sequence[CorpusSource], pairs: Iterable[DroppedPair]
) -> None:
    """Write dropped pairs as JSON Lines."""
    for pair in pairs:
        fields = pair._asdict() | {"corpus": corpus_name(sources[pair.corpus])}
        # Lone surrogates, which UTF-8 cannot encode, are escaped.
        is_plain = (pair.src + pair.tgt).isprintable()
        stream.write((json.dumps(fields, ensure_ascii=not is_plain) + "\n").encode())


def _discard(pairs: object) -> None:
    """Discard pairs, if only the report is requested."""
