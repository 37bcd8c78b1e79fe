"""Pairs that come more than once, and pairs that stand in a validation or test set too. All keys are 128 bits of the text."""

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtkit.checking.counts import MAX_LINES, Occurrences
from mtkit.corpus.clean.duplicates import KEY_SIZE
from mtkit.corpus.clean.match_keys import normalise_for_matching

_BLOCK = 1 << 20

KEY_KINDS = ("src", "tgt", "pair", "folded_src", "folded_tgt", "folded_pair")
"""What two pairs may have in common. Folded, case and punctuation do not count."""
REPEAT_KINDS = ("src", "tgt", "pair", "folded_pair")
"""What of this is looked for within the corpora."""


def line_keys(src: str, tgt: str, tags: tuple[str, ...] = ()) -> tuple[bytes, ...]:
    """A key for each of `KEY_KINDS`, which two pairs share if they have that in common; spaces at the ends make no difference.

    Args:
        src: Source text.
        tgt: Target text.
        tags: With other tags it is another source.
    """
    src, tgt, mark = src.strip(), tgt.strip(), "\n".join(tags)
    src_key, tgt_key = _key("s", src, mark), _key("t", tgt)
    folded_src_key, folded_tgt_key = (
        _key("S", normalise_for_matching(src) or src, mark),
        _key("T", normalise_for_matching(tgt) or tgt),
    )
    return (
        src_key,
        tgt_key,
        _combine(src_key, tgt_key),
        folded_src_key,
        folded_tgt_key,
        _combine(folded_src_key, folded_tgt_key),
    )


def unique_key(corpus: int, line: int) -> bytes:
    """A key that no other line has: for one without a pair."""
    return _key("", f"{corpus} {line}")


def _key(kind: str, text: str, mark: str = "") -> bytes:
    return blake2b(
        f"{kind}{text}\n{mark}".encode(errors="surrogatepass"), digest_size=KEY_SIZE
    ).digest()


def _combine(src_key: bytes, tgt_key: bytes) -> bytes:
    """Half of each. Among pairs with equal sources, 64 bits are enough to tell the targets apart."""
    return src_key[: KEY_SIZE // 2] + tgt_key[: KEY_SIZE // 2]


def find_occurrences(
    is_found: NDArray[np.bool_], is_excluded: NDArray[np.bool_] | None = None
) -> Occurrences:
    """Where the first is true and the second is not, counted block by block: the arrays may be mapped from files. Line 1 is row 0."""
    occurrences = Occurrences()
    for start in range(0, len(is_found), _BLOCK):
        block = is_found[start : start + _BLOCK]
        if is_excluded is not None:
            block = block & ~is_excluded[start : start + _BLOCK]
        rows = np.flatnonzero(block)
        occurrences.add((rows[:MAX_LINES] + start + 1).tolist(), len(rows))
    return occurrences


def first_equal_rows(key_paths: Sequence[Path], rows: Sequence[int]) -> list[int]:
    """For some rows, counted through all files, the first row with an equal key. Reads no further than it must."""
    keys_of_rows = [_key_at(key_paths, row) for row in rows]
    first_rows: dict[bytes, int] = {}
    start = 0
    for path in key_paths:
        with path.open("rb") as stream:
            while len(first_rows) < len(set(keys_of_rows)) and (
                block := stream.read(_BLOCK * KEY_SIZE)
            ):
                keys = np.frombuffer(block, f"V{KEY_SIZE}")
                for key in set(keys_of_rows) - first_rows.keys():
                    hits = np.flatnonzero(keys == np.frombuffer(key, keys.dtype))
                    if len(hits):
                        first_rows[key] = start + int(hits[0])
                start += len(keys)
    return [first_rows[key] for key in keys_of_rows]


def _key_at(key_paths: Sequence[Path], row: int) -> bytes:
    for path in key_paths:
        n_keys = path.stat().st_size // KEY_SIZE
        if row < n_keys:
            with path.open("rb") as stream:
                stream.seek(row * KEY_SIZE)
                return stream.read(KEY_SIZE)
        row -= n_keys
    raise IndexError(row)
