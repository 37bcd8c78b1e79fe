"""Train a SentencePiece model on a stream of sentences, in memory and without terminal output."""

import io
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import sentencepiece

from mtkit.config.tokenizer import TokenizerConfig
from mtkit.errors import MtkitError
from mtkit.tokenizer.model_proto import set_normalization
from mtkit.tokenizer.nfc import nfc_rules
from mtkit.tokenizer.normalization_rules import rules_tsv
from mtkit.tokenizer.normalize import WORD_BOUNDARY, sanitize

T = TypeVar("T")

MAX_CHARS = 4000
"""Longer lines are split for training: SentencePiece would skip them, and its BPE trainer stores
positions in 16 bits."""

_RESERVED_SYMBOLS = frozenset({"<pad>", "<unk>", "<s>", "</s>"})
# SentencePiece's trainer marks unknown characters and sentence ends with these two and skips lines
# that contain them.
_TRAINER_MARKS = str.maketrans({"\u2585": " ", "\t": " "})
_TOO_HIGH = re.compile(r"Vocabulary size too high.*?<= (\d+)")
_TOO_SMALL = re.compile(r"smaller than required_chars\. \d+ vs (\d+)")


class VocabularyTooLarge(MtkitError):
    """The text provides fewer tokens than tokenizer.vocab_size."""


def train_subword(sentences: Iterable[str], config: TokenizerConfig) -> bytes:
    """Train a vocabulary.

    Equal input results in equal bytes. Ids 0 to 3 are PAD, UNK, BOS and EOS, but read them from the
    model.

    Args:
        sentences: Read once; blank ones are skipped. If there are more than
            `config.max_sentences`, a uniform sample is drawn with `config.seed`.
        config: Kind and size of the model. With type char, the vocabulary has one token per
            character and at most vocab_size tokens.
    Returns:
        The model, for `Subword`.
    Raises:
        MtkitError: There is no text, its vocabulary cannot have that size (the hint says which size
            it can have), or a user symbol is invalid.
    """
    check_user_symbols("tokenizer.user_symbols", config.user_symbols)
    return train_model(draw_sentences(sentences, config), config)


def draw_sentences(sentences: Iterable[str], config: TokenizerConfig) -> list[str]:
    """Draw `max_sentences` of the sentences that are not blank."""
    texts = (sentence for sentence in sentences if sentence and not sentence.isspace())
    return reservoir_sample(texts, config.max_sentences, config.seed)


def train_model(
    texts: Iterable[str], config: TokenizerConfig, *, vocab_size_is_limit: bool = False
) -> bytes:
    """Train a vocabulary on all of some texts; see `train_subword`.

    Args:
        texts: Not blank.
        config: Kind and size of the model.
        vocab_size_is_limit: Whether a unigram vocabulary may be smaller than vocab_size if the text
            has fewer tokens; otherwise, that is an error.
    """
    feed = _SentenceFeed(_split_long(texts))
    model = io.BytesIO()
    try:
        with _normalization_options(config.normalization) as normalization_options:
            sentencepiece.SentencePieceTrainer.Train(
                sentence_iterator=iter(feed),
                model_writer=model,
                model_type=config.type,
                vocab_size=config.vocab_size,
                character_coverage=config.character_coverage,
                byte_fallback=config.byte_fallback,
                **normalization_options,
                user_defined_symbols=list(config.user_symbols),
                max_sentence_length=MAX_CHARS * 4,
                hard_vocab_limit=not vocab_size_is_limit,
                pad_id=0,
                unk_id=1,
                bos_id=2,
                eos_id=3,
                minloglevel=3,
            )
    except RuntimeError as exc:
        if feed.error is not None:
            raise feed.error from None
        raise _explain_error(str(exc), feed.n_read, config) from None
    return set_normalization(model.getvalue(), config.normalization)


@contextmanager
def _normalization_options(name: str) -> Iterator[dict[str, Any]]:
    """Provide SentencePiece's options for a normalization; the file they name is temporary."""
    if name != "nfc":
        yield {"normalization_rule_name": name}
        return
    with TemporaryDirectory(prefix="mtkit-") as temp_dir:
        path = Path(temp_dir) / "nfc.tsv"
        path.write_text(_nfc_tsv(), encoding="ascii")
        yield {"normalization_rule_tsv": str(path)}


@cache
def _nfc_tsv() -> str:
    return rules_tsv(nfc_rules())


