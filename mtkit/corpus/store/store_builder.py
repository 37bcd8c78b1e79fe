"""Build the token store: encode the training corpora part by part, then merge the parts."""

import shutil
from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from mtkit.config.data import corpus_name
from mtkit.config.recipe import Recipe
from mtkit.corpus.clean.drop_counts import DropCounts
from mtkit.corpus.clean.drop_limit import check_dropped
from mtkit.corpus.clean.duplicates import find_duplicates
from mtkit.corpus.clean.pair_cleaner import PairCleaner
from mtkit.corpus.document_rows import DocumentTracker
from mtkit.corpus.read.documents import read_positions, take_positions
from mtkit.corpus.read.pairs import read_pair_chunks
from mtkit.corpus.sentence_pair import PairChunk
from mtkit.corpus.store.encode_chunk import ChunkEncoder, CorpusRules, EncodedChunk
from mtkit.corpus.store.shards import KEYS_NAME, PART_SIZE, EncodedPairs, PartFiles, PartId, Shard
from mtkit.corpus.store.token_store import StoreWriter
from mtkit.corpus.store.word_links import read_links
from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_dir, replace_dir
from mtkit.io.change_guard import FileSnapshot
from mtkit.io.paths import display_name
from mtkit.io.progress import ProgressBar, progress
from mtkit.tokenizer.subword import Tokenizer
from mtkit.workers.process_pool import choose_n_workers, ordered_map

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
            encoded = self._encode(self._missing_chunks(part_ids, shard, bar), n_workers)
            for part, chunks in groupby(encoded, _part_of):
                pairs: list[EncodedPairs] = []
                n_read, dropped = 0, DropCounts()
                for chunk in chunks:
                    pairs.append(chunk.pairs)
                    n_read += chunk.n_read
                    dropped.merge(chunk.dropped)
                    bar.advance(chunk.n_read)
                self.snapshot.check()
                self.parts.write(part, pairs, {"n_read": n_read, "dropped": dropped.to_json()})
                n_made += 1
        self.snapshot.check()
        return part_ids, n_made

    def _missing_chunks(
        self, part_ids: list[PartId], shard: Shard | None, bar: ProgressBar
    ) -> Iterator[PairChunk]:
        """Yield the chunks of the missing parts; every part is added to `part_ids`."""
        for corpus, source in enumerate(self.recipe.data.train):
            links = read_links(source.alignment) if source.alignment is not None else None
            positions = read_positions(source, self.recipe.data)
            is_missing = False
            for first_line, pairs in read_pair_chunks(source, self.recipe.data, CHUNK_SIZE):
                links_chunk = list(islice(links, len(pairs))) if links is not None else None
                positions_chunk = take_positions(positions, len(pairs))
                if (first_line - 1) % PART_SIZE == 0:
                    part = PartId(corpus, (first_line - 1) // PART_SIZE)
                    is_missing = (
                        shard is None or shard.makes(len(part_ids))
                    ) and self.parts.manifest(part) is None
                    part_ids.append(part)
                if is_missing:
                    yield PairChunk.of(corpus, first_line, pairs, links_chunk, positions_chunk)
                else:
                    bar.advance(len(pairs))

    def _encode(self, chunks: Iterator[PairChunk], n_workers: int | None) -> Iterator[EncodedChunk]:
        cleaner = PairCleaner.for_recipe(self.recipe)
        rules = tuple(
            CorpusRules(
                cleaner.for_source(source),
                (*source.tags, *source.tgt_tags),
                tuple(self.tokenizer.src.tag_ids(source.tags)),
                tuple(self.tokenizer.tgt.tag_ids(source.tgt_tags)),
                display_name(source.alignment) if source.alignment is not None else "",
            )
            for source in self.recipe.data.train
        )
        args = (self.tokenizer, self.recipe.preprocess, self.recipe.clean.duplicates, rules)
        chunks, n_workers = choose_n_workers(chunks, n_workers, MAX_CHUNKS_IN_PROCESS)
        n_threads = 1 if n_workers else None
        return ordered_map(ChunkEncoder, (*args, n_threads), chunks, n_workers)

    def merge(self, part_ids: list[PartId], metadata: dict[str, Any]) -> None:
        """Merge all parts into the store, and remove them."""
        sources = self.recipe.data.train
        n_read, dropped = [0 for _ in sources], [DropCounts() for _ in sources]
        for part in part_ids:
            manifest = self.parts.manifest(part)
            assert manifest is not None
            dropped[part.corpus].merge(DropCounts.from_json(manifest["dropped"]))
            n_read[part.corpus] += manifest["n_read"]
        # Built in the directory of the parts, so that a killed run leaves nothing elsewhere.
        temp_dir = self.parts.directory / "store"
        sizes = self.tokenizer.src.vocab_size, self.tokenizer.tgt.vocab_size
        is_aligned = any(source.alignment is not None for source in sources)
        options = {"aligned": is_aligned, "with_documents": self.recipe.data.context > 0}
        with (
            atomic_dir(temp_dir) as directory,
            StoreWriter(directory, *sizes, **options) as writer,
        ):
            n_kept = self._write_pairs(part_ids, writer, dropped)
            corpora = self._corpus_entries(n_kept, n_read, dropped)
            check_drop_limits(self.recipe, corpora)
            all_dropped = DropCounts()
            for of_corpus in dropped:
                all_dropped.merge(of_corpus)
            if writer.n_pairs == 0:
                shutil.rmtree(self.parts_dir)
                raise _no_pairs_left(sum(n_read), all_dropped)
            settings = {
                "preprocess": preprocess_settings(self.recipe),
                "clean": self.recipe.clean.model_dump(mode="json"),
            }
            writer.finish(
                metadata
                | {
                    "n_read": sum(n_read),
                    "dropped": all_dropped.to_json(),
                    "corpora": corpora,
                    "settings": settings,
                }
            )
        replace_dir(temp_dir, self.recipe.store_dir)
        shutil.rmtree(self.parts_dir)

    def _write_pairs(
        self, part_ids: list[PartId], writer: StoreWriter, dropped: list[DropCounts]
    ) -> list[int]:
        """Write the parts in order to a store; of duplicates, the first is kept.

        Args:
            part_ids: All parts of the training corpora, in order.
            writer: Writer of an empty store.
            dropped: Counts of each corpus, to which duplicates are added.
        Returns:
            Number of kept pairs of each corpus.
        """
        n_kept, documents = [0 for _ in dropped], DocumentTracker()
        first = 0
        with (
            TemporaryDirectory(prefix="duplicates-", dir=self.parts.directory) as temp_dir,
            progress("Joining", len(part_ids), "parts") as bar,
        ):
            key_paths = [self.parts.path(part) / KEYS_NAME for part in part_ids]
            # Empty if the parts have no keys.
            is_duplicate = find_duplicates(key_paths, Path(temp_dir))
            for part in part_ids:
                pairs = self.parts.read(part)
                is_repeat = is_duplicate[first : first + len(pairs)]
                first += len(pairs)
                if is_repeat.any():
                    repeats = pairs.select(is_repeat)
                    _count_duplicates(repeats, self.tokenizer, dropped[part.corpus])
                    pairs = pairs.select(~is_repeat)
                follows = documents.follows(part.corpus, pairs.positions)
                writer.append_arrays(pairs.src, pairs.tgt, pairs.links, follows)
                n_kept[part.corpus] += len(pairs)
                bar.advance()
        return n_kept

    def _corpus_entries(
        self, n_kept: list[int], n_read: list[int], dropped: list[DropCounts]
    ) -> list[dict[str, Any]]:
        """Return the rows of each corpus in the store, and counts of its dropped pairs."""
        return [
            {
                "name": corpus_name(source),
                "first": sum(n_kept[:corpus]),
                "n_pairs": n_kept[corpus],
                "tags": list(source.tags),
                "tag_ids": self.tokenizer.src.tag_ids(source.tags),
                "tgt_tags": list(source.tgt_tags),
                "n_read": n_read[corpus],
                "dropped": dropped[corpus].to_json(),
            }
            for corpus, source in enumerate(self.recipe.data.train)
        ]


def _part_of(chunk: EncodedChunk) -> PartId:
    return PartId(chunk.corpus, (chunk.first_line - 1) // PART_SIZE)


def check_drop_limits(recipe: Recipe, corpora: list[dict[str, Any]]) -> None:
    """Check the limit of dropped pairs for each corpus of a store's manifest."""
    for source, corpus in zip(recipe.data.train, corpora, strict=True):
        check_dropped(recipe, source, corpus["n_read"], DropCounts.from_json(corpus["dropped"]))


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


def _count_duplicates(repeats: EncodedPairs, tokenizer: Tokenizer, dropped: DropCounts) -> None:
    n_samples = dropped.n_samples_missing("duplicate")
    src, tgt = (
        subword.decode(
            [ids.tolist() for ids in np.split(ids, np.cumsum(lengths)[:n_samples])[:n_samples]]
        )
        for subword, ids, lengths in ((tokenizer.src, *repeats.src), (tokenizer.tgt, *repeats.tgt))
    )
    for src_text, tgt_text in zip(src, tgt, strict=True):
        dropped.add("duplicate", None, src_text, tgt_text)
    dropped.counts["duplicate"] += len(repeats) - len(src)
