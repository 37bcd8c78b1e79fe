"""Text to token ids and back with a SentencePiece model, and tokenizers on disk."""

import hashlib
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, Self

from sentencepiece import SentencePieceProcessor

from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_write, os_error_reason
from mtkit.io.tokenizer_files import (
    JOINT_NAME,
    SRC_NAME,
    TGT_NAME,
    find_model_files,
    have_same_tokens,
    read_segmentation,
    read_user_symbols,
)
from mtkit.tokenizer.normalize import WORD_BOUNDARY, sanitize, sanitize_all, to_one_line
from mtkit.tokenizer.special_ids import SpecialIds
from mtkit.workers.cpu_info import n_cores

MAX_MODEL_BYTES = 32 << 20
"""The largest known models, with 256,000 tokens, have 5 MB; loading takes memory in proportion."""

_MIN_TEXTS_PER_THREAD = 32

EntryKind = Literal["text", "byte", "symbol", "special", "unused"]


class VocabEntry(NamedTuple):
    """One entry of a vocabulary."""

    text: str
    """The token, with WORD_BOUNDARY for a space."""
    score: float
    """Unigram: log-probability. BPE: the higher, the earlier the merge."""
    kind: EntryKind
    """text; byte: one byte of a character without a token; symbol: never split; special: not text;
    unused: text, but a token of the other side that no text of this side is split into."""


