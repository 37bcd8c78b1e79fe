"""Text to token store: read, clean, tokenise and keep, and say what was dropped and why."""

import shutil
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

from mtkit.config.data import corpus_name
from mtkit.config.recipe import Recipe
from mtkit.corpus.clean.drop_limit import check_dropped
from mtkit.corpus.clean.filters import dropped_lines
from mtkit.corpus.clean.pair_cleaner import Dropped, PairCleaner
from mtkit.corpus.read.change_guard import Snapshot
from mtkit.corpus.read.pairs import SentencePair, read_pairs, source_fingerprint
from mtkit.corpus.store.encode_chunk import Chunk, CorpusRules, Preparer
from mtkit.corpus.store.first_pass import look_over
from mtkit.corpus.store.merge import merge_parts
from mtkit.corpus.store.shards import PART_SIZE, PartId, Parts, PreparedPairs, Shard
from mtkit.corpus.store.token_store import FORMAT_VERSION, StoreWriter, TokenStore
from mtkit.corpus.store.word_links import read_links
from mtkit.corpus.train_tokenizer import fresh_tokenizer, input_fingerprints, load_or_train
from mtkit.errors import MtkitError
from mtkit.io.arguments import require_workers
from mtkit.io.build_manifest import MANIFEST_NAME, make_key, read_manifest, refuse_foreign
from mtkit.io.logs import get_logger
from mtkit.io.progress import ProgressBar, progress
from mtkit.io.spool import rereadable, shown_name
from mtkit.io.text import atomic_dir, replace_dir, sha256_file
from mtkit.tokenizer.subword import Tokenizer
from mtkit.workers.process_pool import n_cores, ordered_map

logger = get_logger(__name__)

CHUNK_SIZE = 5_000
"""Pairs that a process takes at a time; parts are whole numbers of chunks."""

N_CHUNKS_ALONE = 10
"""A corpus of no more chunks is not worth the start of processes."""


@dataclass(frozen=True)
class PreprocessReport:
    """What became of the corpus."""

    n_read: int
    n_kept: int
    dropped: Dropped
    """What was dropped and mended, by rule."""
    n_src_tokens: int
    n_tgt_tokens: int
    n_aligned: int
    """Kept pairs with a word alignment."""
    store_dir: Path
    fresh: bool
    """Nothing had changed since the store was made, so it was left as it is."""

    @property
    def outcome(self) -> str:
        """What became of the store, in one line."""
        return (
            f"{self.store_dir}: {'up to date' if self.fresh else 'written'}, {self.n_kept:,} pairs"
        )

    def lines(self, n_samples: int = 0) -> Iterator[str]:
        """The report for people, line by line.

        Args:
            n_samples: Dropped pairs to show of each rule.
        """
        yield f"{self.n_read:,} pairs read, {self.n_kept:,} kept, {self.n_read - self.n_kept:,} dropped"
        yield from dropped_lines(self.dropped, n_samples)
        per_src, per_tgt = (
            self.n_src_tokens / max(1, self.n_kept),
            self.n_tgt_tokens / max(1, self.n_kept),
        )
        yield f"{self.n_src_tokens:,} source and {self.n_tgt_tokens:,} target pieces, {per_src:.1f} and {per_tgt:.1f} for each pair"
        if self.n_aligned:
            yield f"{self.n_aligned:,} pairs have a word alignment"
        yield self.outcome

    def __str__(self) -> str:
        return "\n".join(self.lines())


@dataclass(frozen=True)
class ShardReport:
    """What one of several runs did."""

    shard: Shard
    n_parts: int
    """Parts of all shards together."""
    n_made: int
    """Parts made now; those that were there are not made again."""

    def __str__(self) -> str:
        return (
            f"shard {self.shard.number} of {self.shard.n_shards}: {self.n_made:,} parts made, of {self.n_parts:,} in all\n"
            "when all shards are done, the same command without --shard joins them"
        )


