"""Keys of lines, 128 bits of hash each, by which repeated and overlapping pairs are found."""

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtkit.checking.counts import MAX_LINES, Occurrences
from mtkit.corpus.clean.duplicates import KEY_SIZE
from mtkit.corpus.clean.match_keys import normalize_for_matching

_BLOCK = 1 << 20

KEY_KINDS = ("src", "tgt", "pair", "folded_src", "folded_tgt", "folded_pair")
"""What two pairs may have in common. The folded kinds ignore case and punctuation."""
REPEAT_KINDS = ("src", "tgt", "pair", "folded_pair")
"""The kinds that are compared within corpora."""


def line_keys(src: str, tgt: str, tags: tuple[str, ...] = ()) -> tuple[bytes, ...]:
    """Return a key for each of KEY_KINDS, equal for pairs with this in common.

    White space at the start and end is ignored.

    Args:
        src: Source text.
        tgt: Target text.
        tags: Tags of the corpus; the source is another one with other tags.
    """
    src, tgt, mark = src.strip(), tgt.strip(), "\n".join(tags)
    src_key, tgt_key = _key("s", src, mark), _key("t", tgt)
    folded_src_key = _key("S", normalize_for_matching(src) or src, mark)
    folded_tgt_key = _key("T", normalize_for_matching(tgt) or tgt)
    return (
        src_key,
        tgt_key,
        _combine(src_key, tgt_key),
        folded_src_key,
        folded_tgt_key,
        _combine(folded_src_key, folded_tgt_key),
    )


def unique_key(corpus: int, line: int) -> bytes:
    """Return a key that no other line has, for a line without a pair."""
    return _key("", f"{corpus} {line}")


def _key(kind: str, text: str, mark: str = "") -> bytes:
    return blake2b(
        f"{kind}{text}\n{mark}".encode(errors="surrogatepass"), digest_size=KEY_SIZE
    ).digest()


def _combine(src_key: bytes, tgt_key: bytes) -> bytes:
    """Combine half of each key: among pairs with equal sources, 64 bits distinguish the targets."""
    return src_key[: KEY_SIZE // 2] + tgt_key[: KEY_SIZE // 2]


def find_occurrences(
    is_found: NDArray[np.bool_], is_excluded: NDArray[np.bool_] | None = None
) -> Occurrences:
    """Return where the first array is true and the second is not; line 1 is row 0.

    Counted in blocks, since the arrays may be mapped from files.
    """
    occurrences = Occurrences()
    for start in range(0, len(is_found), _BLOCK):
        block = is_found[start : start + _BLOCK]
        if is_excluded is not None:
            block = block & ~is_excluded[start : start + _BLOCK]
        rows = np.flatnonzero(block)
        occurrences.add((rows[:MAX_LINES] + start + 1).tolist(), len(rows))
    return occurrences


def first_equal_rows(key_paths: Sequence[Path], rows: Sequence[int]) -> list[int]:
    """Return for each row the first row with an equal key, counted across all files."""
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
