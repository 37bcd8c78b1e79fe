"""Split of a translation memory by a hash of its sources.

The part of a source depends on its text and on the size of the memory. As a memory grows, the
shares that are held out shrink or stay the same, so that nothing that was once trained on is ever
held out.
"""

import hashlib
from collections.abc import Iterable
from typing import Literal, NamedTuple

from mtkit.corpus.clean.match_keys import normalize_for_matching
from mtkit.corpus.sentence_pair import SentencePair
from mtkit.errors import MtkitError
from mtkit.io.logs import counted

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
Run = tuple[SentencePair, ...]
"""Pairs that follow each other in a document, or a single pair."""
MAX_TEST, MAX_VALIDATION = 2000, 1000
_MIN_SOURCES = 30
"""With fewer, one of the parts would often be empty."""


class HeldOutShares(NamedTuple):
    """Shares of the sources that are held out."""

    validation: float
    test: float

    @classmethod
    def for_size(cls, n_sources: int) -> "HeldOutShares":
        """Return the shares for a number of different sources.

        A tenth is for the test, at most 2,000; a twentieth for validation, at most 1,000, and in
        small memories up to a tenth, so as to reach 100. No share increases with the size.
        """
        n = max(n_sources, 1)
        validation = min(MAX_VALIDATION / n, max(0.05, min(0.1, 100 / n)))
        return cls(validation, min(0.1, MAX_TEST / n))

    def part_of(self, src: str) -> Part:
        """Return the part of a source; texts that differ in case or punctuation share it."""
        position = hash_position(src)
        if position < self.test:
            return "test"
        return "validation" if position >= 1 - self.validation else "train"


def hash_position(src: str) -> float:
    """Return a number from 0 to 1 that a text and its variants share, uniform over texts.

    Args:
        src: The text; case, punctuation and spaces are ignored, see `normalize_for_matching`.
    """
    digest = hashlib.blake2b(match_key(src).encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def match_key(src: str) -> str:
    """Return the text that a source shares with its variants in case, punctuation and spaces."""
    return normalize_for_matching(src) or " ".join(src.split())


def split_memory(pairs: Iterable[SentencePair]) -> dict[Part, list[SentencePair]]:
    """Split pairs so that no source of one part is in another.

    Args:
        pairs: Cleaned pairs without duplicates.
    Returns:
        The pairs in their order; of those held out, one for each source.
    Raises:
        MtkitError: There are too few different sources.
    """
    pairs = list(pairs)
    n_sources = len({match_key(pair.src) for pair in pairs})
    shares = HeldOutShares.for_size(n_sources)
    parts: dict[Part, list[SentencePair]] = {"train": [], "validation": [], "test": []}
    for pair in pairs:
        parts[shares.part_of(pair.src)].append(pair)
    for part in ("validation", "test"):
        parts[part] = first_of_each_source(parts[part])
    if n_sources < _MIN_SOURCES or not all(parts.values()):
        raise MtkitError(
            f"the memory is too small: {counted(n_sources, 'sources')} after cleaning, without "
            f"duplicates, of which {len(parts['validation'])} would be for validation and "
            f"{len(parts['test'])} for the test",
            "adaptation needs about 50 segments, and gains most from thousands; for a few terms, "
            "use a term list: docs/guides/terminology.md",
        )
    return parts


def first_of_each_source(pairs: Iterable[SentencePair]) -> list[SentencePair]:
    """Return the first pair of each source, in order."""
    first: dict[str, SentencePair] = {}
    for pair in pairs:
        first.setdefault(match_key(pair.src), pair)
    return list(first.values())


def sample_runs(runs: Iterable[Run], n: int) -> list[Run]:
    """Return runs with the smallest hashes of their first sources, sorted by them.

    The sample is as good as random, and does not depend on the order of the runs. Of runs with the
    same sources, it has one.

    Args:
        runs: Runs of pairs.
        n: Number of pairs; the last run may exceed it.
    """
    # Several runs may have the same sources, of which one is kept.
    limit, n_pairs = 2 * n, 0
    found: list[tuple[float, Run]] = []
    for run in runs:
        found.append((hash_position(run[0].src), run))
        n_pairs += len(run)
        if n_pairs > 2 * limit + _MIN_SOURCES:
            found = _first_pairs(sorted(found), limit)
            n_pairs = sum(len(run) for _, run in found)
    found = _first_pairs(sorted(found), limit)
    first = {tuple(match_key(pair.src) for pair in run): (at, run) for at, run in reversed(found)}
    return [run for _, run in _first_pairs(sorted(first.values()), n)]


def _first_pairs(found: list[tuple[float, Run]], n: int) -> list[tuple[float, Run]]:
    n_pairs = index = 0
    while index < len(found) and n_pairs < n:
        n_pairs += len(found[index][1])
        index += 1
    return found[:index]
