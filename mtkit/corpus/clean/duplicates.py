"""Which of many keys were there before: exactly, in memory that does not grow with their number."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtkit.errors import MtkitError

KEY_SIZE = 16
"""Bytes of a key. Two of a billion different pairs have the same 128 bits with a chance of 1e-21."""

BUCKET_RECORDS = 1 << 20
"""Keys sorted at a time: about 100 MB."""

MAX_BUCKETS = 256
"""Files open at a time."""

_RECORD = np.dtype([("high", ">u8"), ("low", ">u8"), ("row", "<i8")])
_READ_RECORDS = 1 << 16


def find_duplicates(key_paths: Sequence[Path], folder: Path) -> NDArray[np.bool_]:
    """Tell for each key whether an equal one came before it, counting through all files.

    The keys are divided by their first bits among files, each of which is sorted in memory by itself: two passes over the keys, and 25 bytes of
    disk for each while it lasts.

    Args:
        key_paths: Files of keys, KEY_SIZE bytes each, in the order in which the first of equal ones stays.
        folder: An empty or missing folder to work in; the answer stays there, mapped, until you remove it.
    Returns:
        True where a key was seen before. Shape (N,), mapped from a file.
    Raises:
        MtkitError: A file does not hold whole keys.
    """
    folder.mkdir(parents=True, exist_ok=True)
    n_keys = sum(_count_keys(path) for path in key_paths)
    if n_keys == 0:
        return np.zeros(0, np.bool_)
    is_duplicate = np.memmap(folder / "is_duplicate", np.bool_, "w+", shape=(n_keys,))
    for bucket_path in _partition(key_paths, n_keys, folder):
        records = np.fromfile(bucket_path, _RECORD)
        bucket_path.unlink()
        is_duplicate[_duplicate_rows(records)] = True
    is_duplicate.flush()
    return np.asarray(is_duplicate)


def _count_keys(path: Path) -> int:
    n_keys, rest = divmod(path.stat().st_size, KEY_SIZE)
    if rest:
        raise MtkitError(f"`{path}`: damaged: {rest} bytes too many", "remove it, and make it anew")
    return n_keys


def _partition(key_paths: Sequence[Path], n_keys: int, folder: Path) -> list[Path]:
    """Put each key with its row into the bucket of its first bits."""
    n_bits = min(max(0, (n_keys - 1) // BUCKET_RECORDS).bit_length(), MAX_BUCKETS.bit_length() - 1)
    paths = [folder / f"bucket-{number}" for number in range(1 << n_bits)]
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
    """Rows whose key an earlier row has. The records come in the order of their rows."""
    order = np.lexsort((records["low"].astype(np.uint64), records["high"].astype(np.uint64)))
    high, low = records["high"][order], records["low"][order]
    is_repeat = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
    return records["row"][order[1:][is_repeat]]
