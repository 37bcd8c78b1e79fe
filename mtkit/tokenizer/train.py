"""Train a SentencePiece model on a stream of sentences, in memory and without a word on the terminal."""

import io
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import sentencepiece

from mtkit.config.tokenizer import TokenizerConfig
from mtkit.errors import MtkitError
from mtkit.tokenizer.model_proto import set_normalization_name
from mtkit.tokenizer.nfc import nfc_rules_tsv
from mtkit.tokenizer.normalize import WORD_BOUNDARY, sanitize

T = TypeVar("T")

MAX_CHARS = 4000
"""Longer lines are trained on in parts: SentencePiece would leave them out, and its BPE trainer counts positions in 16 bits."""

_RESERVED_SYMBOLS = frozenset({"<pad>", "<unk>", "<s>", "</s>"})
# SentencePiece's trainer marks unknown characters and sentence ends with these two and leaves out lines that hold them.
_TRAINER_MARKS = str.maketrans({"\u2585": " ", "\t": " "})
_TOO_HIGH = re.compile(r"Vocabulary size too high.*?<= (\d+)")
_TOO_SMALL = re.compile(r"smaller than required_chars\. \d+ vs (\d+)")


class VocabularyTooLarge(MtkitError):
    """The text gives fewer pieces than tokenizer.vocab_size."""


def train_subword(
    sentences: Iterable[str], config: TokenizerConfig, *, is_limit: bool = True
) -> bytes:
    """Train one vocabulary.

    Of more than `config.max_sentences` lines that many are drawn, each equally likely, by `config.seed`. Equal input gives equal bytes. Pieces 0 to 3
    are PAD, UNK, BOS and EOS, but read them from the model.

    Args:
        sentences: Read once; blank ones do not count.
        config: Kind and size. With type char, the vocabulary is as large as the characters need and at most vocab_size.
        is_limit: Without, a unigram vocabulary is smaller where the text gives no more pieces.
    Returns:
        The model, for `Subword`.
    Raises:
        MtkitError: There is no text, its vocabulary cannot have that size (the hint says which it can), or a user symbol cannot be one.
    """
    check_user_symbols("tokenizer.user_symbols", config.user_symbols)
    texts = (sentence for sentence in sentences if sentence and not sentence.isspace())
    feed = _SentenceFeed(_split_long(reservoir_sample(texts, config.max_sentences, config.seed)))
    model = io.BytesIO()
    try:
        with _normalization_options(config.normalization) as normalization:
            sentencepiece.SentencePieceTrainer.Train(
                sentence_iterator=iter(feed),
                model_writer=model,
                model_type=config.type,
                vocab_size=config.vocab_size,
                character_coverage=config.character_coverage,
                byte_fallback=config.byte_fallback,
                **normalization,
                user_defined_symbols=list(config.user_symbols),
                max_sentence_length=MAX_CHARS * 4,
                hard_vocab_limit=is_limit,
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
    return set_normalization_name(model.getvalue(), config.normalization)


@contextmanager
def _normalization_options(name: str) -> Iterator[dict[str, Any]]:
    """SentencePiece's options for a normalisation, for as long as it trains."""
    if name != "nfc":
        yield {"normalization_rule_name": name}
        return
    with TemporaryDirectory(prefix="mtkit-") as folder:
        path = Path(folder) / "nfc.tsv"
        path.write_text(nfc_rules_tsv(), encoding="ascii")
        yield {"normalization_rule_tsv": str(path)}


def check_user_symbols(key: str, symbols: Sequence[str]) -> None:
    """See that each of these can be a piece that is never split.

    Args:
        key: Where the recipe names them.
        symbols: As the recipe names them.
    Raises:
        MtkitError: One is empty, holds a space, is the name of a special piece, or stands there twice.
    """
    for number, symbol in enumerate(symbols):
        if (
            not symbol
            or WORD_BOUNDARY in symbol
            or any(char.isspace() for char in symbol)
            or sanitize(symbol) != symbol
        ):
            raise MtkitError(
                f"{key}: {symbol!r} is empty or holds a space",
                "write it without, for example <2ko>",
            )
        if symbol in _RESERVED_SYMBOLS or re.fullmatch("<0x[0-9A-F]{2}>", symbol):
            raise MtkitError(
                f"{key}: {symbol!r} is the name of a special piece",
                "choose another, for example <2ko>",
            )
        if symbol in symbols[:number]:
            raise MtkitError(f"{key}: {symbol!r} is given twice", "name it once")


class _SentenceFeed:
    """Hands sentences to SentencePiece and keeps what went wrong, which it would turn into text."""

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


def reservoir_sample(items: Iterable[T], n_wanted: int, seed: int) -> list[T]:
    """A uniform draw in one pass and bounded memory (Vitter 1985, algorithm R). SentencePiece has one too, whose seed cannot be set.

    Args:
        items: As they come.
        n_wanted: How many; of fewer all are taken, in their order.
        seed: Equal seeds draw the same.
    """
    rng = random.Random(seed)
    drawn: list[T] = []
    for n_seen, item in enumerate(items, 1):
        if n_seen <= n_wanted:
            drawn.append(item)
        else:
            place = int(rng.random() * n_seen)
            if place < n_wanted:
                drawn[place] = item
    return drawn


def _split_long(sentences: Iterable[str]) -> Iterator[str]:
    """Sentences as SentencePiece's trainer takes them all: cleaned, at most MAX_CHARS long, cut at a space where there is one."""
    for sentence in sentences:
        rest = sanitize(sentence).translate(_TRAINER_MARKS)
        while len(rest) > MAX_CHARS:
            end = rest.rfind(" ", 1, MAX_CHARS)
            end = MAX_CHARS if end < 0 else end
            yield rest[:end]
            rest = rest[end:]
        yield rest


def _explain_error(message: str, n_read: int, config: TokenizerConfig) -> MtkitError:
    """SentencePiece's complaint as one about the recipe."""
    if n_read == 0 or "sentences_.empty()" in message or "all_chars_count" in message:
        return MtkitError(
            "the training corpus holds no text to make a tokenizer from",
            "check the files that data.train names",
        )
    if match := _TOO_HIGH.search(message):
        most = match.group(1)
        return VocabularyTooLarge(
            f"tokenizer.vocab_size ({config.vocab_size}) is more than the training corpus gives pieces for",
            f"set it to {most} or less: --set tokenizer.vocab_size={most}",
        )
    if match := _TOO_SMALL.search(message):
        n_fixed = match.group(1)
        return MtkitError(
            f"tokenizer.vocab_size ({config.vocab_size}) is too small: special pieces, bytes and single characters alone take {n_fixed}",
            f"set it to more than {n_fixed}, or tokenizer.character_coverage lower, for example 0.9995",
        )
    n_fixed = len(_RESERVED_SYMBOLS) + len(config.user_symbols) + 256 * config.byte_fallback
    if config.vocab_size <= n_fixed:
        return MtkitError(
            f"tokenizer.vocab_size ({config.vocab_size}) is too small: special pieces, user symbols and bytes alone take {n_fixed}",
            f"set it to more than {n_fixed}",
        )
    return MtkitError(
        f"SentencePiece could not train: {' '.join(message.split())}",
        "check the recipe's tokenizer section",
    )
