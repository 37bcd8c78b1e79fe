"""Terms with their translations written into the source, for a model that was trained to use them.

Dinu et al. 2019 (aclanthology.org/P19-1294): the translation follows the term, so that the model
reads both and inflects and places the term itself.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mtkit.config.augment import TERM_SYMBOLS


class AnnotatedSpan(NamedTuple):
    """A part of a text, and its translation."""

    begin: int
    end: int
    target: str


class Annotation(NamedTuple):
    """A text with the translations of its terms."""

    text: str
    origins: list[tuple[int, int]]
    """Span of the original text that each character of `text` comes from; for a translation, that
    of its term."""

    def origin(self, begin: int, end: int) -> tuple[int, int]:
        """Return the span of the original text that a span of the annotated text comes from."""
        chosen = self.origins[begin:end] or self.origins[begin : begin + 1]
        if not chosen:
            last = self.origins[-1][1] if self.origins else 0
            return last, last
        first, last = min(one[0] for one in chosen), max(one[1] for one in chosen)
        return (first, last) if begin < end else (first, first)


def annotate(
    text: str,
    spans: Iterable[AnnotatedSpan],
    symbols: Sequence[str] = TERM_SYMBOLS,
    *,
    with_source: bool = True,
) -> Annotation | None:
    """Write translations into a text: `<term> Haus <as> house </term>`.

    Args:
        text: A source text.
        spans: The terms in it, in order and without overlaps.
        symbols: The three symbols, as in training.
        with_source: Whether the term itself is kept; otherwise `<term> <as> house </term>`.
    Returns:
        None if there are no terms, or if the text contains one of the symbols.
    """
    spans = list(spans)
    if not spans or any(symbol in text for symbol in symbols):
        return None
    before, between, after = symbols
    parts: list[str] = []
    origins: list[tuple[int, int]] = []
    last = 0
    for begin, end, target in spans:
        term = f"{text[begin:end]} " if with_source else ""
        annotated = f"{before} {term}{between} {target} {after}"
        parts += [text[last:begin], annotated]
        origins += ((i, i + 1) for i in range(last, begin))
        origins += [(begin, end)] * len(annotated)
        last = end
    parts.append(text[last:])
    origins += ((i, i + 1) for i in range(last, len(text)))
    return Annotation("".join(parts), origins)