class Subword:
    """One vocabulary: a trained SentencePiece model.

    Args:
        model_bytes: The model, as SentencePiece writes it.
        name: Name of the model in errors, usually its path.
    Raises:
        MtkitError: It is not a SentencePiece model, or lacks one of the four special tokens.
    """

    def __init__(self, model_bytes: bytes, name: str = "tokenizer") -> None:
        if len(model_bytes) > MAX_MODEL_BYTES:
            raise _too_large_error(name, len(model_bytes))
        self.model_bytes = model_bytes
        self._name = name
        self._processor = SentencePieceProcessor()
        try:
            # Empty bytes load as a model without entries, which fails only in use.
            if not model_bytes:
                raise RuntimeError
            self._processor.LoadFromSerializedProto(model_bytes)
            # A damaged entry that is not UTF-8 would fail only in use.
            self._processor.IdToPiece(list(range(self._processor.GetPieceSize())))
        except (RuntimeError, UnicodeDecodeError):
            raise MtkitError(
                f"`{name}`: not a SentencePiece model",
                "train it again with `mtkit tokenizer train`",
            ) from None
        special = self._processor
        self.special = SpecialIds(
            pad=special.pad_id(), unk=special.unk_id(), bos=special.bos_id(), eos=special.eos_id()
        )
        missing = [field for field, value in self.special._asdict().items() if value < 0]
        if missing:
            raise MtkitError(
                f"`{name}`: has no token for {', '.join(missing)}",
                "train it again with `mtkit tokenizer train`",
            )
        self.vocab_size: int = self._processor.GetPieceSize()
        self._control_ids = frozenset((self.special.pad, self.special.bos, self.special.eos))

    def __reduce__(self) -> tuple[type[Self], tuple[bytes, str]]:
        """Pickle as the model's bytes."""
        return type(self), (self.model_bytes, self._name)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a model file.

        Raises:
            MtkitError: It cannot be read, or is not a SentencePiece model.
        """
        try:
            status = Path(path).stat()
            if stat.S_ISREG(status.st_mode) and status.st_size > MAX_MODEL_BYTES:
                raise _too_large_error(str(path), status.st_size)
            if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
                raise MtkitError(f"`{path}`: not a file", "check the path")
            model_bytes = Path(path).read_bytes()
        except OSError as exc:
            raise MtkitError(
                f"`{path}`: cannot be read: {os_error_reason(exc)}", "check the path"
            ) from None
        return cls(model_bytes, str(path))

    def encode(self, texts: Sequence[str], n_threads: int | None = None) -> list[list[int]]:
        """Encode texts as ids, without BOS and EOS; a blank text becomes an empty list.

        Args:
            texts: One segment each.
            n_threads: Number of threads; by default one per core.
        """
        n_threads = _n_threads(texts, n_threads)
        if n_threads == 1:
            # For a list, SentencePiece starts a thread pool first, which takes longer than a short
            # text.
            return [self._processor.Encode(text, out_type=int) for text in sanitize_all(texts)]
        return self._processor.Encode(sanitize_all(texts), out_type=int, num_threads=n_threads)

    def encode_as_tokens(self, texts: Sequence[str]) -> list[list[str]]:
        """Encode texts as tokens instead of ids; see `encode`."""
        n_threads = _n_threads(texts, None)
        return self._processor.Encode(sanitize_all(texts), out_type=str, num_threads=n_threads)

    def token_spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return the span of each token that `encode` returns, in characters of its text.

        A span includes the space before a token. Of the tokens that spell one character, only the
        last covers it; the others have an empty span before it.
        """
        spans_of_texts = []
        for text in texts:
            _, spans = read_segmentation(
                self._processor.Encode(sanitize(text), out_type="serialized_proto")
            )
            if "\0" in text:
                # `sanitize` removes NUL; all other characters keep their positions.
                positions = [*(i for i, char in enumerate(text) if char != "\0"), len(text)]
                spans = [(positions[begin], positions[end]) for begin, end in spans]
            spans_of_texts.append(spans)
        return spans_of_texts

    def decode_with_spans(self, ids: Sequence[int]) -> tuple[str, list[tuple[int, int]]]:
        """Decode ids, and return the text and the span of each id in it; see `token_spans`.

        Line breaks in the text are not replaced.
        """
        text_ids = [int(token_id) for token_id in ids if token_id not in self._control_ids]
        text, spans = read_segmentation(
            self._processor.Decode(text_ids, out_type="serialized_proto")
        )
        next_span = iter(spans)
        position = 0
        all_spans = []
        for token_id in ids:
            begin, position = (
                (position, position) if token_id in self._control_ids else next(next_span)
            )
            all_spans.append((begin, position))
        return text, all_spans

    def decode(self, ids: Sequence[Sequence[int]], n_threads: int | None = None) -> list[str]:
        """Decode ids as texts of one line each.

        PAD, BOS and EOS are skipped. UNK is decoded as U+2047, and bytes that are not valid UTF-8
        as U+FFFD.

        Raises:
            IndexError: An id is not in the vocabulary.
        """
        control_ids = self._control_ids
        text_ids = [
            [int(token_id) for token_id in row if token_id not in control_ids] for row in ids
        ]
        n_threads = _n_threads(text_ids, n_threads)
        if n_threads == 1:
            return [to_one_line(self._processor.Decode(row)) if row else "" for row in text_ids]
        return [
            to_one_line(text) for text in self._processor.Decode(text_ids, num_threads=n_threads)
        ]

    def decode_tokens(self, tokens: Sequence[str]) -> str:
        """Join tokens, as `encode_as_tokens` returns them, to a text of one line.

        A token that is not in the vocabulary is treated as text.
        """
        return to_one_line(self._processor.DecodePieces(list(tokens)))

    @cached_property
    def token_texts(self) -> list[str]:
        """Text of each token, in the order of the ids."""
        return [self._processor.IdToPiece(i) for i in range(self.vocab_size)]

    def entries(self) -> list[VocabEntry]:
        """Return the whole vocabulary, in the order of the ids."""
        return [
            VocabEntry(text, self._processor.GetScore(i), self._kind(i))
            for i, text in enumerate(self.token_texts)
        ]

    def _kind(self, token_id: int) -> EntryKind:
        model = self._processor
        if model.IsByte(token_id):
            return "byte"
        if model.IsUnknown(token_id) or model.IsControl(token_id):
            return "special"
        if model.IsUnused(token_id):
            return "unused"
        return "symbol" if model.IdToPiece(token_id) in self.user_symbols else "text"

    def encode_n_best(self, text: str, n_best: int) -> list[list[int]]:
        """Return the most probable splits of a text as ids, best first; a BPE model has one."""
        return self._processor.NBestEncodeAsIds(sanitize(text), n_best)

    def lookup_ids(self, tokens: Sequence[str]) -> list[int]:
        """Return the ids of tokens, as `encode_as_tokens` returns them, or UNK."""
        return [self._processor.PieceToId(token) for token in tokens]

    def tag_ids(self, tags: Sequence[str]) -> list[int]:
        """Return the ids of tags, which are put before those of a text.

        Raises:
            MtkitError: A tag is not one of the `user_symbols`.
        """
        if unknown := [tag for tag in tags if tag not in self.user_symbols]:
            available = ", ".join(self.user_symbols) or "none"
            raise MtkitError(
                f"unknown tag {unknown[0]}; the tokenizer's tags: {available}",
                "use one of these, or train the tokenizer again",
            )
        return self.lookup_ids(tags)

    @cached_property
    def user_symbols(self) -> tuple[str, ...]:
        """The strings that this vocabulary never splits."""
        return read_user_symbols(self.model_bytes)

    def normalize(self, text: str) -> str:
        """Return the text that `decode(encode(text))` results in.

        That is the text after `sanitize` and the model's Unicode normalization, with single spaces.
        Without byte fallback, unknown characters are decoded as U+2047 instead.
        """
        normalized = self._processor.Normalize(sanitize(text))
        return normalized.replace(WORD_BOUNDARY, " ").removeprefix(" ")


