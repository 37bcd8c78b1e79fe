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


class CleanedChunk(NamedTuple):
    """The result of cleaning a chunk."""

    corpus: int
    lines: list[int]
    """Numbers of the kept pairs."""
    src: str
    """Kept sources joined by line feeds: a single string is sent to another process faster than a
    list.
    """
    tgt: str
    keys: bytes
    """Keys by which duplicates are found; empty if duplicates are kept."""
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
        clean, tags, duplicates = (
            self.cleaners[chunk.corpus].clean,
            self.tags[chunk.corpus],
            self.duplicates,
        )
        dropped, dropped_pairs = DropCounts(), []
        lines, kept_src, kept_tgt, keys = [], [], [], []
        sources, targets = chunk.src.split("\n"), chunk.tgt.split("\n")
        for line, src, tgt in zip(
            range(chunk.first_line, chunk.first_line + len(sources)), sources, targets, strict=True
        ):
            cleaned = clean(src, tgt)
            if cleaned.fixes:
                dropped.add_fixes(cleaned.fixes)
            if cleaned.reason is not None:
                dropped.add(cleaned.reason, line, src, tgt)
                if self.keep_dropped:
                    dropped_pairs.append(DroppedPair(chunk.corpus, line, cleaned.reason, src, tgt))
                continue
            lines.append(line)
            kept_src.append(cleaned.src)
            kept_tgt.append(cleaned.tgt)
            if duplicates != "keep":
                keys.append(pair_key(cleaned.src, cleaned.tgt, tags, duplicates))
        return CleanedChunk(
            chunk.corpus,
            lines,
            "\n".join(kept_src),
            "\n".join(kept_tgt),
            b"".join(keys),
            dropped,
            dropped_pairs,
            len(sources),
        )
