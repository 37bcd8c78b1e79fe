"""Clean a chunk of a corpus, in any process."""

from collections.abc import Iterator
from typing import NamedTuple

from mtkit.corpus.clean.drop_counts import DropCounts
from mtkit.corpus.clean.match_keys import DuplicateRule, pair_key
from mtkit.corpus.clean.pair_cleaner import PairCleaner
from mtkit.corpus.sentence_pair import PairChunk


class DroppedPair(NamedTuple):
    """A dropped pair as it was read, or, if it is a duplicate, after its text was fixed."""

    corpus: int
    """Index of its corpus in data.train."""
    line: int
    """Its number in the corpus, from 1."""
    reason: str
    src: str
    tgt: str


class KeptPair(NamedTuple):
    """A pair after its text was fixed."""

    line: int
    """Its number in the corpus, from 1."""
    src: str
    tgt: str


def clean_chunk(
    chunk: PairChunk, cleaner: PairCleaner
) -> tuple[list[KeptPair], list[DroppedPair], DropCounts]:
    """Clean the pairs of a chunk; returns the kept ones, the dropped ones, and their counts."""
    kept, dropped_pairs, counts = [], [], DropCounts()
    for line, src, tgt in chunk.pairs():
        cleaned = cleaner.clean(src, tgt)
        if cleaned.fixes:
            counts.fixed.update(cleaned.fixes)
        if cleaned.reason is None:
            kept.append(KeptPair(line, cleaned.src, cleaned.tgt))
        else:
            counts.add(cleaned.reason, line, src, tgt)
            dropped_pairs.append(DroppedPair(chunk.corpus, line, cleaned.reason, src, tgt))
    return kept, dropped_pairs, counts


def pair_keys(pairs: list[KeptPair], tags: tuple[str, ...], duplicates: DuplicateRule) -> bytes:
    """Return the keys by which duplicates are found; empty if duplicates are kept."""
    if duplicates == "keep":
        return b""
    return b"".join([pair_key(src, tgt, tags, duplicates) for _, src, tgt in pairs])


class CleanedChunk(NamedTuple):
    """The result of cleaning a chunk."""

    corpus: int
    lines: list[int]
    """Numbers of the kept pairs."""
    positions: list[int]
    """Positions of the kept pairs in their documents; their numbers if the chunk has none."""
    src: str
    """Kept sources joined by line feeds: a single string is sent to another process faster than a
    list.
    """
    tgt: str
    keys: bytes
    """Result of `pair_keys`."""
    dropped: DropCounts
    dropped_pairs: list[DroppedPair]
    """Empty unless requested."""
    n_read: int

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Iterate over the kept pairs."""
        return (
            zip(self.src.split("\n"), self.tgt.split("\n"), strict=True) if self.lines else iter(())
        )


class ChunkCleaner:
    """Cleans chunks; can be sent to another process."""

    def __init__(
        self,
        cleaners: tuple[PairCleaner, ...],
        tags: tuple[tuple[str, ...], ...],
        duplicates: DuplicateRule,
        keep_dropped: bool,
    ) -> None:
        self.cleaners, self.tags, self.keep_dropped = cleaners, tags, keep_dropped
        self.duplicates: DuplicateRule = duplicates

    def __call__(self, chunk: PairChunk) -> CleanedChunk:
        kept, dropped_pairs, dropped = clean_chunk(chunk, self.cleaners[chunk.corpus])
        lines = [pair.line for pair in kept]
        positions = chunk.positions
        return CleanedChunk(
            corpus=chunk.corpus,
            lines=lines,
            positions=(
                lines
                if positions is None
                else [positions[line - chunk.first_line] for line in lines]
            ),
            src="\n".join(pair.src for pair in kept),
            tgt="\n".join(pair.tgt for pair in kept),
            keys=pair_keys(kept, self.tags[chunk.corpus], self.duplicates),
            dropped=dropped,
            dropped_pairs=dropped_pairs if self.keep_dropped else [],
            n_read=len(kept) + len(dropped_pairs),
        )
