"""Build the token store: encode the training corpora part by part, then merge the parts."""

import shutil
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtkit.config.data import corpus_name
from mtkit.config.recipe import Recipe
from mtkit.corpus.clean.drop_counts import DropCounts
from mtkit.corpus.clean.drop_limit import check_dropped
from mtkit.corpus.clean.duplicates import find_duplicates
from mtkit.corpus.clean.pair_cleaner import PairCleaner
from mtkit.corpus.read.change_guard import FileSnapshot
from mtkit.corpus.read.pairs import read_pairs
from mtkit.corpus.sentence_pair import PairChunk, SentencePair
from mtkit.corpus.store.encode_chunk import ChunkEncoder, CorpusRules
from mtkit.corpus.store.shards import KEYS_NAME, PART_SIZE, EncodedPairs, PartFiles, PartId, Shard
from mtkit.corpus.store.token_store import StoreWriter
from mtkit.corpus.store.word_links import read_links
from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_dir, replace_dir
from mtkit.io.paths import display_name
from mtkit.io.progress import ProgressBar, progress
from mtkit.tokenizer.subword import Tokenizer
from mtkit.workers.cpu_info import n_cores
from mtkit.workers.process_pool import ordered_map

CHUNK_SIZE = 5_000
"""Pairs per task of a worker process; a part is a whole number of chunks."""


MAX_CHUNKS_IN_PROCESS = 10
"""Up to this number of chunks, encoding takes less time than starting worker processes."""