def preprocess(recipe: Recipe, *, n_workers: int | None = None) -> PreprocessReport:
    """Make the token store of the recipe's training corpus in `recipe.store_dir`, and the tokenizer first when it is missing or stale.

    Where corpus, tokenizer and settings are what they were, nothing is done. What an interrupted run or `preprocess_shard` has finished of the same
    is not done again. Memory does not grow with the corpus.

    Args:
        recipe: Says what is read, how it is cleaned, and where the store is kept.
        n_workers: Processes; default one per core, or none for a small corpus. The store is the same with any number.
    Raises:
        MtkitError: The corpus cannot be read, changes while it is read, its files are of unequal length, its sides slip against each other, or
            too many pairs are dropped; then no store is written.
    """
    Recipe.require(recipe)
    require_workers(n_workers)
    snapshot = Snapshot.of(recipe.data.train)
    inputs = input_fingerprints(recipe)
    tokenizer, n_pairs = fresh_tokenizer(recipe, inputs), None
    if tokenizer is None:
        n_pairs = look_over(recipe)
        tokenizer = load_or_train(recipe, inputs)
    key = _key(recipe, inputs, tokenizer)
    manifest = _whole_manifest(recipe.store_dir, key)
    if manifest is not None:
        _check_dropped(recipe, manifest["corpora"])
        return _report(manifest, recipe.store_dir, fresh=True)
    refuse_foreign(recipe.store_dir)
    n_pairs = look_over(recipe) if n_pairs is None else n_pairs
    work = _Work(recipe, tokenizer, key, snapshot)
    work.remove_stale_parts()
    part_ids, _ = work.make_parts(None, n_workers, n_pairs)
    work.join(part_ids, {"key": key, "inputs": inputs, "tokenizer_sha256": tokenizer.sha256})
    return _report(
        TokenStore.open(recipe.store_dir, check_hashes=False).manifest,
        recipe.store_dir,
        fresh=False,
    )


def preprocess_shard(
    recipe: Recipe, shard: tuple[int, int], *, n_workers: int | None = None
) -> ShardReport:
    """Prepare one share of the training corpus; when all are done, `preprocess` joins them to the store that it would have made alone.

    Shards may run at the same time, on machines that share `data.work_dir`.

    Args:
        recipe: The same for all shards.
        shard: Which share, from 1, and how many there are.
        n_workers: As for `preprocess`.
    Raises:
        MtkitError: As `preprocess`; also when the tokenizer is missing or stale, since each shard would train its own.
        ValueError: There is no such shard.
    """
    Recipe.require(recipe)
    require_workers(n_workers)
    own = Shard.checked(shard)
    snapshot = Snapshot.of(recipe.data.train)
    inputs = input_fingerprints(recipe)
    tokenizer = fresh_tokenizer(recipe, inputs)
    if tokenizer is None:
        raise MtkitError(
            f"`{recipe.tokenizer_dir}`: no tokenizer of this corpus and these settings",
            "make it once with `mtkit tokenizer train`, then start the shards",
        )
    work = _Work(recipe, tokenizer, _key(recipe, inputs, tokenizer), snapshot)
    part_ids, n_made = work.make_parts(own, n_workers, look_over(recipe))
    return ShardReport(own, len(part_ids), n_made)


def store_is_fresh(recipe: Recipe) -> bool:
    """Whether the store in `recipe.store_dir` is what `preprocess` would make of the corpus as it is now.

    Raises:
        MtkitError: The training corpus cannot be read.
    """
    inputs = input_fingerprints(recipe)
    tokenizer = fresh_tokenizer(recipe, inputs)
    return (
        tokenizer is not None
        and _whole_manifest(recipe.store_dir, _key(recipe, inputs, tokenizer)) is not None
    )


