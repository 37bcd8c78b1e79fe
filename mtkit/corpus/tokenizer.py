"""The tokenizer of a recipe: trained on its training corpus, and trained again when that or the settings changed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtkit.config.data import DataConfig, corpus_name
from mtkit.config.recipe import Recipe
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.corpus.cleaning import PairCleaner
from mtkit.corpus.manifest import make_key, read_manifest, refuse_foreign, write_manifest
from mtkit.corpus.pairs import SentencePair, describe_source, read_pairs, source_fingerprint
from mtkit.errors import MtkitError
from mtkit.files import atomic_dir
from mtkit.logs import get_logger
from mtkit.progress import ProgressBar, progress
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import check_symbols, draw, train_subword

FORMAT_VERSION = 2

logger = get_logger(__name__)


def train_tokenizer(recipe: Recipe) -> Tokenizer:
    """Train the tokenizer on the recipe's training corpus and keep it in `recipe.tokenizer_dir`.

    Raises:
        MtkitError: The corpus cannot be read, its files are of unequal length, or it gives no vocabulary of the wanted size.
    """
    return _train(recipe, input_fingerprints(recipe))


def tokenizer_is_fresh(recipe: Recipe) -> bool:
    """Whether the tokenizer in `recipe.tokenizer_dir` is what `train_tokenizer` would make.

    Raises:
        MtkitError: The training corpus cannot be read.
    """
    return fresh_tokenizer(recipe, input_fingerprints(recipe)) is not None


def load_or_train(recipe: Recipe, inputs: list[dict[str, str]]) -> Tokenizer:
    """The recipe's tokenizer, trained when it is missing or stale.

    Args:
        recipe: Says where it is kept.
        inputs: What `input_fingerprints` says of the training corpus.
    """
    return fresh_tokenizer(recipe, inputs) or _train(recipe, inputs)


def input_fingerprints(recipe: Recipe) -> list[dict[str, str]]:
    """Name and hash of each training corpus. The files are hashed each time: size and time of change do not prove that they are the same."""
    return [{"name": describe_source(source), "sha256": source_fingerprint(source, recipe.data)} for source in recipe.data.train]


def _train(recipe: Recipe, inputs: list[dict[str, str]]) -> Tokenizer:
    refuse_foreign(recipe.tokenizer_dir)
    config = _settings(recipe)
    if config.joint:
        joint = Subword(train_subword(_sentences(recipe, ("src", "tgt")), config))
        tokenizer = Tokenizer(joint, joint)
    else:
        src, tgt = (Subword(train_subword(_sentences(recipe, (side,)), config)) for side in ("src", "tgt"))
        tokenizer = Tokenizer(src, tgt)
    with atomic_dir(recipe.tokenizer_dir) as folder:
        tokenizer.save(folder)
        write_manifest(folder, _manifest(recipe, inputs, tokenizer))
    sizes = f"{tokenizer.src.vocab_size:,}" if tokenizer.joint else f"{tokenizer.src.vocab_size:,} and {tokenizer.tgt.vocab_size:,}"
    logger.info("tokenizer of %s pieces in %s", sizes, recipe.tokenizer_dir)
    return tokenizer


def _settings(recipe: Recipe) -> TokenizerConfig:
    """The recipe's tokenizer section, with the tags of its corpora among the symbols that are never split."""
    _check_tags(recipe.data)
    symbols = recipe.tokenizer.user_symbols
    return recipe.tokenizer.model_copy(update={"user_symbols": (*symbols, *(tag for tag in recipe.data.tags if tag not in symbols))})


def _check_tags(data: DataConfig) -> None:
    trained = {tag for source in data.train for tag in source.tags}
    for source in (*data.train, *data.validation):
        key = f"tags of {corpus_name(source)}"
        check_symbols(key, source.tags)
        for tag in source.tags:
            if tag.isalnum():
                raise MtkitError(f"{key}: {tag!r} is a word, and would be cut out of every text", f"mark it, for example <{tag}>")
            if tag not in trained:
                raise MtkitError(f"{key}: {tag!r} is in no corpus of data.train, so that no model learns it", "leave it out, or train with it")


def _sentences(recipe: Recipe, sides: tuple[str, ...]) -> Iterator[str]:
    """What to learn pieces from: pairs drawn from all corpora, cleaned as `preprocess` will clean them."""
    config = recipe.tokenizer
    cleaner = PairCleaner(recipe.clean, recipe.data.src_lang, recipe.data.tgt_lang)
    cleaners = [cleaner.for_source(source) for source in recipe.data.train]
    with progress("Reading for the tokenizer", unit="pairs") as bar:
        drawn = draw(_counted_pairs(recipe, bar), -(-config.max_sentences // len(sides)), config.seed)
    for corpus, (src, tgt) in drawn:
        cleaned = cleaners[corpus].clean(src, tgt)
        if cleaned.reason is None:
            yield from (getattr(cleaned, side) for side in sides)


def _counted_pairs(recipe: Recipe, bar: ProgressBar) -> Iterator[tuple[int, SentencePair]]:
    for corpus, source in enumerate(recipe.data.train):
        for pair in read_pairs(source, recipe.data):
            bar.advance()
            yield corpus, pair


def fresh_tokenizer(recipe: Recipe, inputs: list[dict[str, str]]) -> Tokenizer | None:
    """The tokenizer in `recipe.tokenizer_dir`, if it was made from this corpus with these settings and is whole."""
    folder: Path = recipe.tokenizer_dir
    manifest = read_manifest(folder)
    if manifest is None or manifest.get("key") != _key(recipe, inputs):
        return None
    try:
        tokenizer = Tokenizer.load(folder)
    except MtkitError:
        return None
    return tokenizer if tokenizer.sha256 == manifest.get("sha256") and tokenizer.joint == recipe.tokenizer.joint else None


def _key(recipe: Recipe, inputs: list[dict[str, str]]) -> str:
    languages = [(source.src_lang or recipe.data.src_lang, source.tgt_lang or recipe.data.tgt_lang) for source in recipe.data.train]
    return make_key([FORMAT_VERSION, [entry["sha256"] for entry in inputs], _settings(recipe).model_dump(mode="json"), _clean(recipe), languages])


def _clean(recipe: Recipe) -> dict[str, Any]:
    """The rules of cleaning that decide which text the tokenizer sees."""
    return recipe.clean.model_dump(mode="json", exclude={"duplicates", "test_overlap"})


def _manifest(recipe: Recipe, inputs: list[dict[str, str]], tokenizer: Tokenizer) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "key": _key(recipe, inputs),
        "sha256": tokenizer.sha256,
        "vocab_sizes": {"src": tokenizer.src.vocab_size, "tgt": tokenizer.tgt.vocab_size},
        "inputs": inputs,
        "settings": _settings(recipe).model_dump(mode="json"),
        "clean": _clean(recipe),
    }
