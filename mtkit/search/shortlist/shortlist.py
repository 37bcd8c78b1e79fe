"""A lexical shortlist: of the whole target vocabulary, a search looks only at what may translate the pieces of its sentence.

Jean et al. 2015 (arXiv:1412.2007), section 3.3; Devlin 2017 (arXiv:1705.01991). The output layer is then a fraction of its size.
"""

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save
from torch import Tensor

from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_write
from mtkit.io.safetensors_header import Header, open_safetensors
from mtkit.tokenizer.subword import Tokenizer

FORMAT_VERSION = "1"
MAX_CANDIDATES = 1000
"""Of one source piece."""
_MULTIPLE = 16
_AGAIN = "make it again with `mtkit shortlist`"


class Selection(NamedTuple):
    """What the translations of some sentences may be made of."""

    token_ids: Tensor
    """Target pieces that any of the sentences may use, rising, filled up with others to a multiple of 16. Shape (V',)."""
    is_allowed_BV: Tensor
    """Which of them each sentence may use; depends on that sentence alone. Shape (B, V')."""


class Shortlist:
    """Candidate target pieces of each source piece, and those that are always candidates.

    Args:
        candidates: Target ids of each source piece; rows are filled up with ids that are always allowed. Shape (src_vocab_size, K).
        always: Target ids that every sentence may use: EOS, bytes, the most frequent pieces. Shape (A,).
        tgt_vocab_size: Pieces of the target.
        tokenizer_sha256: Of the tokenizer that the ids are of.
        settings: With what it was made.
    """

    def __init__(
        self,
        candidates: NDArray[np.int64],
        always: NDArray[np.int64],
        tgt_vocab_size: int,
        tokenizer_sha256: str,
        settings: dict[str, Any],
    ) -> None:
        self.candidates, self.always = candidates, always
        self.tgt_vocab_size, self.tokenizer_sha256, self.settings = (
            tgt_vocab_size,
            tokenizer_sha256,
            settings,
        )
        self._is_always_V = np.zeros(tgt_vocab_size, np.bool_)
        self._is_always_V[always] = True

    @classmethod
    def of(
        cls,
        rows: Sequence[NDArray[np.integer]],
        always: NDArray[np.integer],
        tokenizer: Tokenizer,
        settings: dict[str, Any],
    ) -> Self:
        """From the candidates of each source piece, at most MAX_CANDIDATES each."""
        offsets = np.cumsum([0, *map(len, rows)])
        candidates = _filled(
            offsets, np.concatenate([*rows, np.empty(0, np.int64)]).astype(np.int64), int(always[0])
        )
        return cls(
            candidates,
            np.unique(always).astype(np.int64),
            tokenizer.tgt.vocab_size,
            tokenizer.sha256,
            settings,
        )

    def save(self, path: Path) -> None:
        """Write a safetensors file, whole or not at all."""
        is_own = ~self._is_always_V[self.candidates]
        tensors = {
            "offsets": np.concatenate(([0], np.cumsum(is_own.sum(1)))).astype(np.int64),
            "ids": self.candidates[is_own].astype(np.int32),
            "always": self.always.astype(np.int32),
        }
        metadata = {
            "mtkit_shortlist": FORMAT_VERSION,
            "tokenizer_sha256": self.tokenizer_sha256,
            "settings": json.dumps(self.settings),
        }
        with atomic_write(path) as stream:
            stream.write(save(tensors, metadata | {"tgt_vocab_size": str(self.tgt_vocab_size)}))

    @classmethod
    def load(cls, path: Path | str, tokenizer: Tokenizer) -> Self:
        """Read a file that `save` wrote. Everything in it is checked, and its sizes before anything is allocated.

        Args:
            path: The file.
            tokenizer: Of the model that it shall be used with.
        Raises:
            MtkitError: It is missing, damaged, or was made for another tokenizer.
        """
        path = Path(path)
        if not path.exists():
            raise MtkitError(f"`{path}`: no shortlist here", "make one with `mtkit shortlist`")
        with open_safetensors(path) as (header, file):
            _check_header(path, header, tokenizer)
            offsets, ids, always = (file.get_tensor(name) for name in ("offsets", "ids", "always"))
        lengths = np.diff(offsets)
        size = tokenizer.tgt.vocab_size
        in_order = (
            offsets[0] == 0
            and offsets[-1] == len(ids)
            and (lengths >= 0).all()
            and (lengths <= MAX_CANDIDATES).all()
        )
        if not in_order or not all(((part >= 0) & (part < size)).all() for part in (ids, always)):
            raise MtkitError(f"`{path}`: damaged: its lists do not fit the vocabularies", _AGAIN)
        settings = _settings(header.metadata.get("settings", ""))
        return cls(
            _filled(offsets, ids.astype(np.int64), int(always[0])),
            np.unique(always).astype(np.int64),
            size,
            tokenizer.sha256,
            settings,
        )

    def select(self, sources: Sequence[Sequence[int]]) -> Selection:
        """What the translations of these sentences may be made of.

        Args:
            sources: Source ids of each sentence.
        """
        B, V = len(sources), self.tgt_vocab_size
        flat = np.fromiter(chain.from_iterable(sources), np.int64)
        rows = np.repeat(np.arange(B), np.fromiter(map(len, sources), np.int64, B))
        is_allowed_BV = np.empty((B, V), np.bool_)
        is_allowed_BV[:] = self._is_always_V
        places = self.candidates[flat] + (rows * V)[:, None]
        is_allowed_BV.reshape(-1)[places.reshape(-1)] = True
        is_used_V = np.logical_or.reduce(is_allowed_BV, axis=0)
        n_used = int(is_used_V.sum())
        n_more = min(-n_used % _MULTIPLE, V - n_used)
        if n_more:
            is_used_V[np.flatnonzero(~is_used_V)[:n_more]] = True
        token_ids = np.flatnonzero(is_used_V)
        return Selection(
            torch.from_numpy(token_ids), torch.from_numpy(is_allowed_BV.take(token_ids, axis=1))
        )


