"""Text to token store: read, filter, tokenise and keep, and say what was dropped and why."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from mtkit.config.recipe import Recipe
from mtkit.corpus.filters import REASONS, PairFilter
from mtkit.corpus.manifest import make_key, read_manifest, refuse_foreign
from mtkit.corpus.pairs import SentencePair, read_pairs
from mtkit.corpus.store import FORMAT_VERSION, StoreWriter, TokenStore
from mtkit.corpus.tokenizer import fresh_tokenizer, input_fingerprints, load_or_train
from mtkit.errors import MtkitError
from mtkit.files import atomic_dir
from mtkit.progress import progress
from mtkit.tokenizer.subword import Tokenizer

CHUNK_SIZE = 10_000
"""Pairs in memory at a time."""


@dataclass(frozen=True)
class PreprocessReport:
    """What became of the corpus."""

    n_read: int
    n_kept: int
    dropped: dict[str, int]
    """Pairs by the reason for which they were dropped; see `mtkit.corpus.filters.REASONS`."""
    n_src_tokens: int
    n_tgt_tokens: int
    store_dir: Path
    fresh: bool
    """Nothing had changed since the store was made, so it was left as it is."""

    def lines(self) -> Iterator[str]:
        """The report for people, line by line."""
        yield f"{self.n_read:,} pairs read, {self.n_kept:,} kept, {self.n_read - self.n_kept:,} dropped"
        for reason, count in self.dropped.items():
            if count:
                yield f"  {count:,} {reason}: {REASONS.get(reason, reason)}"
        per_src, per_tgt = self.n_src_tokens / max(1, self.n_kept), self.n_tgt_tokens / max(1, self.n_kept)
        yield f"{self.n_src_tokens:,} source and {self.n_tgt_tokens:,} target pieces, {per_src:.1f} and {per_tgt:.1f} for each pair"
        yield f"{self.store_dir}: {'nothing has changed' if self.fresh else 'written'}"

    def __str__(self) -> str:
        return "\n".join(self.lines())


def preprocess(recipe: Recipe) -> PreprocessReport:
    """Make the token store of the recipe's training corpus in `recipe.store_dir`, and the tokenizer first when it is missing or stale.

    Where corpus, tokenizer and settings are what they were, nothing is done.

    Raises:
        MtkitError: The corpus cannot be read, its files are of unequal length, or no pair is left; nothing is written then.
    """
    inputs = input_fingerprints(recipe)
    tokenizer = load_or_train(recipe, inputs)
    key = _key(recipe, inputs, tokenizer)
    manifest = _whole_manifest(recipe.store_dir, key)
    if manifest is not None:
        return _report(manifest, recipe.store_dir, fresh=True)
    refuse_foreign(recipe.store_dir)
    n_read = _count_pairs(recipe)
    pair_filter = PairFilter(recipe.preprocess)
    about = {
        "key": key,
        "n_read": n_read,
        "dropped": pair_filter.dropped,
        "inputs": inputs,
        "tokenizer_sha256": tokenizer.sha256,
        "settings": recipe.preprocess.model_dump(mode="json"),
    }
    with (
        atomic_dir(recipe.store_dir) as folder,
        StoreWriter(folder, tokenizer.src.vocab_size, tokenizer.tgt.vocab_size) as writer,
        progress("Preprocessing", n_read, "pairs") as bar,
    ):
        for chunk in _chunks(_all_pairs(recipe), CHUNK_SIZE):
            _append(writer, chunk, pair_filter, tokenizer)
            bar.advance(len(chunk))
        if writer.n_pairs == 0:
            raise _nothing_left(n_read, pair_filter.dropped)
        writer.finish(about)
    return _report(TokenStore.open(recipe.store_dir).manifest, recipe.store_dir, fresh=False)


def store_is_fresh(recipe: Recipe) -> bool:
    """Whether the store in `recipe.store_dir` is what `preprocess` would make of the corpus as it is now.

    Raises:
        MtkitError: The training corpus cannot be read.
    """
    inputs = input_fingerprints(recipe)
    tokenizer = fresh_tokenizer(recipe, inputs)
    return tokenizer is not None and _whole_manifest(recipe.store_dir, _key(recipe, inputs, tokenizer)) is not None


def _all_pairs(recipe: Recipe) -> Iterator[SentencePair]:
    for source in recipe.data.train:
        yield from read_pairs(source, recipe.data)


def _count_pairs(recipe: Recipe) -> int:
    """Read everything once before anything is written: files of unequal length and broken lines come out here."""
    return sum(1 for _ in _all_pairs(recipe))


def _chunks(pairs: Iterable[SentencePair], size: int) -> Iterator[list[SentencePair]]:
    iterator = iter(pairs)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _append(writer: StoreWriter, chunk: list[SentencePair], pair_filter: PairFilter, tokenizer: Tokenizer) -> None:
    kept = [pair for pair in chunk if pair_filter.keeps_text(pair.src, pair.tgt)]
    rows = zip(tokenizer.src.encode([pair.src for pair in kept]), tokenizer.tgt.encode([pair.tgt for pair in kept]), strict=True)
    rows = [(src_ids, tgt_ids) for src_ids, tgt_ids in rows if pair_filter.keeps_lengths(len(src_ids), len(tgt_ids))]
    writer.append([src_ids for src_ids, _ in rows], [tgt_ids for _, tgt_ids in rows])


def _key(recipe: Recipe, inputs: list[dict[str, str]], tokenizer: Tokenizer) -> str:
    settings = recipe.preprocess.model_dump(mode="json")
    return make_key([FORMAT_VERSION, [entry["sha256"] for entry in inputs], tokenizer.sha256, settings])


def _whole_manifest(folder: Path, key: str) -> dict[str, Any] | None:
    """The store's manifest, if it was made from the same things and is not damaged."""
    manifest = read_manifest(folder)
    if manifest is None or manifest.get("key") != key:
        return None
    try:
        return TokenStore.open(folder).manifest
    except MtkitError:
        return None


def _report(manifest: dict[str, Any], folder: Path, *, fresh: bool) -> PreprocessReport:
    n_tokens = manifest["n_tokens"]
    return PreprocessReport(manifest["n_read"], manifest["n_pairs"], manifest["dropped"], n_tokens["src"], n_tokens["tgt"], folder, fresh)


def _nothing_left(n_read: int, dropped: dict[str, int]) -> MtkitError:
    if n_read == 0:
        return MtkitError("the training corpus is empty", "check the files that data.train names")
    why = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items() if count)
    return MtkitError(f"all {n_read:,} training pairs were dropped: {why}", "check the corpus, or the recipe's preprocess section")
