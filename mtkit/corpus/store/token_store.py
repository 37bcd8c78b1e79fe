"""Token ids of a corpus, on disk and memory-mapped, so that it may be larger than memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from mtkit.corpus.document_rows import count_previous
from mtkit.corpus.sentence_pair import SIDES, Side
from mtkit.corpus.store.ragged_ids import RaggedIds, range_indices
from mtkit.corpus.store.word_links import LINK_TYPE, WordLinks
from mtkit.errors import MtkitError
from mtkit.io.build_manifest import MANIFEST_NAME, find_damage, read_manifest, write_manifest

FORMAT_VERSION = 3
Rows = npt.NDArray[np.int64]
"""Row numbers in the store. Shape (B,)."""
_OFFSET_TYPE = np.dtype("<i8")
_REBUILD = "run `mtkit preprocess` to build the store again"


def ids_name(side: str) -> str:
    """Return the name of the file with a side's ids, concatenated."""
    return f"{side}.ids"


def offsets_name(side: str) -> str:
    """Return the name of the file with the start of each sentence and the end of the last."""
    return f"{side}.offsets"


LINKS_NAME = "links"
"""File of the word alignments, if a corpus has any: LINK_TYPE, two numbers per link."""
FOLLOWS_NAME = "follows"
"""File with a byte for each pair, 1 if it follows the pair before it in the same document; only if
the recipe trains with context."""
LINK_OFFSETS_NAME = offsets_name(LINKS_NAME)
"""File with the start of each pair's links and the end of the last."""