class _Work:
    """Parts and store of one corpus, tokenizer and set of settings."""

    def __init__(self, recipe: Recipe, tokenizer: Tokenizer, key: str, snapshot: Snapshot) -> None:
        self.recipe, self.tokenizer, self.snapshot = recipe, tokenizer, snapshot
        self.parts_dir = recipe.data.work_dir / "parts"
        self.parts = Parts(
            self.parts_dir / key[:16], (tokenizer.src.vocab_size, tokenizer.tgt.vocab_size)
        )

    def remove_stale_parts(self) -> None:
        """Remove what interrupted runs with other texts or settings have left."""
        for folder in self.parts_dir.glob("[0-9a-f]" * 16):
            if folder != self.parts.folder:
                shutil.rmtree(folder)

    def make_parts(
        self, shard: Shard | None, n_workers: int | None, n_pairs: int
    ) -> tuple[list[PartId], int]:
        """Make the parts that are missing, of all or of one shard.

        Args:
            shard: Which; None for all.
            n_workers: As for `preprocess`.
            n_pairs: Pairs in all corpora, for the progress bar; 0 where that is not known.
        Returns:
            All parts of the corpora, in order, and how many were made now.
        """
        part_ids: list[PartId] = []
        n_made = 0
        with progress("Preprocessing", n_pairs or None, "pairs") as bar:
            ends: deque[tuple[PartId, int, bool]] = deque()
            tasks = self._tasks(part_ids, ends, shard, bar)
            prepared: list[PreparedPairs] = []
            n_read, dropped = 0, Dropped()
            for pairs, chunk_dropped in self._prepare(tasks, n_workers):
                part, n_chunk, is_last = ends.popleft()
                prepared.append(pairs)
                n_read += n_chunk
                dropped.merge(chunk_dropped)
                bar.advance(n_chunk)
                if is_last:
                    self.snapshot.check()
                    self.parts.write(
                        part, prepared, {"n_read": n_read, "dropped": dropped.as_json()}
                    )
                    n_made += 1
                    prepared, n_read, dropped = [], 0, Dropped()
        self.snapshot.check()
        return part_ids, n_made

    def _tasks(
        self,
        part_ids: list[PartId],
        ends: "deque[tuple[PartId, int, bool]]",
        shard: Shard | None,
        bar: ProgressBar,
    ) -> Iterator[Chunk]:
        """The chunks of the parts to be made.

        Every part is added to `part_ids`; for each chunk its part, its size and whether it is the part's last is added to `ends`.
        """
        for corpus, source in enumerate(self.recipe.data.train):
            chunks = _chunks(read_pairs(source, self.recipe.data), CHUNK_SIZE)
            links = read_links(source.alignment) if source.alignment is not None else None
            is_wanted = False
            for number, (chunk, is_last_of_corpus) in enumerate(_with_last(chunks)):
                first = number * CHUNK_SIZE
                links_chunk = list(islice(links, len(chunk))) if links is not None else None
                part = PartId(corpus, first // PART_SIZE)
                if first % PART_SIZE == 0:
                    is_wanted = (shard is None or shard.has(len(part_ids))) and self.parts.manifest(
                        part
                    ) is None
                    part_ids.append(part)
                if is_wanted:
                    ends.append(
                        (
                            part,
                            len(chunk),
                            is_last_of_corpus or (first + CHUNK_SIZE) % PART_SIZE == 0,
                        )
                    )
                    yield Chunk.of(corpus, first + 1, chunk, links_chunk)
                else:
                    bar.advance(len(chunk))

    def _prepare(
        self, tasks: Iterator[Chunk], n_workers: int | None
    ) -> Iterator[tuple[PreparedPairs, Dropped]]:
        cleaner = PairCleaner.for_recipe(self.recipe)
        rules = tuple(
            CorpusRules(
                cleaner.for_source(source),
                source.tags,
                tuple(self.tokenizer.src.tag_ids(source.tags)),
                shown_name(source.alignment) if source.alignment is not None else "",
            )
            for source in self.recipe.data.train
        )
        args = (self.tokenizer, self.recipe.preprocess, self.recipe.clean.duplicates, rules)
        first = list(islice(tasks, N_CHUNKS_ALONE + 1))
        if len(first) <= N_CHUNKS_ALONE and n_workers is None:
            n_workers = 0
        n_workers = n_cores() if n_workers is None else n_workers
        n_threads = 1 if n_workers else None
        return ordered_map(Preparer, (*args, n_threads), chain(first, tasks), n_workers)

    def join(self, part_ids: list[PartId], about: dict[str, Any]) -> None:
        """Make the store of all parts, and remove them."""
        corpora = [_Counts() for _ in self.recipe.data.train]
        for part in part_ids:
            manifest = self.parts.manifest(part)
            assert manifest is not None
            corpora[part.corpus].dropped.merge(Dropped.from_json(manifest["dropped"]))
            corpora[part.corpus].n_read += manifest["n_read"]
        # Made among the parts, so that a run that is killed leaves nothing elsewhere.
        made = self.parts.folder / "store"
        sizes = self.tokenizer.src.vocab_size, self.tokenizer.tgt.vocab_size
        is_aligned = any(source.alignment is not None for source in self.recipe.data.train)
        with atomic_dir(made) as folder, StoreWriter(folder, *sizes, aligned=is_aligned) as writer:
            n_kept = merge_parts(
                self.parts,
                part_ids,
                writer,
                self.tokenizer,
                {place: counts.dropped for place, counts in enumerate(corpora)},
            )
            told = self._corpora(n_kept, corpora)
            _check_dropped(self.recipe, told)
            n_read, dropped = (
                sum(counts.n_read for counts in corpora),
                _merged(counts.dropped for counts in corpora),
            )
            if writer.n_pairs == 0:
                shutil.rmtree(self.parts_dir)
                raise _nothing_left(n_read, dropped)
            settings = {
                "preprocess": _settings(self.recipe),
                "clean": self.recipe.clean.model_dump(mode="json"),
            }
            writer.finish(
                about
                | {
                    "n_read": n_read,
                    "dropped": dropped.as_json(),
                    "corpora": told,
                    "settings": settings,
                }
            )
        replace_dir(made, self.recipe.store_dir)
        shutil.rmtree(self.parts_dir)

    def _corpora(self, n_kept: dict[int, int], counts: "list[_Counts]") -> list[dict[str, Any]]:
        """Rows of each corpus in the store, and the counts of its dropped pairs."""
        first, corpora = 0, []
        for corpus, source in enumerate(self.recipe.data.train):
            n_pairs = n_kept.get(corpus, 0)
            rows = {"name": corpus_name(source), "first": first, "n_pairs": n_pairs}
            tags = {"tags": list(source.tags), "tag_ids": self.tokenizer.src.tag_ids(source.tags)}
            corpora.append(
                rows
                | tags
                | {"n_read": counts[corpus].n_read, "dropped": counts[corpus].dropped.as_json()}
            )
            first += n_pairs
        return corpora


@dataclass
class _Counts:
    """Number of pairs of one corpus before cleaning, and the counts of those dropped."""

    n_read: int = 0
    dropped: Dropped = field(default_factory=Dropped)


def _merged(parts: Iterable[Dropped]) -> Dropped:
    total = Dropped()
    for dropped in parts:
        total.merge(dropped)
    return total


def _check_dropped(recipe: Recipe, corpora: list[dict[str, Any]]) -> None:
    """Check from the store's manifest that not too much of any corpus was dropped."""
    for source, corpus in zip(recipe.data.train, corpora, strict=True):
        check_dropped(recipe, source, corpus["n_read"], Dropped.from_json(corpus["dropped"]))


def _chunks(pairs: Iterable[SentencePair], size: int) -> Iterator[list[SentencePair]]:
    iterator = iter(pairs)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _with_last(chunks: Iterator[list[SentencePair]]) -> Iterator[tuple[list[SentencePair], bool]]:
    """Each chunk, and whether it is the last."""
    for chunk, following in pairwise(chain(chunks, [None])):
        assert chunk is not None
        yield chunk, following is None


def _key(recipe: Recipe, inputs: list[dict[str, str]], tokenizer: Tokenizer) -> str:
    """A hash of everything that decides what is in the store."""
    settings = [_settings(recipe), recipe.clean.model_dump(mode="json")]
    corpora = [(source.tags, source.src_lang, source.tgt_lang) for source in recipe.data.train]
    languages = (recipe.data.src_lang, recipe.data.tgt_lang)
    held_out_sources = (
        (*recipe.data.validation, *recipe.data.test) if recipe.clean.test_overlap != "off" else ()
    )
    held_out = [source_fingerprint(source, recipe.data) for source in held_out_sources]
    parts = [
        FORMAT_VERSION,
        PART_SIZE,
        [entry["sha256"] for entry in inputs],
        tokenizer.sha256,
        settings,
        languages,
        corpora,
        held_out,
    ]
    alignments = [
        source.alignment and sha256_file(rereadable(source.alignment, "the alignment"))
        for source in recipe.data.train
    ]
    return make_key([*parts, alignments] if any(alignments) else parts)


def _settings(recipe: Recipe) -> dict[str, Any]:
    """The settings of `preprocess:` that decide what is in the store, or whether it may be used."""
    return recipe.preprocess.model_dump(mode="json", exclude={"max_dropped"})


def _whole_manifest(folder: Path, key: str) -> dict[str, Any] | None:
    """The store's manifest if it was made from the same things, and its files are as they were written; a damaged store is warned of."""
    manifest = read_manifest(folder)
    is_stale = not (folder / MANIFEST_NAME).exists() or (
        manifest is not None and manifest.get("key") != key
    )
    if is_stale:
        return None
    try:
        return TokenStore.open(folder).manifest
    except MtkitError as exc:
        logger.warning("%s; the store is made again", exc.message)
        return None


def _report(manifest: dict[str, Any], folder: Path, *, fresh: bool) -> PreprocessReport:
    n_tokens = manifest["n_tokens"]
    dropped = Dropped.from_json(manifest["dropped"])
    n_aligned = manifest["alignment"]["n_pairs"] if "alignment" in manifest else 0
    return PreprocessReport(
        manifest["n_read"],
        manifest["n_pairs"],
        dropped,
        n_tokens["src"],
        n_tokens["tgt"],
        n_aligned,
        folder,
        fresh,
    )


def _nothing_left(n_read: int, dropped: Dropped) -> MtkitError:
    if n_read == 0:
        return MtkitError("the training corpus is empty", "check the files that data.train names")
    why = ", ".join(f"{count:,} {reason}" for reason, count in dropped.counts.items() if count)
    return MtkitError(
        f"all {n_read:,} training pairs were dropped: {why}",
        "check the corpus, or the recipe's clean and preprocess sections",
    )
