"""Reports of what preprocessing did with a corpus."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mtkit.corpus.clean.drop_counts import DropCounts, dropped_lines
from mtkit.corpus.store.shards import Shard


@dataclass(frozen=True)
class PreprocessReport:
    """What became of the corpus."""

    n_read: int
    n_kept: int
    dropped: DropCounts
    """What was dropped and mended, by rule."""
    n_src_tokens: int
    n_tgt_tokens: int
    n_aligned: int
    """Kept pairs with a word alignment."""
    store_dir: Path
    fresh: bool
    """Nothing had changed since the store was made, so it was left as it is."""

    @property
    def summary(self) -> str:
        """What became of the store, in one line."""
        return (
            f"{self.store_dir}: {'up to date' if self.fresh else 'written'}, {self.n_kept:,} pairs"
        )

    def lines(self, n_samples: int = 0) -> Iterator[str]:
        """The report for people, line by line.

        Args:
            n_samples: Dropped pairs to show of each rule.
        """
        yield f"{self.n_read:,} pairs read, {self.n_kept:,} kept, {self.n_read - self.n_kept:,} dropped"
        yield from dropped_lines(self.dropped, n_samples)
        per_src, per_tgt = (
            self.n_src_tokens / max(1, self.n_kept),
            self.n_tgt_tokens / max(1, self.n_kept),
        )
        yield f"{self.n_src_tokens:,} source and {self.n_tgt_tokens:,} target pieces, {per_src:.1f} and {per_tgt:.1f} for each pair"
        if self.n_aligned:
            yield f"{self.n_aligned:,} pairs have a word alignment"
        yield self.summary

    def __str__(self) -> str:
        return "\n".join(self.lines())


@dataclass(frozen=True)
class ShardReport:
    """What one of several runs did."""

    shard: Shard
    n_parts: int
    """Parts of all shards together."""
    n_made: int
    """Parts made now; those that were there are not made again."""

    def __str__(self) -> str:
        return (
            f"shard {self.shard.number} of {self.shard.n_shards}: {self.n_made:,} parts made, of {self.n_parts:,} in all\n"
            "when all shards are done, the same command without --shard joins them"
        )
