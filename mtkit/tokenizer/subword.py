"""Text to piece ids and back, and what a tokenizer is on disk."""

import hashlib
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, Self

from sentencepiece import SentencePieceProcessor

from mtkit.errors import MtkitError
from mtkit.io.text import atomic_write
from mtkit.tokenizer.model_proto import (
    JOINT_NAME,
    SRC_NAME,
    TGT_NAME,
    find_model_files,
    read_segmentation,
    read_user_symbols,
)
from mtkit.tokenizer.normalize import WORD_BOUNDARY, sanitize, sanitize_all, to_one_line
from mtkit.tokenizer.special_ids import SpecialIds
from mtkit.workers.process_pool import n_cores

MAX_MODEL_BYTES = 32 << 20
"""The largest models there are, with 256,000 pieces, have 5 MB; the library takes memory in proportion."""

_MIN_TEXTS_PER_THREAD = 32

EntryKind = Literal["text", "byte", "symbol", "special"]


class VocabEntry(NamedTuple):
    """One piece of a vocabulary."""

    text: str
    """With WORD_BOUNDARY for a space."""
    score: float
    """Of a unigram model the log-probability; of a BPE model what is merged first has the highest."""
    kind: EntryKind
    """text; one byte of a character without a piece; a symbol that is never split; special: no text at all."""


class Subword:
    """One vocabulary: a trained SentencePiece model.

    Args:
        model_bytes: The model, as SentencePiece writes it.
        name: What to call it in an error, usually its path.
    Raises:
        MtkitError: That is no SentencePiece model, or it lacks one of the four special pieces.
    """

    def __init__(self, model_bytes: bytes, name: str = "tokenizer") -> None:
        if len(model_bytes) > MAX_MODEL_BYTES:
            raise _too_large_error(name, len(model_bytes))
        self.model_bytes = model_bytes
        self._name = name
        self._processor = SentencePieceProcessor()
        try:
            # Empty bytes load as a model without pieces, which fails only in use.
            if not model_bytes:
                raise RuntimeError
            self._processor.LoadFromSerializedProto(model_bytes)
            # A damaged piece that is no UTF-8 would fail only in use.
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
                f"`{name}`: has no piece for {', '.join(missing)}",
                "train it again with `mtkit tokenizer train`",
            )
        self.vocab_size: int = self._processor.GetPieceSize()
        self._hidden = frozenset((self.special.pad, self.special.bos, self.special.eos))

    def __reduce__(self) -> tuple[type[Self], tuple[bytes, str]]:
        """How it travels to another process."""
        return type(self), (self.model_bytes, self._name)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a model file.

        Raises:
            MtkitError: It cannot be read, or is no SentencePiece model.
        """
        try:
            about = Path(path).stat()
            if stat.S_ISREG(about.st_mode) and about.st_size > MAX_MODEL_BYTES:
                raise _too_large_error(str(path), about.st_size)
            if not stat.S_ISREG(about.st_mode) and not stat.S_ISDIR(about.st_mode):
                raise MtkitError(f"`{path}`: is no file", "check the path")
            model_bytes = Path(path).read_bytes()
        except OSError as exc:
            raise MtkitError(
                f"`{path}`: cannot be read: {(exc.strerror or str(exc)).lower()}", "check the path"
            ) from None
        return cls(model_bytes, str(path))

    def encode(self, texts: Sequence[str], n_threads: int | None = None) -> list[list[int]]:
        """Turn texts into ids, without BOS and EOS; a blank text becomes an empty list.

        Args:
            texts: One segment each.
            n_threads: Default: as many as this process has cores.
        """
        n_threads = _n_threads(texts, n_threads)
        if n_threads == 1:
            # Of a list, SentencePiece makes a pool of threads first, which takes longer than many a text.
            return [self._processor.Encode(text, out_type=int) for text in sanitize_all(texts)]
        return self._processor.Encode(sanitize_all(texts), out_type=int, num_threads=n_threads)

    def encode_as_tokens(
        self, texts: Sequence[str], n_threads: int | None = None
    ) -> list[list[str]]:
        """As `encode`, with the pieces in place of their ids."""
        return self._processor.Encode(
            sanitize_all(texts), out_type=str, num_threads=_n_threads(texts, n_threads)
        )

    def token_spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Where each piece that `encode` gives begins and ends in its text, in characters.

        A piece covers the space before it too. Of the pieces that spell one character only the last covers it; the others are empty and stand before
        it.
        """
        found = []
        for text in texts:
            _, spans = read_segmentation(
                self._processor.Encode(sanitize(text), out_type="serialized_proto")
            )
            if "\0" in text:
                # `clean` takes these out; everything else stays in its place.
                places = [*(i for i, char in enumerate(text) if char != "\0"), len(text)]
                spans = [(places[begin], places[end]) for begin, end in spans]
            found.append(spans)
        return found

    def decode_with_spans(self, ids: Sequence[int]) -> tuple[str, list[tuple[int, int]]]:
        """The text of ids, before its line breaks are replaced, and where each of them begins and ends in it, in characters; see `spans`."""
        shown = [int(piece_id) for piece_id in ids if piece_id not in self._hidden]
        text, spans = read_segmentation(self._processor.Decode(shown, out_type="serialized_proto"))
        given = iter(spans)
        place = 0
        all_spans = []
        for piece_id in ids:
            begin, place = (place, place) if piece_id in self._hidden else next(given)
            all_spans.append((begin, place))
        return text, all_spans

    def decode(self, ids: Sequence[Sequence[int]], n_threads: int | None = None) -> list[str]:
        """Turn ids into texts of one line each.

        PAD, BOS and EOS are skipped wherever they stand. UNK reads as U+2047. Byte pieces that make no character read as U+FFFD.

        Raises:
            IndexError: An id is not in the vocabulary.
        """
        hidden = self._hidden
        shown = [[int(piece_id) for piece_id in row if piece_id not in hidden] for row in ids]
        n_threads = _n_threads(shown, n_threads)
        if n_threads == 1:
            return [to_one_line(self._processor.Decode(row)) if row else "" for row in shown]
        return [to_one_line(text) for text in self._processor.Decode(shown, num_threads=n_threads)]

    def decode_tokens(self, pieces: Sequence[str]) -> str:
        """Turn pieces, as `encode_as_pieces` returns them, into a text of one line; a piece outside the vocabulary is text as it is."""
        return to_one_line(self._processor.DecodePieces(list(pieces)))

    def entries(self) -> list[VocabEntry]:
        """The whole vocabulary, in the order of the ids."""
        return [
            VocabEntry(self._processor.IdToPiece(i), self._processor.GetScore(i), self._kind(i))
            for i in range(self.vocab_size)
        ]

    def _kind(self, piece_id: int) -> EntryKind:
        model = self._processor
        if model.IsByte(piece_id):
            return "byte"
        if model.IsUnknown(piece_id) or model.IsControl(piece_id) or model.IsUnused(piece_id):
            return "special"
        return "symbol" if model.IdToPiece(piece_id) in self.user_symbols else "text"

    def encode_n_best(self, text: str, n_best: int) -> list[list[int]]:
        """The most probable ways to split a text, as ids, the best first; of a BPE model there is one."""
        return self._processor.NBestEncodeAsIds(sanitize(text), n_best)

    def lookup_ids(self, pieces: Sequence[str]) -> list[int]:
        """The ids of pieces, as `encode_as_pieces` gives them; one that is not in the vocabulary is UNK."""
        return [self._processor.PieceToId(piece) for piece in pieces]

    def tag_ids(self, tags: Sequence[str]) -> list[int]:
        """The ids that stand before those of a text with these tags.

        Raises:
            MtkitError: A tag is none of the `user_symbols`.
        """
        if unknown := [tag for tag in tags if tag not in self.user_symbols]:
            known = ", ".join(self.user_symbols) or "none at all"
            raise MtkitError(
                f"the tokenizer knows no tag {unknown[0]}; of such symbols it has {known}",
                "give one of these, or train it again",
            )
        return self.lookup_ids(tags)

    @cached_property
    def user_symbols(self) -> tuple[str, ...]:
        """The strings that this vocabulary never splits."""
        return read_user_symbols(self.model_bytes)

    def normalize(self, text: str) -> str:
        """The text that `decode(encode(text))` gives back: after `clean` and the model's own Unicode normalization, single spaces.

        Without byte fallback, characters that the model does not know come back as U+2047 and not as this says.
        """
        return (
            self._processor.Normalize(sanitize(text)).replace(WORD_BOUNDARY, " ").removeprefix(" ")
        )


