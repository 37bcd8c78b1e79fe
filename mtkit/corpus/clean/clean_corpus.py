"""Clean whole corpora: text in, cleaner text out, and a report of what was dropped and why."""

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
from mtkit.workers.process_pool import n_cores, ordered_map

CHUNK_SIZE = 5_000
"""Pairs that a process takes at a time."""

MAX_CHUNKS_IN_PROCESS = 20
"""A corpus of no more chunks is cleaned before other processes would have started."""


@dataclass(frozen=True)
class CleanReport:
    """What became of the corpora."""

    n_read: int
    n_kept: int
    dropped: DropCounts
    """What was dropped and mended, by rule."""

    def lines(self, n_samples: int = 0) -> Iterator[str]:
        """The report for people, line by line.

        Args:
            n_samples: Dropped pairs to show of each rule.
        """
        share = f" ({self.n_kept / self.n_read:.2%})" if self.n_read else ""
        yield f"{self.n_read:,} pairs read, {self.n_kept:,} kept{share}, {self.n_read - self.n_kept:,} dropped"
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
    """Clean the training corpora of a recipe into one corpus of text, by the rules of its section `clean:`.

    Order is kept; of equal pairs the first stays. Memory does not grow with the corpora: where duplicates are dropped, what else is kept goes to a
    temporary folder first (`TMPDIR`).

    Args:
        recipe: Names the corpora, and the validation and test sets that are kept out of them.
        out: Two text files, or one that ends in .tsv or .jsonl; None only reports.
        dropped_path: Where to write every dropped pair as JSON lines: corpus, line, reason, src, tgt. Duplicates come last.
        n_workers: Processes; default one per core, or none for a small corpus. The output is the same with any number.
    Raises:
        MtkitError: A corpus cannot be read or changes while it is read, or the output cannot be written; then nothing is.
    """
    Recipe.require(recipe)
    require_workers(n_workers)
    out = _to_paths(out)
    work = _CorpusCleaner(recipe)
    with ExitStack() as stack:
        langs = (recipe.data.src_lang, recipe.data.tgt_lang)
        write = stack.enter_context(open_pair_writer(out, langs)) if out is not None else _discard
        stream = (
            stack.enter_context(open_output(Path(dropped_path)))
            if dropped_path is not None
            else None
        )

        def tell_dropped(pairs: list[DroppedPair]) -> None:
            if stream is not None:
                stream.write("".join(map(work.to_json_line, pairs)).encode())

        if recipe.clean.duplicates == "keep":
            work.clean_chunks(
                lambda cleaned: write(cleaned.pairs()),
                tell_dropped,
                n_workers,
                wants_dropped=stream is not None,
            )
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mtkit-clean-"))
            with DedupSpill(Path(folder)) as kept_pairs:
                work.clean_chunks(
                    kept_pairs.add, tell_dropped, n_workers, wants_dropped=stream is not None
                )
            for kept, repeated in kept_pairs.split_duplicates():
                write(kept)
                work.count_duplicates(repeated)
                tell_dropped(repeated)
    return CleanReport(work.n_read, work.n_read - work.dropped.counts.total(), work.dropped)


def _to_paths(out: PairsPath | str | None) -> PairsPath | None:
    """Return where to write, with texts as paths.

    Raises:
        TypeError: It is neither one path nor two.
    """
    if out is None or isinstance(out, Path | str):
        return None if out is None else Path(out)
    if (
        not isinstance(out, tuple | list)
        or len(out) != 2
        or not all(isinstance(path, Path | str) for path in out)
    ):
        raise TypeError(f"out is neither one path nor two: {out!r}")
    return Path(out[0]), Path(out[1])


class _CorpusCleaner:
    """The cleaning of a recipe's training corpora, and what has been counted so far."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.sources = recipe.data.train
        self.n_read = 0
        self.dropped = DropCounts()

    def clean_chunks(
        self,
        keep: Callable[[CleanedChunk], None],
        tell_dropped: Callable[[list[DroppedPair]], None],
        n_workers: int | None,
        *,
        wants_dropped: bool,
    ) -> None:
        """Clean everything but duplicates, chunk by chunk in order."""
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
        args = (cleaners, tags, self.recipe.clean.duplicates, wants_dropped)
        with progress("Cleaning", None, "pairs") as bar:
            for cleaned in ordered_map(ChunkCleaner, args, chain(first, chunks), n_workers):
                self.n_read += cleaned.n_read
                self.dropped.merge(cleaned.dropped)
                keep(cleaned)
                tell_dropped(cleaned.dropped_pairs)
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
        """Count pairs that were seen before."""
        for pair in pairs:
            self.dropped.add(pair.reason, pair.line, pair.src, pair.tgt)

    def to_json_line(self, pair: DroppedPair) -> str:
        """A dropped pair for programs."""
        about = {
            "corpus": corpus_name(self.sources[pair.corpus]),
            "line": pair.line,
            "reason": pair.reason,
            "src": pair.src,
            "tgt": pair.tgt,
        }
        # Half surrogates, which have no UTF-8, are escaped as JSON can.
        return json.dumps(about, ensure_ascii=not (pair.src + pair.tgt).isprintable()) + "\n"


def _discard(pairs: object) -> None:
    """In place of a file, where only the report is wanted."""
