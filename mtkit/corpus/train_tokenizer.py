"""The tokenizer of a recipe: trained on its training corpus, or taken over from a model.

It is rebuilt when the corpus or the settings have changed.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtkit.config.recipe import Recipe
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.corpus.clean.drop_counts import DropCounts
from mtkit.corpus.clean.drop_limit import check_dropped
from mtkit.corpus.clean.pair_cleaner import PairCleaner
from mtkit.corpus.read.pairs import NumberedPairs, describe_source, source_fingerprint
from mtkit.corpus.tags import check_corpus_tags
from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_dir
from mtkit.io.build_manifest import content_hash, read_manifest, refuse_foreign, write_manifest
from mtkit.io.logs import get_logger
from mtkit.io.tokenizer_files import TOKENIZER_DIR_NAME
from mtkit.tokenizer.extend import extend_subword, with_shared_tokens
from mtkit.tokenizer.special_ids import CONTEXT_SEPARATOR
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import (
    VocabularyTooLarge,
    reservoir_sample,
    train_subword,
)

FORMAT_VERSION = 2

logger = get_logger(__name__)


def train_tokenizer(recipe: Recipe) -> Tokenizer:
    """Train the tokenizer of a recipe, or take over and extend that of a model.

    The result is kept in `recipe.tokenizer_dir`.

    Raises:
        MtkitError: The corpus cannot be read, its files have different lengths, too many of its
            pairs are dropped, it does not provide a vocabulary of the requested size, or the model
            to take the tokenizer from does not exist.
    """
    Recipe.require(recipe)
    return train_and_save(recipe, input_fingerprints(recipe))


def tokenizer_is_fresh(recipe: Recipe) -> bool:
    """Whether the tokenizer in `recipe.tokenizer_dir` is the one that `train_tokenizer` would make.

    Raises:
        MtkitError: The training corpus cannot be read.
    """
    return load_if_fresh(recipe, input_fingerprints(recipe)) is not None


def input_fingerprints(recipe: Recipe) -> list[dict[str, str]]:
    """Return name and hash of each training corpus.

    The files are hashed each time: an equal size and modification time do not prove that a file is
    unchanged.
    """
    return [
        {"name": describe_source(source), "sha256": source_fingerprint(source, recipe.data)}
        for source in recipe.data.train
    ]


def train_and_save(recipe: Recipe, inputs: list[dict[str, str]]) -> Tokenizer:
    """Train the tokenizer of a recipe, and save it in `recipe.tokenizer_dir`.

    Args:
        recipe: The recipe.
        inputs: Result of `input_fingerprints`.
    Raises:
        MtkitError: See `train_tokenizer`.
    """
    refuse_foreign(recipe.tokenizer_dir)
    config = _settings(recipe)
    logger.info("training the tokenizer in %s", recipe.tokenizer_dir)
    source = (
        None if config.init_from is None else _load_source(config.init_from, recipe.tokenizer_dir)
    )
    tokenizer = make_tokenizer(recipe, source)
    with atomic_dir(recipe.tokenizer_dir) as directory:
        tokenizer.save(directory)
        write_manifest(directory, _manifest(recipe, inputs, tokenizer, source))
    if source is not None:
        n_new = f"{tokenizer.src.vocab_size - source.src.vocab_size:,}"
        if not tokenizer.joint:
            n_new += f" and {tokenizer.tgt.vocab_size - source.tgt.vocab_size:,}"
        logger.info("%s tokens are new, the others are those of %s", n_new, config.init_from)
    return tokenizer


def make_tokenizer(recipe: Recipe, source: Tokenizer | None) -> Tokenizer:
    """Train a tokenizer on the corpus of a recipe, or extend another one; nothing is written.

    Args:
        recipe: Gives the corpus, its cleaning and the settings of the tokenizer.
        source: Tokenizer to extend, which keeps its ids.
    Raises:
        MtkitError: See `train_tokenizer`.
    """
    config = _settings(recipe)
    joint = config.joint if source is None else source.joint
    has_one_model = joint and (source is None or source.has_one_model)
    sides = ("src", "tgt") if has_one_model else ("src",)
    src = _train_side(recipe, sides, config, source and source.src)
    tgt = src if has_one_model else _train_side(recipe, ("tgt",), config, source and source.tgt)
    tokenizer = Tokenizer(src, tgt)
    return with_shared_tokens(tokenizer) if joint and not has_one_model else tokenizer


def _load_source(directory: Path, tokenizer_dir: Path) -> Tokenizer:
    if os.path.realpath(tokenizer_dir) in map(
        os.path.realpath, (directory, directory / TOKENIZER_DIR_NAME)
    ):
        raise MtkitError(
            f"`{directory}`: tokenizer.init_from is the directory of this recipe's own tokenizer",
            "set data.work_dir to a new directory",
        )
    return Tokenizer.load(directory)


def _train_side(
    recipe: Recipe, sides: tuple[str, ...], config: TokenizerConfig, source: Subword | None
) -> Subword:
    texts = _TrainingTexts(recipe, sides)
    try:
        return Subword(
            train_subword(texts, config)
            if source is None
            else extend_subword(source, texts, config)
        )
    except VocabularyTooLarge as exc:
        raise MtkitError(
            f"{exc.message}: {texts.n_kept:,} of {texts.n_drawn:,} pairs are left after cleaning",
            exc.hint,
        ) from None


def _settings(recipe: Recipe) -> TokenizerConfig:
    """Return the recipe's tokenizer section with all user symbols.

    These are also the tags of its corpora, the symbols that augmentation writes, and the separator
    of context.
    """
    check_corpus_tags(recipe.data)
    symbols, augment = recipe.tokenizer.user_symbols, recipe.augment
    # A symbol that is repeated in the recipe is an error, which is found later.
    separator = [CONTEXT_SEPARATOR] if recipe.data.context else []
    more = dict.fromkeys([*recipe.data.tags, *augment.masks, *augment.term_symbols, *separator])
    added = (symbol for symbol in more if symbol not in symbols)
    return recipe.tokenizer.model_copy(update={"user_symbols": (*symbols, *added)})


class _TrainingTexts:
    """Texts to train a tokenizer on: pairs drawn from all corpora, cleaned as in preprocessing."""

    def __init__(self, recipe: Recipe, sides: tuple[str, ...]) -> None:
        self.recipe, self.sides = recipe, sides
        self.n_drawn = self.n_kept = 0

    def __iter__(self) -> Iterator[str]:
        recipe, config = self.recipe, self.recipe.tokenizer
        cleaner = PairCleaner(recipe.clean, recipe.data.src_lang, recipe.data.tgt_lang)
        cleaners = [cleaner.for_source(source) for source in recipe.data.train]
        all_pairs = NumberedPairs(recipe.data, "Reading for the tokenizer")
        n_pairs = -(-config.max_sentences // len(self.sides))
        drawn = reservoir_sample(all_pairs, n_pairs, config.seed)
        n_drawn = Counter(corpus for corpus, _ in drawn)
        dropped = [DropCounts() for _ in cleaners]
        for corpus, (src, tgt) in drawn:
            cleaned = cleaners[corpus].clean(src, tgt)
            if cleaned.reason is None:
                yield from (getattr(cleaned, side) for side in self.sides)
            else:
                dropped[corpus].add(cleaned.reason, None, src, tgt)
        self.n_drawn = len(drawn)
        self.n_kept = len(drawn) - sum(counts.counts.total() for counts in dropped)
        # Checked before the training of a tokenizer on the remaining text, which could fail.
        for corpus, source in enumerate(recipe.data.train):
            is_sample = n_drawn[corpus] < all_pairs.n_read[corpus]
            check_dropped(recipe, source, n_drawn[corpus], dropped[corpus], is_sample=is_sample)


def load_if_fresh(recipe: Recipe, inputs: list[dict[str, str]]) -> Tokenizer | None:
    """Load `recipe.tokenizer_dir` if it is complete and matches corpus and settings.

    A damaged tokenizer is reported by a warning.
    """
    directory = recipe.tokenizer_dir
    manifest = read_manifest(directory)
    if manifest is None or manifest.get("key") != _key(
        recipe, inputs, _source_sha256(recipe, manifest)
    ):
        return None
    try:
        tokenizer = Tokenizer.load(directory)
    except MtkitError as exc:
        logger.warning("%s", exc.message)
        return None
    if tokenizer.sha256 != manifest.get("sha256"):
        logger.warning("`%s`: is not the tokenizer that was trained there", directory)
        return None
    is_of_kind = tokenizer.joint == recipe.tokenizer.joint or recipe.tokenizer.init_from is not None
    return tokenizer if is_of_kind else None


def _key(recipe: Recipe, inputs: list[dict[str, str]], source_sha256: str | None) -> str:
    languages = [recipe.data.languages_of(source) for source in recipe.data.train]
    settings = _settings(recipe).model_dump(mode="json", exclude={"init_from", "extend"})
    if source_sha256 is not None:
        settings |= {"extend": recipe.tokenizer.extend, "source": source_sha256}
    return content_hash(
        [
            FORMAT_VERSION,
            [entry["sha256"] for entry in inputs],
            settings,
            _clean_settings(recipe),
            languages,
        ]
    )


def _source_sha256(recipe: Recipe, manifest: dict[str, Any]) -> str | None:
    """Hash the tokenizer to start from; after it was taken over, its directory may be missing."""
    directory = recipe.tokenizer.init_from
    if directory is None:
        return None
    return Tokenizer.load(directory).sha256 if directory.exists() else manifest.get("source_sha256")


def _clean_settings(recipe: Recipe) -> dict[str, Any]:
    """Return the cleaning rules that decide which text the tokenizer sees."""
    return recipe.clean.model_dump(mode="json", exclude={"duplicates", "test_overlap"})


def _manifest(
    recipe: Recipe, inputs: list[dict[str, str]], tokenizer: Tokenizer, source: Tokenizer | None
) -> dict[str, Any]:
    source_sha256 = None if source is None else source.sha256
    return {
        "format_version": FORMAT_VERSION,
        "key": _key(recipe, inputs, source_sha256),
        "sha256": tokenizer.sha256,
        "source_sha256": source_sha256,
        "vocab_sizes": {"src": tokenizer.src.vocab_size, "tgt": tokenizer.tgt.vocab_size},
        "inputs": inputs,
        "settings": _settings(recipe).model_dump(mode="json"),
        "clean": _clean_settings(recipe),
    }
