"""A lexical shortlist, which restricts a search to likely translations of the source's tokens.

Jean et al. 2015 (arXiv:1412.2007), section 3.3; Devlin 2017 (arXiv:1705.01991). The output layer is
computed only for these target tokens, a fraction of the vocabulary.
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
"""Maximum number of candidates of one source token."""
_MULTIPLE = 16
"""Selections have a multiple of this size, which matrix products handle best."""
_REMAKE = "make it again with `mtkit shortlist`"


class Selection(NamedTuple):
    """The target tokens for the translations of some sentences."""

    token_ids: Tensor
    """Tokens that any of the sentences may use, in ascending order, padded with others to a
    multiple of 16. Shape (V',)."""
    is_allowed_BV: Tensor
    """Whether each sentence may use them; depends on that sentence alone. Shape (B, V')."""


class Shortlist:
    """Candidate target tokens of each source token, and tokens that are always candidates.

    Args:
        candidates: Target ids for each source token. Rows are padded with ids that are always
            allowed. Shape (src_vocab_size, K).
        always: Target ids that every sentence may use: EOS, bytes, the most frequent tokens. Shape
            (A,).
        tgt_vocab_size: Size of the target vocabulary.
        tokenizer_sha256: Hash of the tokenizer to which the ids belong.
        settings: Settings with which the shortlist was made.
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
        self.tgt_vocab_size = tgt_vocab_size
        self.tokenizer_sha256, self.settings = tokenizer_sha256, settings
        self._is_always_V = np.zeros(tgt_vocab_size, np.bool_)
        self._is_always_V[always] = True

    @classmethod
    def from_rows(
        cls,
        rows: Sequence[NDArray[np.integer]],
        always: NDArray[np.integer],
        tokenizer: Tokenizer,
        settings: dict[str, Any],
    ) -> Self:
        """Create a shortlist from at most MAX_CANDIDATES candidates of each source token."""
        offsets = np.cumsum([0, *map(len, rows)])
        candidates = _as_matrix(
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
        """Write a safetensors file atomically."""
        is_listed = ~self._is_always_V[self.candidates]
        tensors = {
            "offsets": np.concatenate(([0], np.cumsum(is_listed.sum(1)))).astype(np.int64),
            "ids": self.candidates[is_listed].astype(np.int32),
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
        """Load a file that `save` wrote.

        All its content is checked, and the sizes before anything is allocated.

        Args:
            path: The file.
            tokenizer: Tokenizer of the model with which the shortlist is used.
        Raises:
            MtkitError: The file is missing or damaged, or was made for another tokenizer.
        """
        path = Path(path)
        if not path.exists():
            raise MtkitError(f"`{path}`: no such shortlist", "make one with `mtkit shortlist`")
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
            raise MtkitError(f"`{path}`: damaged: its lists do not fit the vocabularies", _REMAKE)
        settings = _settings(header.metadata.get("settings", ""))
        return cls(
            _as_matrix(offsets, ids.astype(np.int64), int(always[0])),
            np.unique(always).astype(np.int64),
            size,
            tokenizer.sha256,
            settings,
        )

    def select(self, sources: Sequence[Sequence[int]]) -> Selection:
        """Select the target tokens for some sentences.

        Args:
            sources: Token ids of each sentence.
        """
        B, V = len(sources), self.tgt_vocab_size
        flat = np.fromiter(chain.from_iterable(sources), np.int64)
        rows = np.repeat(np.arange(B), np.fromiter(map(len, sources), np.int64, B))
        is_allowed_BV = np.empty((B, V), np.bool_)
        is_allowed_BV[:] = self._is_always_V
        index = self.candidates[flat] + (rows * V)[:, None]
        is_allowed_BV.reshape(-1)[index.reshape(-1)] = True
        is_used_V = np.logical_or.reduce(is_allowed_BV, axis=0)
        n_used = int(is_used_V.sum())
        n_padding = min(-n_used % _MULTIPLE, V - n_used)
        if n_padding:
            is_used_V[np.flatnonzero(~is_used_V)[:n_padding]] = True
        token_ids = np.flatnonzero(is_used_V)
        return Selection(
            torch.from_numpy(token_ids), torch.from_numpy(is_allowed_BV.take(token_ids, axis=1))
        )


def _as_matrix(
    offsets: NDArray[np.int64], ids: NDArray[np.int64], filler: int
) -> NDArray[np.int64]:
    """Convert rows of different lengths to one matrix, padded with `filler`."""
    lengths = np.diff(offsets)
    candidates = np.full((len(lengths), max(1, int(lengths.max(initial=0)))), filler, np.int64)
    candidates[np.arange(candidates.shape[1]) < lengths[:, None]] = ids
    return candidates


def _check_header(path: Path, header: Header, tokenizer: Tokenizer) -> None:
    version = header.metadata.get("mtkit_shortlist")
    if version != FORMAT_VERSION:
        raise MtkitError(f"`{path}`: not a shortlist that this version of mtkit can read", _REMAKE)
    if header.metadata.get("tokenizer_sha256") != tokenizer.sha256:
        raise MtkitError(
            f"`{path}`: was made for another tokenizer, not the model's",
            "make one for this model with `mtkit shortlist`",
        )
    actual = {name: (info.dtype, len(info.shape)) for name, info in header.tensors.items()}
    sizes = {name: info.shape[0] for name, info in header.tensors.items() if len(info.shape) == 1}
    expected = {"offsets": ("I64", 1), "ids": ("I32", 1), "always": ("I32", 1)}
    src_size, tgt_size = tokenizer.src.vocab_size, tokenizer.tgt.vocab_size
    if (
        actual != expected
        or sizes["offsets"] != src_size + 1
        or sizes["ids"] > src_size * MAX_CANDIDATES
        or not 1 <= sizes["always"] <= tgt_size
    ):
        raise MtkitError(f"`{path}`: damaged: its lists do not fit the vocabularies", _REMAKE)


def _settings(text: str) -> dict[str, Any]:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return tree if isinstance(tree, dict) else {}
