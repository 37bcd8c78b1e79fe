"""A corpus encoded in parts, so that a killed run can resume and several machines can share work.

part-001-000012/
    src.ids, tgt.ids            ids of the kept pairs, concatenated
    src.lengths, tgt.lengths    ids in each sentence, int32
    keys                        16 bytes per pair, by which duplicates are found
    links, links.lengths        word alignments, if the corpus has them
    positions                   positions in documents, int64, if the recipe trains with context
    manifest.json               counts, and what was dropped
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtkit.corpus.sentence_pair import SIDES
from mtkit.corpus.store.ragged_ids import RaggedIds
from mtkit.corpus.store.token_store import id_type
from mtkit.corpus.store.word_links import LINK_TYPE, WordLinks
from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_dir
from mtkit.io.build_manifest import find_damage, read_manifest, write_manifest

PART_SIZE = 100_000
"""Pairs in a part, before cleaning. Belongs to the format: all shards need the same parts."""

LENGTH_TYPE = np.dtype("<i4")
KEYS_NAME, LINKS_NAME, LINK_LENGTHS_NAME = "keys", "links", "links.lengths"
POSITIONS_NAME = "positions"
POSITION_TYPE = np.dtype("<i8")


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
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            hint = "write number and count with a slash: 1/8 to 8/8"
            raise MtkitError(f"`{text}` is not a shard", hint)
        return cls(int(match[1]), int(match[2]))

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

    src: RaggedIds
    tgt: RaggedIds
    keys: bytes = b""
    """KEY_SIZE bytes per pair, or empty."""
    links: WordLinks | None = None
    """None if the corpus has no alignments."""
    positions: NDArray[np.int64] | None = None
    """Positions in documents, see `read_positions`; None if the recipe trains without context."""

    def __len__(self) -> int:
        return len(self.src.lengths)

    def select(self, is_kept: NDArray[np.bool_]) -> "EncodedPairs":
        """Select pairs; keys are not kept."""
        links = None if self.links is None else self.links.select(is_kept)
        positions = None if self.positions is None else self.positions[is_kept]
        src, tgt = self.src.select(is_kept), self.tgt.select(is_kept)
        return EncodedPairs(src, tgt, links=links, positions=positions)


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
            for side in SIDES:
                rows: list[RaggedIds] = [getattr(pairs, side) for pairs in chunks]
                ids, lengths = [row.ids for row in rows], [row.lengths for row in rows]
                _write(directory / f"{side}.ids", ids, self.id_types[side])
                _write(directory / f"{side}.lengths", lengths, LENGTH_TYPE)
            (directory / KEYS_NAME).write_bytes(b"".join(pairs.keys for pairs in chunks))
            if links := [pairs.links for pairs in chunks if pairs.links is not None]:
                _write(directory / LINKS_NAME, [of_chunk.links for of_chunk in links], LINK_TYPE)
                lengths = [of_chunk.lengths for of_chunk in links]
                _write(directory / LINK_LENGTHS_NAME, lengths, LENGTH_TYPE)
            if positions := [pairs.positions for pairs in chunks if pairs.positions is not None]:
                _write(directory / POSITIONS_NAME, positions, POSITION_TYPE)
            write_manifest(directory, metadata | {"n_pairs": sum(map(len, chunks))})

    def read(self, part: PartId) -> EncodedPairs:
        """Read the pairs of a complete part."""
        path = self.path(part)
        src, tgt = (
            RaggedIds(
                np.fromfile(path / f"{side}.ids", self.id_types[side]),
                _read_lengths(path / f"{side}.lengths"),
            )
            for side in SIDES
        )
        links = positions = None
        if (path / LINKS_NAME).exists():
            values = np.fromfile(path / LINKS_NAME, LINK_TYPE).reshape(-1, 2)
            links = WordLinks(values, _read_lengths(path / LINK_LENGTHS_NAME))
        if (path / POSITIONS_NAME).exists():
            positions = np.fromfile(path / POSITIONS_NAME, POSITION_TYPE)
        return EncodedPairs(src, tgt, links=links, positions=positions)


def _write(path: Path, arrays: Iterable[np.ndarray], dtype: np.dtype) -> None:
    with path.open("xb") as stream:
        stream.writelines(array.astype(dtype).tobytes() for array in arrays)


def _read_lengths(path: Path) -> NDArray[np.int64]:
    return np.fromfile(path, LENGTH_TYPE).astype(np.int64)
