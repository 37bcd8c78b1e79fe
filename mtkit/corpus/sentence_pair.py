"""Sentence pairs, and the types that all readers of a corpus share."""

from typing import Literal, NamedTuple


class SentencePair(NamedTuple):
    """A segment and its translation."""

    src: str
    tgt: str


class SideSpec(NamedTuple):
    """What the recipe says of one side of a corpus."""

    key: str
    """Where it names the column: `src_column` or `tgt_column`."""
    column: str | int | None
    lang: str


SideSpecs = tuple[SideSpec, SideSpec]


Side = Literal["src", "tgt"]


SIDES: tuple[Side, Side] = ("src", "tgt")


class PairChunk(NamedTuple):
    """Some consecutive pairs of a corpus."""

    corpus: int
    """Place of the corpus in data.train."""
    first_line: int
    """Number of the first pair in its corpus, from 1."""
    src: str
    """Sources joined by line feeds, which travel to another process faster than a list of them."""
    tgt: str
    """Targets in the same form."""
    links: str | None = None
    """Lines of the alignment file in the same form; None where the corpus has none."""

    @classmethod
    def of(
        cls, corpus: int, first_line: int, pairs: list[SentencePair], links: list[str] | None = None
    ) -> "PairChunk":
        """Pairs as a chunk; a line feed within a text, where a format lets one through, becomes a space."""
        src, tgt = ("\n".join(texts) for texts in zip(*pairs, strict=True))
        if src.count("\n") >= len(pairs) or tgt.count("\n") >= len(pairs):
            src, tgt = (
                "\n".join(text.replace("\n", " ") for text in texts)
                for texts in zip(*pairs, strict=True)
            )
        return cls(corpus, first_line, src, tgt, None if links is None else "\n".join(links))