def _filled(offsets: NDArray[np.int64], ids: NDArray[np.int64], filler: int) -> NDArray[np.int64]:
    """Rows of different length as one matrix."""
    lengths = np.diff(offsets)
    candidates = np.full((len(lengths), max(1, int(lengths.max(initial=0)))), filler, np.int64)
    candidates[np.arange(candidates.shape[1]) < lengths[:, None]] = ids
    return candidates


def _check_header(path: Path, header: Header, tokenizer: Tokenizer) -> None:
    version = header.metadata.get("mtkit_shortlist")
    if version != FORMAT_VERSION:
        raise MtkitError(f"`{path}`: not a shortlist that this mtkit knows", _AGAIN)
    if header.metadata.get("tokenizer_sha256") != tokenizer.sha256:
        raise MtkitError(
            f"`{path}`: was made for another tokenizer than the model's",
            "make one for this model with `mtkit shortlist`",
        )
    found = {name: (info.dtype, len(info.shape)) for name, info in header.tensors.items()}
    sizes = {name: info.shape[0] for name, info in header.tensors.items() if len(info.shape) == 1}
    expected = {"offsets": ("I64", 1), "ids": ("I32", 1), "always": ("I32", 1)}
    src_size, tgt_size = tokenizer.src.vocab_size, tokenizer.tgt.vocab_size
    if (
        found != expected
        or sizes["offsets"] != src_size + 1
        or sizes["ids"] > src_size * MAX_CANDIDATES
        or not 1 <= sizes["always"] <= tgt_size
    ):
        raise MtkitError(f"`{path}`: damaged: its lists do not fit the vocabularies", _AGAIN)


def _settings(text: str) -> dict[str, Any]:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return tree if isinstance(tree, dict) else {}