@dataclass(frozen=True)
class Tokenizer:
    """The vocabularies of both sides.

    `src` and `tgt` of a joint tokenizer are the same object, or two models that split text in
    different ways, but have the same tokens at the same ids.
    """

    src: Subword
    tgt: Subword

    @cached_property
    def joint(self) -> bool:
        """Whether both sides share one vocabulary."""
        return self.has_one_model or have_same_tokens(self.src.model_bytes, self.tgt.model_bytes)

    @property
    def has_one_model(self) -> bool:
        """Whether both sides are split by one SentencePiece model."""
        return self.src is self.tgt

    @cached_property
    def sha256(self) -> str:
        """A hash that is equal for equal models."""
        digest = hashlib.sha256(hashlib.sha256(self.src.model_bytes).digest())
        digest.update(hashlib.sha256(self.tgt.model_bytes).digest())
        return digest.hexdigest()

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read the tokenizer of a tokenizer or model directory.

        The files are `joint.model`, or `src.model` and `tgt.model`.

        Raises:
            MtkitError: The files are missing, or are not SentencePiece models.
        """
        src_path, tgt_path = find_model_files(Path(path))
        src = Subword.load(src_path)
        return cls(src, src if tgt_path == src_path else Subword.load(tgt_path))

    def save(self, path: Path | str) -> None:
        """Write the tokenizer to a directory, which is created if missing."""
        path = Path(path)
        models = (
            {JOINT_NAME: self.src}
            if self.has_one_model
            else {SRC_NAME: self.src, TGT_NAME: self.tgt}
        )
        for name, subword in models.items():
            with atomic_write(path / name) as stream:
                stream.write(subword.model_bytes)
        for name in {JOINT_NAME, SRC_NAME, TGT_NAME} - models.keys():
            (path / name).unlink(missing_ok=True)


def _too_large_error(name: str, n_bytes: int) -> MtkitError:
    return MtkitError(
        f"`{name}`: {n_bytes:,} bytes, more than any SentencePiece model ({MAX_MODEL_BYTES:,})",
        "check the file",
    )


def _n_threads(texts: Sequence[object], n_threads: int | None) -> int:
    if isinstance(texts, str):
        raise TypeError("expected a list of texts, not one text")
    if n_threads is None:
        n_threads = n_cores()
    # Starting a thread takes longer than encoding a few short texts.
    return max(1, min(n_threads, len(texts) // _MIN_TEXTS_PER_THREAD))