class StoreBuilder:
    """Builds the parts and the store of a recipe with one tokenizer and set of settings."""

    def __init__(
        self, recipe: Recipe, tokenizer: Tokenizer, key: str, snapshot: FileSnapshot
    ) -> None:
        self.recipe, self.tokenizer, self.snapshot = recipe, tokenizer, snapshot
        self.parts_dir = recipe.data.work_dir / "parts"
        self.parts = PartFiles(
            self.parts_dir / key[:16], (tokenizer.src.vocab_size, tokenizer.tgt.vocab_size)
        )

    def remove_stale_parts(self) -> None:
        """Remove the parts that interrupted runs with other texts or settings have left."""
        for directory in self.parts_dir.glob("[0-9a-f]" * 16):
            if directory != self.parts.directory:
                shutil.rmtree(directory)

    def make_parts(
        self, shard: Shard | None, n_workers: int | None, n_pairs: int
    ) -> tuple[list[PartId], int]:
        """Make the missing parts, of all or of one shard.

        Args:
            shard: The shard; None for all.
            n_workers: Number of processes, as in `preprocess`.
            n_pairs: Number of pairs in all corpora, for the progress bar; 0 if unknown.
        Returns:
            All parts of the corpora, in order, and the number of parts made now.
        """
        part_ids: list[PartId] = []
        n_made = 0
        with progress("Preprocessing", n_pairs or None, "pairs") as bar:
            ends: deque[tuple[PartId, int, bool]] = deque()
            tasks = self._tasks(part_ids, ends, shard, bar)
            encoded: list[EncodedPairs] = []
            n_read, dropped = 0, DropCounts()
            for pairs, chunk_dropped in self._encode(tasks, n_workers):
                part, n_chunk, is_last = ends.popleft()
                encoded.append(pairs)
                n_read += n_chunk
                dropped.merge(chunk_dropped)
                bar.advance(n_chunk)
                if is_last:
                    self.snapshot.check()
                    self.parts.write(
                        part, encoded, {"n_read": n_read, "dropped": dropped.to_json()}
                    )
                    n_made += 1
                    encoded, n_read, dropped = [], 0, DropCounts()
        self.snapshot.check()
        return part_ids, n_made

    def _tasks(
        self,
        part_ids: list[PartId],
        ends: "deque[tuple[PartId, int, bool]]",
        shard: Shard | None,
        bar: ProgressBar,
    ) -> Iterator[PairChunk]:
        """Yield the chunks of the missing parts.

        Every part is added to `part_ids`. For each chunk, its part, its size and whether it is the
        last of the part are added to `ends`.
        """
        for corpus, source in enumerate(self.recipe.data.train):
            chunks = _chunks(read_pairs(source, self.recipe.data), CHUNK_SIZE)
            links = read_links(source.alignment) if source.alignment is not None else None
            is_missing = False
            for number, (chunk, is_last_of_corpus) in enumerate(_with_last(chunks)):
                first = number * CHUNK_SIZE
                links_chunk = list(islice(links, len(chunk))) if links is not None else None
                part = PartId(corpus, first // PART_SIZE)
                if first % PART_SIZE == 0:
                    is_missing = (
                        shard is None or shard.makes(len(part_ids))
                    ) and self.parts.manifest(part) is None
                    part_ids.append(part)
                if is_missing:
                    ends.append(
                        (
                            part,
                            len(chunk),
                            is_last_of_corpus or (first + CHUNK_SIZE) % PART_SIZE == 0,
                        )
                    )
                    yield PairChunk.of(corpus, first + 1, chunk, links_chunk)
                else:
                    bar.advance(len(chunk))

    def _encode(
        self, tasks: Iterator[PairChunk], n_workers: int | None
    ) -> Iterator[tuple[EncodedPairs, DropCounts]]:
        cleaner = PairCleaner.for_recipe(self.recipe)
        rules = tuple(
            CorpusRules(
                cleaner.for_source(source),
                source.tags,
                tuple(self.tokenizer.src.tag_ids(source.tags)),
                display_name(source.alignment) if source.alignment is not None else "",
            )
            for source in self.recipe.data.train
        )
        args = (self.tokenizer, self.recipe.preprocess, self.recipe.clean.duplicates, rules)
        first = list(islice(tasks, MAX_CHUNKS_IN_PROCESS + 1))
        if len(first) <= MAX_CHUNKS_IN_PROCESS and n_workers is None:
            n_workers = 0
        n_workers = n_cores() if n_workers is None else n_workers
        n_threads = 1 if n_workers else None
        return ordered_map(ChunkEncoder, (*args, n_threads), chain(first, tasks), n_workers)

    def merge(self, part_ids: list[PartId], metadata: dict[str, Any]) -> None:
        """Merge all parts into the store, and remove them."""
        corpora = [_Counts() for _ in self.recipe.data.train]
        for part in part_ids:
            manifest = self.parts.manifest(part)
            assert manifest is not None
            corpora[part.corpus].dropped.merge(DropCounts.from_json(manifest["dropped"]))
            corpora[part.corpus].n_read += manifest["n_read"]
        # Built in the directory of the parts, so that a killed run leaves nothing elsewhere.
        temp_dir = self.parts.directory / "store"
        sizes = self.tokenizer.src.vocab_size, self.tokenizer.tgt.vocab_size
        is_aligned = any(source.alignment is not None for source in self.recipe.data.train)
        with (
            atomic_dir(temp_dir) as directory,
            StoreWriter(directory, *sizes, aligned=is_aligned) as writer,
        ):
            n_kept = merge_parts(
                self.parts,
                part_ids,
                writer,
                self.tokenizer,
                {corpus: counts.dropped for corpus, counts in enumerate(corpora)},
            )
            corpus_entries = self._corpora(n_kept, corpora)
            check_drop_limits(self.recipe, corpus_entries)
            n_read, dropped = (
                sum(counts.n_read for counts in corpora),
                _merged(counts.dropped for counts in corpora),
            )
            if writer.n_pairs == 0:
                shutil.rmtree(self.parts_dir)
                raise _no_pairs_left(n_read, dropped)
            settings = {
                "preprocess": preprocess_settings(self.recipe),
                "clean": self.recipe.clean.model_dump(mode="json"),
            }
            writer.finish(
                metadata
                | {
                    "n_read": n_read,
                    "dropped": dropped.to_json(),
                    "corpora": corpus_entries,
                    "settings": settings,
                }
            )
        replace_dir(temp_dir, self.recipe.store_dir)
        shutil.rmtree(self.parts_dir)

    def _corpora(self, n_kept: dict[int, int], counts: "list[_Counts]") -> list[dict[str, Any]]:
        """Return the rows of each corpus in the store, and counts of its dropped pairs."""
        first, corpora = 0, []
        for corpus, source in enumerate(self.recipe.data.train):
            n_pairs = n_kept.get(corpus, 0)
            rows = {"name": corpus_name(source), "first": first, "n_pairs": n_pairs}
            tags = {"tags": list(source.tags), "tag_ids": self.tokenizer.src.tag_ids(source.tags)}
            corpora.append(
                rows
                | tags
                | {"n_read": counts[corpus].n_read, "dropped": counts[corpus].dropped.to_json()}
            )
            first += n_pairs
        return corpora


@dataclass
class _Counts:
    """Number of pairs of one corpus before cleaning, and counts of the dropped ones."""

    n_read: int = 0
    dropped: DropCounts = field(default_factory=DropCounts)


def _merged(parts: Iterable[DropCounts]) -> DropCounts:
    total = DropCounts()
    for dropped in parts:
        total.merge(dropped)
    return total


def check_drop_limits(recipe: Recipe, corpora: list[dict[str, Any]]) -> None:
    """Check the limit of dropped pairs for each corpus of a store's manifest."""
    for source, corpus in zip(recipe.data.train, corpora, strict=True):
        check_dropped(recipe, source, corpus["n_read"], DropCounts.from_json(corpus["dropped"]))


def _chunks(pairs: Iterable[SentencePair], size: int) -> Iterator[list[SentencePair]]:
    iterator = iter(pairs)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _with_last(chunks: Iterator[list[SentencePair]]) -> Iterator[tuple[list[SentencePair], bool]]:
    """Yield each chunk, and whether it is the last."""
    for chunk, following in pairwise(chain(chunks, [None])):
        assert chunk is not None
        yield chunk, following is None


def preprocess_settings(recipe: Recipe) -> dict[str, Any]:
    """Return the settings of `preprocess:` that determine the content or use of the store."""
    return recipe.preprocess.model_dump(mode="json", exclude={"max_dropped"})


def _no_pairs_left(n_read: int, dropped: DropCounts) -> MtkitError:
    if n_read == 0:
        return MtkitError("the training corpus is empty", "check the files in data.train")
    why = ", ".join(f"{count:,} {reason}" for reason, count in dropped.counts.items() if count)
    return MtkitError(
        f"all {n_read:,} training pairs were dropped: {why}",
        "check the corpus, or the recipe's clean and preprocess sections",
    )


def merge_parts(
    parts: PartFiles,
    part_ids: Sequence[PartId],
    writer: StoreWriter,
    tokenizer: Tokenizer,
    dropped: Mapping[int, DropCounts],
) -> dict[int, int]:
    """Merge parts in order into a store; of duplicates, the first is kept.

    Args:
        parts: The parts.
        part_ids: All parts of the training corpora, in order.
        writer: Writer of an empty store.
        tokenizer: Decodes duplicates for the samples.
        dropped: Counts to which duplicates are added, by index of the corpus in data.train.
    Returns:
        Number of kept pairs by index of the corpus in data.train.
    """
    n_kept = {part.corpus: 0 for part in part_ids}
    first = 0
    with (
        _duplicates(parts, part_ids) as is_duplicate,
        progress("Joining", len(part_ids), "parts") as bar,
    ):
        for part in part_ids:
            pairs = parts.read(part)
            is_repeat = is_duplicate[first : first + len(pairs)]
            first += len(pairs)
            if is_repeat.any():
                repeats = pairs.select(is_repeat)
                _count_duplicates(repeats, tokenizer, dropped[part.corpus])
                pairs = pairs.select(~is_repeat)
            writer.append_arrays(*pairs.arrays(), pairs.links)
            n_kept[part.corpus] += len(pairs)
            bar.advance()
    return n_kept


@contextmanager
def _duplicates(parts: PartFiles, part_ids: Sequence[PartId]) -> Iterator[NDArray[np.bool_]]:
    """Find duplicates across all parts; empty if the parts have no keys."""
    with tempfile.TemporaryDirectory(prefix="duplicates-", dir=parts.directory) as temp_dir:
        yield find_duplicates([parts.path(part) / KEYS_NAME for part in part_ids], Path(temp_dir))


def _count_duplicates(repeats: EncodedPairs, tokenizer: Tokenizer, dropped: DropCounts) -> None:
    n_samples = dropped.n_samples_missing("duplicate")
    src, tgt = (
        subword.decode(
            [ids.tolist() for ids in np.split(ids, np.cumsum(lengths)[:n_samples])[:n_samples]]
        )
        for subword, ids, lengths in (
            (tokenizer.src, repeats.src_ids, repeats.src_lengths),
            (tokenizer.tgt, repeats.tgt_ids, repeats.tgt_lengths),
        )
    )
    for src_text, tgt_text in zip(src, tgt, strict=True):
        dropped.add("duplicate", None, src_text, tgt_text)
    dropped.counts["duplicate"] += len(repeats) - len(src)