@dataclass(frozen=True)
class Tokenizer:
    """The vocabularies of both sides; of a joint tokenizer, `src` and `tgt` are the same object."""

    src: Subword
    tgt: Subword

    @property
    def joint(self) -> bool:
        """Whether both sides share one vocabulary."""
        return self.src is self.tgt

    @cached_property
    def sha256(self) -> str:
        """Tells tokenizers apart: equal for equal models."""
        digest = hashlib.sha256(hashlib.sha256(self.src.model_bytes).digest())
        digest.update(hashlib.sha256(self.tgt.model_bytes).digest())
        return digest.hexdigest()

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read the tokenizer of a folder, or of a model's folder: `joint.model`, or `src.model` and `tgt.model`.

        Raises:
            MtkitError: The files are missing, or are no SentencePiece models.
        """
        src_path, tgt_path = find_model_files(Path(folder))
        src = Subword.load(src_path)
        return cls(src, src if tgt_path == src_path else Subword.load(tgt_path))

    def save(self, folder: Path | str) -> None:
        """Write the tokenizer into a folder, which is made if missing."""
        folder = Path(folder)
        models = {JOINT_NAME: self.src} if self.joint else {SRC_NAME: self.src, TGT_NAME: self.tgt}
        for name, subword in models.items():
            with atomic_write(folder / name) as stream:
                stream.write(subword.model_bytes)
        for name in {JOINT_NAME, SRC_NAME, TGT_NAME} - models.keys():
            (folder / name).unlink(missing_ok=True)


def _too_large_error(name: str, n_bytes: int) -> MtkitError:
    return MtkitError(
        f"`{name}`: {n_bytes:,} bytes, more than a SentencePiece model has ({MAX_MODEL_BYTES:,})",
        "check the file; take another",
    )


def _n_threads(texts: Sequence[object], n_threads: int | None) -> int:
    if isinstance(texts, str):
        raise TypeError("a list of texts is wanted, not one text")
    if n_threads is None:
        n_threads = n_cores()
    # Starting a thread costs more than a few short texts.
    return max(1, min(n_threads, len(texts) // _MIN_TEXTS_PER_THREAD))
