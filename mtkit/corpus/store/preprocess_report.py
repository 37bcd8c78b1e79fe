"""Reports of preprocessing."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mtkit.corpus.clean.drop_counts import DropCounts, dropped_lines
from mtkit.corpus.store.shards import Shard


@dataclass(frozen=True)
class PreprocessReport:
    """The result of preprocessing a corpus."""

    n_read: int
    n_kept: int
    dropped: DropCounts
    """Pairs dropped and texts fixed, by rule."""
    n_src_tokens: int
    n_tgt_tokens: int
    n_aligned: int
    """Number of kept pairs with a word alignment."""
    n_following: int | None
    """Number of kept pairs that follow the pair before them in a document; None if the recipe
    trains without context."""
    store_dir: Path
    fresh: bool
    """Whether the store was up to date and left unchanged."""

    @classmethod
    def from_manifest(cls, manifest: dict[str, Any], store_dir: Path, *, fresh: bool) -> Self:
        """Restore the report from the manifest of a token store."""
        return cls(
            n_read=manifest["n_read"],
            n_kept=manifest["n_pairs"],
            dropped=DropCounts.from_json(manifest["dropped"]),
            n_src_tokens=manifest["n_tokens"]["src"],
            n_tgt_tokens=manifest["n_tokens"]["tgt"],
            n_aligned=manifest["alignment"]["n_pairs"] if "alignment" in manifest else 0,
            n_following=manifest.get("n_following"),
            store_dir=store_dir,
            fresh=fresh,
        )

    @property
    def summary(self) -> str:
        """The state of the store in one line."""
        return (
            f"{self.store_dir}: {'up to date' if self.fresh else 'written'}, {self.n_kept:,} pairs"
        )

    def lines(self, n_samples: int = 0) -> Iterator[str]:
        """Format the report line by line.

        Args:
            n_samples: Number of dropped pairs to show per rule.
        """
        n_dropped = self.n_read - self.n_kept
        yield f"{self.n_read:,} pairs read, {self.n_kept:,} kept, {n_dropped:,} dropped"
        yield from dropped_lines(self.dropped, n_samples)
        per_src = self.n_src_tokens / max(1, self.n_kept)
        per_tgt = self.n_tgt_tokens / max(1, self.n_kept)
        yield (
            f"{self.n_src_tokens:,} source and {self.n_tgt_tokens:,} target tokens, "
            f"{per_src:.1f} and {per_tgt:.1f} per pair"
        )
        if self.n_aligned:
            yield f"{self.n_aligned:,} pairs have a word alignment"
        if self.n_following is not None:
            share = 100 * self.n_following / max(1, self.n_kept)
            yield (
                f"{self.n_following:,} pairs ({share:.1f} %) follow another one in their document,"
                " and are trained with context"
            )
        yield self.summary

    def __str__(self) -> str:
        return "\n".join(self.lines())


@dataclass(frozen=True)
class ShardReport:
    """The result of one of several runs."""

    shard: Shard
    n_parts: int
    """Number of parts of all shards."""
    n_made: int
    """Number of parts made now, without those that existed."""

    def __str__(self) -> str:
        return (
            f"shard {self.shard.number} of {self.shard.n_shards}: {self.n_made:,} "
            f"parts made, of {self.n_parts:,} in all\nwhen all shards are done, the "
            "same command without --shard merges them"
        )
