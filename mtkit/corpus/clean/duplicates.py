"""Find duplicates among any number of keys, exactly and in bounded memory."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtkit.errors import MtkitError

KEY_SIZE = 16
"""Bytes per key. The probability that two of a billion pairs share the same 128 bits is 1e-21."""

BUCKET_RECORDS = 1 << 20
"""Number of keys sorted at a time: about 100 MB."""

MAX_BUCKETS = 256
"""Maximum number of open files."""

_RECORD = np.dtype([("high", ">u8"), ("low", ">u8"), ("row", "<i8")])
_READ_RECORDS = 1 << 16


def find_duplicates(key_paths: Sequence[Path], directory: Path) -> NDArray[np.bool_]:
    """Find the keys that equal an earlier key, across all files.

    Keys are partitioned by their first bits into files, each of which is sorted in memory: two
    passes over the keys, and 25 bytes of temporary disk space per key.

    Args:
        key_paths: Files of keys, KEY_SIZE bytes each, in the order of the pairs.
        directory: An empty or missing directory to work in. The result is mapped from a file in it,
            until the caller removes it.
    Returns:
        True for each key that equals an earlier one. Shape (N,).
    Raises:
        MtkitError: A file does not contain a whole number of keys.
    """
    directory.mkdir(parents=True, exist_ok=True)
    n_keys = sum(_count_keys(path) for path in key_paths)
    if n_keys == 0:
        return np.zeros(0, np.bool_)
    is_duplicate = np.memmap(directory / "is_duplicate", np.bool_, "w+", shape=(n_keys,))
    for bucket_path in _partition(key_paths, n_keys, directory):
        records = np.fromfile(bucket_path, _RECORD)
        bucket_path.unlink()
        is_duplicate[_duplicate_rows(records)] = True
    is_duplicate.flush()
    return np.asarray(is_duplicate)


def _count_keys(path: Path) -> int:
    n_keys, rest = divmod(path.stat().st_size, KEY_SIZE)
    if rest:
        raise MtkitError(
            f"`{path}`: damaged: {rest} bytes too many", "remove it, and create it again"
        )
    return n_keys


def _partition(key_paths: Sequence[Path], n_keys: int, directory: Path) -> list[Path]:
    """Write each key with its row into the bucket of its first bits."""
    n_bits = min(max(0, (n_keys - 1) // BUCKET_RECORDS).bit_length(), MAX_BUCKETS.bit_length() - 1)
    paths = [directory / f"bucket-{number}" for number in range(1 << n_bits)]
    with ExitStack() as stack:
        buckets = [stack.enter_context(path.open("wb")) for path in paths]
        for records in _records(key_paths):
            if len(buckets) == 1:
                records.tofile(buckets[0])
                continue
            numbers = (records["high"] >> np.uint64(64 - n_bits)).astype(np.int64)
            order = np.argsort(numbers, kind="stable")
            ends = np.cumsum(np.bincount(numbers, minlength=len(buckets)))
            for bucket, group in zip(buckets, np.split(records[order], ends[:-1]), strict=True):
                bucket.write(group.tobytes())
    return paths


def _records(key_paths: Sequence[Path]) -> Iterator[NDArray[np.void]]:
    first = 0
    for path in key_paths:
        with path.open("rb") as stream:
            while block := stream.read(_READ_RECORDS * KEY_SIZE):
                keys = np.frombuffer(block, ">u8").reshape(-1, 2)
                records = np.empty(len(keys), _RECORD)
                records["high"], records["low"] = keys[:, 0], keys[:, 1]
                records["row"] = np.arange(first, first + len(keys))
                first += len(keys)
                yield records


def _duplicate_rows(records: NDArray[np.void]) -> NDArray[np.int64]:
    """Return the rows whose key occurs in an earlier row; records are sorted by row."""
    order = np.lexsort((records["low"].astype(np.uint64), records["high"].astype(np.uint64)))
    high, low = records["high"][order], records["low"][order]
    is_repeat = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
    return records["row"][order[1:][is_repeat]]
