"""Clean corpora: text in, cleaner text out, and a report of what was dropped and why."""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from mtkit.config.data import corpus_name
from mtkit.config.recipe import Recipe
from mtkit.corpus.clean.chunk_cleaner import ChunkCleaner, CleanedChunk, DroppedPair
from mtkit.corpus.clean.dedup_spill import DedupSpill
from mtkit.corpus.clean.drop_counts import DropCounts, dropped_lines
from mtkit.corpus.clean.pair_cleaner import PairCleaner
from mtkit.corpus.read.change_guard import FileSnapshot
from mtkit.corpus.read.pairs import read_pairs
from mtkit.corpus.sentence_pair import PairChunk
from mtkit.corpus.write_pairs import PairsPath, open_output, open_pair_writer
from mtkit.io.arguments import require_workers
from mtkit.io.progress import progress
from mtkit.workers.cpu_info import n_cores
from mtkit.workers.process_pool import ordered_map

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

    def lines(self, n_samples: int = 0) -> Iterator[str]:
        """Format the report line by line.

        Args:
            n_samples: Number of dropped pairs to show per rule.
        """
        share = f" ({self.n_kept / self.n_read:.2%})" if self.n_read else ""
        n_dropped = self.n_read - self.n_kept
        yield f"{self.n_read:,} pairs read, {self.n_kept:,} kept{share}, {n_dropped:,} dropped"
        yield from dropped_lines(self.dropped, n_samples, self.n_read)

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
    cleaner = _CorpusCleaner(recipe)
    with ExitStack() as stack:
        langs = (recipe.data.src_lang, recipe.data.tgt_lang)
        write = stack.enter_context(open_pair_writer(out, langs)) if out is not None else _discard
        dropped_stream = (
            stack.enter_context(open_output(Path(dropped_path)))
            if dropped_path is not None
            else None
        )

        def report_dropped(pairs: list[DroppedPair]) -> None:
            if dropped_stream is not None:
                dropped_stream.write("".join(map(cleaner.to_json_line, pairs)).encode())

        if recipe.clean.duplicates == "keep":
            cleaner.clean_chunks(
                lambda cleaned: write(cleaned.pairs()),
                report_dropped,
                n_workers,
                keep_dropped=dropped_stream is not None,
            )
        else:
            temp_dir = stack.enter_context(tempfile.TemporaryDirectory(prefix="mtkit-clean-"))
            with DedupSpill(Path(temp_dir)) as spill:
                cleaner.clean_chunks(
                    spill.add, report_dropped, n_workers, keep_dropped=dropped_stream is not None
                )
            for kept, duplicates in spill.split_duplicates():
                write(kept)
                cleaner.count_duplicates(duplicates)
                report_dropped(duplicates)
    return CleanReport(
        cleaner.n_read, cleaner.n_read - cleaner.dropped.counts.total(), cleaner.dropped
    )


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


class _CorpusCleaner:
    """Cleans the training corpora of a recipe, and counts what it drops."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.sources = recipe.data.train
        self.n_read = 0
        self.dropped = DropCounts()

    def clean_chunks(
        self,
        keep: Callable[[CleanedChunk], None],
        report_dropped: Callable[[list[DroppedPair]], None],
        n_workers: int | None,
        *,
        keep_dropped: bool,
    ) -> None:
        """Clean all chunks in order, except for duplicates."""
        snapshot = FileSnapshot.take(self.sources)
        cleaner = PairCleaner.for_recipe(self.recipe)
        cleaners, tags = (
            tuple(map(cleaner.for_source, self.sources)),
            tuple(source.tags for source in self.sources),
        )
        chunks = self._chunks()
        first = list(islice(chunks, MAX_CHUNKS_IN_PROCESS + 1))
        if n_workers is None:
            n_workers = n_cores() if len(first) > MAX_CHUNKS_IN_PROCESS else 0
        args = (cleaners, tags, self.recipe.clean.duplicates, keep_dropped)
        with progress("Cleaning", None, "pairs") as bar:
            for cleaned in ordered_map(ChunkCleaner, args, chain(first, chunks), n_workers):
                self.n_read += cleaned.n_read
                self.dropped.merge(cleaned.dropped)
                keep(cleaned)
                report_dropped(cleaned.dropped_pairs)
                bar.advance(cleaned.n_read)
        snapshot.check()

    def _chunks(self) -> Iterator[PairChunk]:
        for corpus, source in enumerate(self.sources):
            pairs = read_pairs(source, self.recipe.data)
            first_line = 1
            while chunk := list(islice(pairs, CHUNK_SIZE)):
                yield PairChunk.of(corpus, first_line, chunk)
                first_line += len(chunk)

    def count_duplicates(self, pairs: list[DroppedPair]) -> None:
        """Count duplicates."""
        for pair in pairs:
            self.dropped.add(pair.reason, pair.line, pair.src, pair.tgt)

    def to_json_line(self, pair: DroppedPair) -> str:
        """Format a dropped pair as JSON."""
        fields = {
            "corpus": corpus_name(self.sources[pair.corpus]),
            "line": pair.line,
            "reason": pair.reason,
            "src": pair.src,
            "tgt": pair.tgt,
        }
        # Lone surrogates, which UTF-8 cannot encode, are escaped.
        return json.dumps(fields, ensure_ascii=not (pair.src + pair.tgt).isprintable()) + "\n"


def _discard(pairs: object) -> None:
    """Discard pairs, if only the report is wanted."""