class StoreWriter:
    """Writes a store in chunks, in memory that does not grow with the corpus.

    Args:
        directory: An empty directory.
        src_vocab_size: Ids of a vocabulary of up to 65,536 tokens take two bytes each, else four.
        tgt_vocab_size: Size of the target vocabulary.
        aligned: Whether pairs may have word alignments.
        with_documents: Whether pairs follow each other in documents.
    """

    def __init__(
        self,
        directory: Path,
        src_vocab_size: int,
        tgt_vocab_size: int,
        *,
        aligned: bool = False,
        with_documents: bool = False,
    ) -> None:
        self.directory = directory
        self.dtypes: dict[str, np.dtype] = {
            side: id_type(size)
            for side, size in zip(SIDES, (src_vocab_size, tgt_vocab_size), strict=True)
        }
        self.n_pairs = 0
        self.n_tokens: dict[str, int] = dict.fromkeys(SIDES, 0)
        self.n_links = self.n_aligned = 0
        self.n_following = 0
        values_names = [*map(ids_name, SIDES), *([LINKS_NAME] if aligned else [])]
        values_names += [FOLLOWS_NAME] if with_documents else []
        offsets_names = [*map(offsets_name, SIDES), *([LINK_OFFSETS_NAME] if aligned else [])]
        self._files: dict[str, BinaryIO] = {
            name: (directory / name).open("xb") for name in [*values_names, *offsets_names]
        }
        for name in offsets_names:
            self._files[name].write(np.zeros(1, _OFFSET_TYPE).tobytes())

    def append(self, src_ids: Sequence[Sequence[int]], tgt_ids: Sequence[Sequence[int]]) -> None:
        """Append pairs given as lists of ids; see `append_arrays`."""
        self.append_arrays(RaggedIds.from_lists(src_ids), RaggedIds.from_lists(tgt_ids))

    def append_arrays(
        self,
        src: RaggedIds,
        tgt: RaggedIds,
        links: WordLinks | None = None,
        follows: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Append pairs.

        Args:
            src: Ids of each source, without BOS and EOS.
            tgt: Ids of each target.
            links: Word alignments of these pairs, or None; requires `aligned`.
            follows: Whether each pair follows the one before it in the same document; required if
                the store was opened `with_documents`.
        """
        if len(src.lengths) != len(tgt.lengths):
            raise ValueError(f"{len(src.lengths)} sources but {len(tgt.lengths)} targets")
        for side, (ids, lengths) in (("src", src), ("tgt", tgt)):
            ends = np.cumsum(lengths, dtype=_OFFSET_TYPE)
            if len(ids) != (int(ends[-1]) if len(ends) else 0):
                raise ValueError(
                    f"{len(ids)} ids on side {side} do not match the sum of the lengths"
                )
            if len(ids) and not 0 <= ids.min() <= ids.max() <= np.iinfo(self.dtypes[side]).max:
                raise ValueError(f"an id of side {side} does not fit {self.dtypes[side]}")
            self._files[ids_name(side)].write(ids.astype(self.dtypes[side]).tobytes())
            self._files[offsets_name(side)].write((ends + self.n_tokens[side]).tobytes())
            self.n_tokens[side] += len(ids)
        if LINKS_NAME in self._files:
            self._append_links(WordLinks.none(len(src.lengths)) if links is None else links)
        elif links is not None:
            raise ValueError("the store was opened without alignments")
        if (FOLLOWS_NAME in self._files) != (follows is not None):
            raise ValueError("give `follows` to a store with documents, and to no other")
        if follows is not None:
            self._files[FOLLOWS_NAME].write(follows.astype(np.uint8).tobytes())
            self.n_following += int(follows.sum())
        self.n_pairs += len(src.lengths)

    def _append_links(self, links: WordLinks) -> None:
        self._files[LINKS_NAME].write(links.links.astype(LINK_TYPE).tobytes())
        self._files[LINK_OFFSETS_NAME].write(
            (np.cumsum(links.lengths, dtype=_OFFSET_TYPE) + self.n_links).tobytes()
        )
        self.n_links += len(links.links)
        self.n_aligned += int((links.lengths > 0).sum())

    def finish(self, metadata: dict[str, Any]) -> None:
        """Close the files and write the manifest.

        Args:
            metadata: Further entries of the manifest.
        """
        self.close()
        required = {
            "format_version": FORMAT_VERSION,
            "n_pairs": self.n_pairs,
            "n_tokens": self.n_tokens,
            "dtypes": {side: dtype.str for side, dtype in self.dtypes.items()},
        }
        if LINKS_NAME in self._files:
            required["alignment"] = {"n_links": self.n_links, "n_pairs": self.n_aligned}
        if FOLLOWS_NAME in self._files:
            required["n_following"] = self.n_following
        write_manifest(self.directory, required | metadata)

    def close(self) -> None:
        """Close the files; a store without `finish` cannot be opened."""
        for stream in self._files.values():
            stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class StoredCorpus(NamedTuple):
    """Rows of a store that belong to one corpus."""

    name: str
    first: int
    """Its first row."""
    n_pairs: int
    n_tags: int
    """Number of ids before each of its sources that are tags."""


class TokenStore:
    """Reads a store; open it with `TokenStore.open`.

    Ids do not include BOS and EOS. Arrays are read-only views of the mapped files, which are loaded
    on access.
    """

    def __init__(self, directory: Path, manifest: dict[str, Any]) -> None:
        self.directory = directory
        self.manifest = manifest
        self.n_pairs: int = manifest["n_pairs"]
        self._ids = {
            side: _map(directory / ids_name(side), np.dtype(manifest["dtypes"][side]))
            for side in SIDES
        }
        self._offsets = {side: _map(directory / offsets_name(side), _OFFSET_TYPE) for side in SIDES}
        self.is_aligned = "alignment" in manifest
        """Whether pairs may have word alignments."""
        if self.is_aligned:
            self._links = _map(directory / LINKS_NAME, LINK_TYPE).reshape(-1, 2)
            self._link_offsets = _map(directory / LINK_OFFSETS_NAME, _OFFSET_TYPE)
        self.has_documents = "n_following" in manifest
        """Whether pairs follow each other in documents."""
        if self.has_documents:
            self._follows = _map(directory / FOLLOWS_NAME, np.dtype(np.uint8))

    @classmethod
    def open(cls, directory: Path | str, *, check_hashes: bool = True) -> Self:
        """Open a store.

        Args:
            directory: The store.
            check_hashes: Whether to read all files and compare their SHA-256 with the manifest, at
                one to two GB per second. Otherwise only sizes are compared.
        Raises:
            MtkitError: There is no store, it has another format version, or a file is damaged.
        """
        directory = Path(directory)
        manifest = read_manifest(directory)
        if manifest is None:
            if not (directory / MANIFEST_NAME).exists():
                raise MtkitError(
                    f"`{directory}`: no token store found", "build it with `mtkit preprocess`"
                )
            raise MtkitError(f"`{directory / MANIFEST_NAME}`: damaged", _REBUILD)
        if manifest.get("format_version") != FORMAT_VERSION:
            raise MtkitError(
                f"`{directory}`: store of format version {manifest.get('format_version')}, "
                f"not {FORMAT_VERSION}",
                _REBUILD,
            )
        if problem := find_damage(directory, manifest, hashed=None if check_hashes else ()):
            raise MtkitError(problem, _REBUILD)
        return cls(directory, manifest)

    def __len__(self) -> int:
        return self.n_pairs

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process maps the files itself.
        return type(self), (self.directory, self.manifest)

    def src(self, index: int) -> np.ndarray:
        """Return the ids of a source sentence. Shape (S,), uint16 or uint32."""
        return self._ids["src"][self._offsets["src"][index] : self._offsets["src"][index + 1]]

    def tgt(self, index: int) -> np.ndarray:
        """Return the ids of a target sentence. Shape (T,), uint16 or uint32."""
        return self._ids["tgt"][self._offsets["tgt"][index] : self._offsets["tgt"][index + 1]]

    @property
    def corpora(self) -> tuple[StoredCorpus, ...]:
        """The corpora of the store, in the order of their rows; one corpus if the manifest lists
        none.
        """
        entries = self.manifest.get("corpora") or [
            {"name": self.directory.name, "first": 0, "n_pairs": self.n_pairs, "tag_ids": []}
        ]
        return tuple(
            StoredCorpus(entry["name"], entry["first"], entry["n_pairs"], len(entry["tag_ids"]))
            for entry in entries
        )

    def lengths(self, side: Side, rows: Rows) -> npt.NDArray[np.int64]:
        """Return the lengths of sentences of a side. Shape of rows."""
        offsets = self._offsets[side]
        return offsets[rows + 1] - offsets[rows]

    def gather(self, side: Side, rows: Rows) -> RaggedIds:
        """Return the ids of sentences of a side, in the order of rows; uint16 or uint32."""
        starts = self._offsets[side][rows]
        lengths = self._offsets[side][rows + 1] - starts
        return RaggedIds(self._ids[side][range_indices(starts, lengths)], lengths)

    def n_previous(self, rows: Rows, limit: int) -> npt.NDArray[np.int64]:
        """Return how many rows before each belong to the same document, up to a limit.

        Shape of rows.
        """
        if limit and not self.has_documents:
            raise ValueError("the store was built without documents")
        return count_previous(self._follows, rows, limit)

    def links(self, rows: Rows) -> WordLinks:
        """Return the word alignments of pairs, in the order of rows."""
        if not self.is_aligned:
            return WordLinks.none(len(rows))
        starts = self._link_offsets[rows]
        lengths = self._link_offsets[rows + 1] - starts
        return WordLinks(self._links[range_indices(starts, lengths)], lengths)


def id_type(vocab_size: int) -> np.dtype:
    """Return the smallest type for the ids of a vocabulary."""
    return np.dtype("<u2") if vocab_size <= 1 << 16 else np.dtype("<u4")


def _map(path: Path, dtype: np.dtype) -> np.ndarray:
    if path.stat().st_size == 0:  # an empty file cannot be mapped
        return np.empty(0, dtype)
    # As a plain array: slicing np.memmap is several times slower, and happens for each sentence.
    return np.asarray(np.memmap(path, dtype=dtype, mode="r"))
