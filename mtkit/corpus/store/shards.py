"""A corpus encoded in parts, so that a killed run can resume and several machines can share work.

part-001-000012/
    src.ids, tgt.ids            ids of the kept pairs, concatenated
    src.lengths, tgt.lengths    ids in each sentence, int32
    keys                        16 bytes per pair, by which duplicates are found
    links, links.lengths        word alignments, if the corpus has them
    manifest.json               counts, and what was dropped
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtkit.corpus.store.token_store import id_type
from mtkit.corpus.store.word_links import LINK_TYPE, WordLinks
from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_dir
from mtkit.io.build_manifest import find_damage, read_manifest, write_manifest

PART_SIZE = 100_000
"""Pairs in a part, before cleaning. Belongs to the format: all shards need the same parts."""

LENGTH_TYPE = np.dtype("<i4")
KEYS_NAME, LINKS_NAME, LINK_LENGTHS_NAME = "keys", "links", "links.lengths"


class PartId(NamedTuple):
    """Identifies a part of the training corpora."""

    corpus: int
    """Index of the corpus in data.train."""
    number: int
    """Index of the part in that corpus."""

    @property
    def dir_name(self) -> str:
        """Directory name; names sort in the order of the parts."""
        return f"part-{self.corpus:03d}-{self.number:06d}"


class Shard(NamedTuple):
    """The share of the parts that one of several runs makes."""

    number: int
    """From 1."""
    n_shards: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Parse a shard such as `2/4`.

        Raises:
            MtkitError: It is not a shard.
        """
        number, slash, n_shards = text.partition("/")
        if not (
            slash
            and number.isdecimal()
            and n_shards.isdecimal()
            and 1 <= int(number) <= int(n_shards)
        ):
            raise MtkitError(
                f"`{text}` is not a shard",
                "write number and count with a slash: 1/8 to 8/8",
            )
        return cls(int(number), int(n_shards))

    @classmethod
    def checked(cls, shard: tuple[int, int]) -> "Shard":
        """Validate a shard given as number and count.

        Raises:
            TypeError: It is not two whole numbers.
            ValueError: There is no such shard.
        """
        if (
            not isinstance(shard, tuple | list)
            or len(shard) != 2
            or not all(isinstance(number, int) for number in shard)
        ):
            raise TypeError(f"shard ({shard!r}) must be two whole numbers, such as (1, 8)")
        number, n_shards = shard
        if not 1 <= number <= n_shards:
            raise ValueError(
                f"shard {number} of {n_shards} does not exist; shards are counted from 1"
            )
        return cls(number, n_shards)

    def makes(self, index: int) -> bool:
        """Whether this shard makes the part with an index among all parts."""
        return index % self.n_shards == self.number - 1


@dataclass(frozen=True)
class EncodedPairs:
    """Cleaned and tokenized pairs."""

    src_ids: NDArray[np.unsignedinteger]
    src_lengths: NDArray[np.int32]
    tgt_ids: NDArray[np.unsignedinteger]
    tgt_lengths: NDArray[np.int32]
    keys: bytes = b""
    """KEY_SIZE bytes per pair, or empty."""
    links: WordLinks | None = None
    """None if the corpus has no alignments."""

    def __len__(self) -> int:
        return len(self.src_lengths)

    def select(self, is_kept: NDArray[np.bool_]) -> "EncodedPairs":
        """Select pairs; keys are not kept."""
        src_ids = self.src_ids[np.repeat(is_kept, self.src_lengths)]
        tgt_ids = self.tgt_ids[np.repeat(is_kept, self.tgt_lengths)]
        links = None if self.links is None else self.links.select(is_kept)
        return EncodedPairs(
            src_ids, self.src_lengths[is_kept], tgt_ids, self.tgt_lengths[is_kept], links=links
        )

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the arguments of `StoreWriter.append_arrays`."""
        return self.src_ids, self.src_lengths, self.tgt_ids, self.tgt_lengths


class PartFiles:
    """The parts of the training corpora, made with one tokenizer and set of settings.

    Args:
        directory: Directory of the parts.
        vocab_sizes: Sizes of the source and target vocabulary.
    """

    def __init__(self, directory: Path, vocab_sizes: tuple[int, int]) -> None:
        self.directory = directory
        self.id_types = {"src": id_type(vocab_sizes[0]), "tgt": id_type(vocab_sizes[1])}

    def path(self, part: PartId) -> Path:
        """Return the directory of a part."""
        return self.directory / part.dir_name

    def manifest(self, part: PartId) -> dict[str, Any] | None:
        """Return the manifest of a complete part; None if a file is missing or damaged."""
        manifest = read_manifest(self.path(part))
        return None if manifest is None or find_damage(self.path(part), manifest) else manifest

    def write(self, part: PartId, chunks: list[EncodedPairs], metadata: dict[str, Any]) -> None:
        """Write a part atomically.

        Args:
            part: The part.
            chunks: Its pairs, in order.
            metadata: Further entries of its manifest.
        """
        with atomic_dir(self.path(part)) as directory:
            for name, arrays in self._files(chunks).items():
                with (directory / name).open("xb") as stream:
                    stream.writelines(arrays)
            write_manifest(directory, metadata | {"n_pairs": sum(map(len, chunks))})

    def read(self, part: PartId) -> EncodedPairs:
        """Read the pairs of a complete part."""
        path = self.path(part)
        src_ids, tgt_ids = (
            np.fromfile(path / f"{side}.ids", self.id_types[side]) for side in ("src", "tgt")
        )
        src_lengths, tgt_lengths = (
            np.fromfile(path / f"{side}.lengths", LENGTH_TYPE) for side in ("src", "tgt")
        )
        return EncodedPairs(
            src_ids, src_lengths, tgt_ids, tgt_lengths, links=self._read_links(path)
        )

    def _read_links(self, path: Path) -> WordLinks | None:
        if not (path / LINKS_NAME).exists():
            return None
        lengths = np.fromfile(path / LINK_LENGTHS_NAME, LENGTH_TYPE).astype(np.int64)
        return WordLinks(np.fromfile(path / LINKS_NAME, LINK_TYPE).reshape(-1, 2), lengths)

    def _files(self, chunks: list[EncodedPairs]) -> dict[str, Iterator[bytes]]:
        links = [chunk.links for chunk in chunks if chunk.links is not None]
        aligned = {
            LINKS_NAME: (word_links.links.astype(LINK_TYPE).tobytes() for word_links in links),
            LINK_LENGTHS_NAME: (
                word_links.lengths.astype(LENGTH_TYPE).tobytes() for word_links in links
            ),
        }
        files: dict[str, Iterator[bytes]] = {
            "src.ids": (chunk.src_ids.astype(self.id_types["src"]).tobytes() for chunk in chunks),
            "src.lengths": (chunk.src_lengths.astype(LENGTH_TYPE).tobytes() for chunk in chunks),
            "tgt.ids": (chunk.tgt_ids.astype(self.id_types["tgt"]).tobytes() for chunk in chunks),
            "tgt.lengths": (chunk.tgt_lengths.astype(LENGTH_TYPE).tobytes() for chunk in chunks),
            KEYS_NAME: (chunk.keys for chunk in chunks),
        }
        return {**files, **aligned} if links else files