def check_user_symbols(key: str, symbols: Sequence[str]) -> None:
    """Check that each symbol can be a token that is never split.

    Args:
        key: Where the recipe lists them.
        symbols: As the recipe lists them.
    Raises:
        MtkitError: A symbol is empty, contains a space, is the name of a special token, or is
            listed twice.
    """
    for number, symbol in enumerate(symbols):
        if (
            not symbol
            or WORD_BOUNDARY in symbol
            or any(char.isspace() for char in symbol)
            or sanitize(symbol) != symbol
        ):
            raise MtkitError(
                f"{key}: {symbol!r} is empty or contains a space",
                "write it without spaces, for example <2ko>",
            )
        if symbol in _RESERVED_SYMBOLS or re.fullmatch("<0x[0-9A-F]{2}>", symbol):
            raise MtkitError(
                f"{key}: {symbol!r} is the name of a special token",
                "choose another, for example <2ko>",
            )
        if symbol in symbols[:number]:
            raise MtkitError(f"{key}: {symbol!r} is listed twice", "list it once")


class _SentenceFeed:
    """Passes sentences to SentencePiece and keeps an exception, which it would turn into text."""

    def __init__(self, sentences: Iterator[str]) -> None:
        self.sentences = sentences
        self.n_read = 0
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[str]:
        try:
            for sentence in self.sentences:
                self.n_read += 1
                yield sentence
        except BaseException as exc:
            self.error = exc
            raise


def reservoir_sample(items: Iterable[T], size: int, seed: int) -> list[T]:
    """Draw a uniform sample in one pass and bounded memory (Vitter 1985, algorithm R).

    SentencePiece can sample too, but its seed cannot be set.

    Args:
        items: What to draw from.
        size: Number of items to draw; if there are fewer, all are returned in order.
        seed: Equal seeds draw the same items.
    """
    rng = random.Random(seed)
    sample: list[T] = []
    for n_seen, item in enumerate(items, 1):
        if n_seen <= size:
            sample.append(item)
        else:
            index = int(rng.random() * n_seen)
            if index < size:
                sample[index] = item
    return sample


def _split_long(sentences: Iterable[str]) -> Iterator[str]:
    """Sanitize sentences and split them, at spaces if possible, into at most MAX_CHARS characters.

    SentencePiece's trainer skips none of the results.
    """
    for sentence in sentences:
        rest = sanitize(sentence).translate(_TRAINER_MARKS)
        while len(rest) > MAX_CHARS:
            end = rest.rfind(" ", 1, MAX_CHARS)
            end = MAX_CHARS if end < 0 else end
            yield rest[:end]
            rest = rest[end:]
        yield rest


def _explain_error(message: str, n_read: int, config: TokenizerConfig) -> MtkitError:
    """Turn an error of SentencePiece's trainer into one about the recipe.

    Args:
        message: SentencePiece's message.
        n_read: Number of sentences that it has read.
        config: Settings of the model.
    """
    vocab_size = config.vocab_size
    if n_read == 0 or "sentences_.empty()" in message or "all_chars_count" in message:
        return MtkitError(
            "the training corpus contains no text to train a tokenizer on",
            "check the files in data.train",
        )
    if match := _TOO_HIGH.search(message):
        largest = match.group(1)
        return VocabularyTooLarge(
            f"tokenizer.vocab_size ({vocab_size}) is too large for the training corpus",
            f"set it to at most {largest}: --set tokenizer.vocab_size={largest}",
        )
    if match := _TOO_SMALL.search(message):
        n_required = match.group(1)
        return MtkitError(
            f"tokenizer.vocab_size ({vocab_size}) is too small: special tokens, bytes and single "
            f"characters alone take {n_required}",
            f"set it to more than {n_required}, or lower tokenizer.character_coverage, for example "
            "to 0.9995",
        )
    n_fixed = len(_RESERVED_SYMBOLS) + len(config.user_symbols) + 256 * config.byte_fallback
    if vocab_size <= n_fixed:
        return MtkitError(
            f"tokenizer.vocab_size ({vocab_size}) is too small: special tokens, user symbols and "
            f"bytes alone take {n_fixed}",
            f"set it to more than {n_fixed}",
        )
    return MtkitError(
        f"SentencePiece training failed: {' '.join(message.split())}",
        "check the recipe's tokenizer section",
    )
