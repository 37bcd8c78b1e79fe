"""From text to token store: read, clean, tokenize, store, and report what was dropped and why."""

from pathlib import Path
from typing import Any

from mtkit.config.recipe import Recipe
from mtkit.corpus.read.change_guard import corpus_snapshot
from mtkit.corpus.read.pairs import source_fingerprint
from mtkit.corpus.store.first_pass import read_once
from mtkit.corpus.store.preprocess_report import PreprocessReport, ShardReport
from mtkit.corpus.store.shards import PART_SIZE, Shard
from mtkit.corpus.store.store_builder import StoreBuilder, check_drop_limits, preprocess_settings
from mtkit.corpus.store.token_store import FORMAT_VERSION, TokenStore
from mtkit.corpus.train_tokenizer import input_fingerprints, load_if_fresh, train_and_save
from mtkit.errors import MtkitError
from mtkit.io.arguments import require_workers
from mtkit.io.build_manifest import MANIFEST_NAME, content_hash, read_manifest, refuse_foreign
from mtkit.io.logs import get_logger
from mtkit.io.spool import spool_if_stream
from mtkit.io.text import sha256_file
from mtkit.tokenizer.subword import Tokenizer

logger = get_logger(__name__)


def preprocess(recipe: Recipe, *, n_workers: int | None = None) -> PreprocessReport:
    """Build the token store of a recipe in `recipe.store_dir`, and its tokenizer if needed.

    Nothing is done if corpus, tokenizer and settings have not changed. Work that an interrupted run
    or `preprocess_shard` has completed is not repeated. Memory does not grow with the corpus.

    Args:
        recipe: The recipe.
        n_workers: Number of processes; by default one per core, or none for a small corpus. The
            store does not depend on it.
    Raises:
        MtkitError: The corpus cannot be read or changes while it is read, its files have different
            lengths, its sides are shifted, or too many pairs are dropped. No store is written then.
    """
    Recipe.require(recipe)
    require_workers(n_workers)
    snapshot = corpus_snapshot(recipe.data.train)
    inputs = input_fingerprints(recipe)
    tokenizer, n_pairs = load_if_fresh(recipe, inputs), None
    if tokenizer is None:
        n_pairs = read_once(recipe)
        tokenizer = train_and_save(recipe, inputs)
    key = _key(recipe, inputs, tokenizer)
    manifest = _fresh_manifest(recipe.store_dir, key)
    if manifest is not None:
        check_drop_limits(recipe, manifest["corpora"])
        return _report(recipe, manifest, fresh=True)
    refuse_foreign(recipe.store_dir)
    n_pairs = read_once(recipe) if n_pairs is None else n_pairs
    builder = StoreBuilder(recipe, tokenizer, key, snapshot)
    builder.remove_stale_parts()
    part_ids, _ = builder.make_parts(None, n_workers, n_pairs)
    builder.merge(part_ids, {"key": key, "inputs": inputs, "tokenizer_sha256": tokenizer.sha256})
    manifest = TokenStore.open(recipe.store_dir, check_hashes=False).manifest
    return _report(recipe, manifest, fresh=False)


def _report(recipe: Recipe, manifest: dict[str, Any], *, fresh: bool) -> PreprocessReport:
    report = PreprocessReport.from_manifest(manifest, recipe.store_dir, fresh=fresh)
    if report.n_following == 0:
        logger.warning(
            "data.context is %d, but no pair follows another one in a document: all pairs are "
            "trained without context",
            recipe.data.context,
        )
    return report


def preprocess_shard(
    recipe: Recipe, shard: tuple[int, int], *, n_workers: int | None = None
) -> ShardReport:
    """Encode one shard of the training corpus; `preprocess` merges all shards to the same store.

    Shards may run at the same time, on machines that share `data.work_dir`.

    Args:
        recipe: The same recipe for all shards.
        shard: Number of the shard, from 1, and number of shards.
        n_workers: Number of processes, as in `preprocess`.
    Raises:
        MtkitError: As in `preprocess`; also if the tokenizer is missing or out of date, since each
            shard would train its own.
        ValueError: There is no such shard.
    """
    Recipe.require(recipe)
    require_workers(n_workers)
    checked_shard = Shard.checked(shard)
    snapshot = corpus_snapshot(recipe.data.train)
    inputs = input_fingerprints(recipe)
    tokenizer = load_if_fresh(recipe, inputs)
    if tokenizer is None:
        raise MtkitError(
            f"`{recipe.tokenizer_dir}`: no tokenizer for this corpus and these settings",
            "train it once with `mtkit tokenizer train`, then start the shards",
        )
    builder = StoreBuilder(recipe, tokenizer, _key(recipe, inputs, tokenizer), snapshot)
    part_ids, n_made = builder.make_parts(checked_shard, n_workers, read_once(recipe))
    return ShardReport(checked_shard, len(part_ids), n_made)


def store_is_fresh(recipe: Recipe) -> bool:
    """Whether the store in `recipe.store_dir` is the one that `preprocess` would build now.

    Raises:
        MtkitError: The training corpus cannot be read.
    """
    inputs = input_fingerprints(recipe)
    tokenizer = load_if_fresh(recipe, inputs)
    return (
        tokenizer is not None
        and _fresh_manifest(recipe.store_dir, _key(recipe, inputs, tokenizer)) is not None
    )


def _key(recipe: Recipe, inputs: list[dict[str, str]], tokenizer: Tokenizer) -> str:
    """Hash everything that determines the content of the store."""
    settings = [preprocess_settings(recipe), recipe.clean.model_dump(mode="json")]
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
        source.alignment and sha256_file(spool_if_stream(source.alignment, "the alignment"))
        for source in recipe.data.train
    ]
    tgt_tags = [source.tgt_tags for source in recipe.data.train]
    documents = [(source.documents, source.document_column) for source in recipe.data.train]
    # Stores of recipes without these stay up to date.
    parts += [extra for extra in (alignments, tgt_tags) if any(extra)]
    parts += [["documents", *documents]] if recipe.data.context else []
    return content_hash(parts)


def _fresh_manifest(directory: Path, key: str) -> dict[str, Any] | None:
    """Return the manifest of a store with this key and undamaged files; warn of a damaged store."""
    manifest = read_manifest(directory)
    is_stale = not (directory / MANIFEST_NAME).exists() or (
        manifest is not None and manifest.get("key") != key
    )
    if is_stale:
        return None
    try:
        return TokenStore.open(directory).manifest
    except MtkitError as exc:
        logger.warning("%s; the store is built again", exc.message)
        return None
