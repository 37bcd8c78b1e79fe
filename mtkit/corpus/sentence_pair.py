"""Sentence pairs, and the types that all readers of a corpus share."""

from collections.abc import Iterator
from typing import Literal, NamedTuple


class SentencePair(NamedTuple):
    """A source segment and its translation."""

    src: str
    tgt: str


class SideSpec(NamedTuple):
    """One side of a corpus, as the recipe specifies it."""

    key: str
    """The key of the column in the recipe: `src_column` or `tgt_column`."""
    column: str | int | None
    lang: str
    replaces: "SideSpec | None" = None
    """Side of the pair in whose place another column of the same rows is read; None for a side."""


SideSpecs = tuple[SideSpec, SideSpec]


def pair_sides(sides: SideSpecs) -> SideSpecs:
    """Return the sides of the pair itself, by which the layout of a table is recognized."""
    src, tgt = sides
    return src.replaces or src, tgt.replaces or tgt


Side = Literal["src", "tgt"]


SIDES: tuple[Side, Side] = ("src", "tgt")


class PairChunk(NamedTuple):
    """Consecutive pairs of a corpus, as they are sent to a worker process."""

    corpus: int
    """Index of the corpus in data.train."""
    first_line: int
    """Number of the first pair in its corpus, from 1."""
    src: str
    """Sources joined by line feeds: a single string is sent to another process faster than a
    list.
    """
    tgt: str
    """Targets in the same form."""
    links: str | None = None
    """Lines of the alignment file in the same form; None for a corpus without one."""
    positions: tuple[int, ...] | None = None
    """Positions of the pairs in their documents, see `read_positions`; None if none is needed."""

    def pairs(self) -> Iterator[tuple[int, str, str]]:
        """Iterate over number, source and target of each pair."""
        src, tgt = self.src.split("\n"), self.tgt.split("\n")
        lines = range(self.first_line, self.first_line + len(src))
        return zip(lines, src, tgt, strict=True)

    @classmethod
    def of(
        cls,
        corpus: int,
        first_line: int,
        pairs: list[SentencePair],
        links: list[str] | None = None,
        positions: tuple[int, ...] | None = None,
    ) -> "PairChunk":
        """Join pairs; a line feed within a text, which some formats allow, becomes a space."""
        src, tgt = ("\n".join(texts) for texts in zip(*pairs, strict=True))
        if src.count("\n") >= len(pairs) or tgt.count("\n") >= len(pairs):
            src, tgt = (
                "\n".join(text.replace("\n", " ") for text in texts)
                for texts in zip(*pairs, strict=True)
            )
        lines = None if links is None else "\n".join(links)
        return cls(corpus, first_line, src, tgt, lines, positions)
