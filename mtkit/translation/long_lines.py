"""Splits lines into the parts that are translated one by one: at sentence ends, and wherever a part is too long."""

import re
from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple

CountTokens = Callable[[list[str]], list[int]]
"""Number of tokens of each of several texts."""
Sentences = Callable[[str], list[str]]
"""Splits a text into sentences, each with the white space after it."""
_Split = Callable[[str], list[str]]
"""A text cut at all places of one kind; spaces there may be left out."""

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])\s*")
_CLAUSE_END = re.compile(r"(?<=[,;:])\s+|(?<=[、，；：])\s*")
_SPACE = re.compile(r"\s+")
_LINE = re.compile(r"[^\n]+")


class Limits(NamedTuple):
    """The most that one part of a line may hold."""

    max_tokens: int
    """Tokens of a part."""
    max_sentences: int | None = 1
    """Sentences of a part; None does not look for sentences in a line that fits."""
    max_packed_tokens: int = 0
    """Tokens of a part of several sentences."""


class Span(NamedTuple):
    """Where a part stands in its text, without the white space around it."""

    begin: int
    end: int
    n_sentences: int = 1


def split_line(text: str, count_tokens: CountTokens, limits: Limits, find: Sentences) -> list[Span]:
    """Split a text at line feeds and between sentences, and where a sentence is too long between clauses, words or characters.

    Args:
        text: The text.
        count_tokens: Counts the tokens of each of several texts.
        limits: The most that a part may hold.
        find: Splits a text into sentences.
    Returns:
        Parts in order, which together hold all of the text but white space; none for a blank text.
    """
    spans: list[Span] = []
    for line in _LINE.finditer(text):
        found = _sentence_spans(text, line.start(), line.end(), find)
        spans += _pack(text, found, count_tokens, limits) if len(found) > 1 else found
    counts = count_tokens([text[span.begin : span.end] for span in spans])
    parts: list[Span] = []
    for span, n_tokens in zip(spans, counts, strict=True):
        parts += (
            [span]
            if n_tokens <= limits.max_tokens
            else _cut(text, span, count_tokens, limits.max_tokens, find)
        )
    return parts


def _sentence_spans(text: str, begin: int, end: int, find: Sentences) -> list[Span]:
    spans = []
    for sentence in find(text[begin:end]):
        if stripped := sentence.strip():
            start = begin + len(sentence) - len(sentence.lstrip())
            spans.append(Span(start, start + len(stripped)))
        begin += len(sentence)
    return spans


def _pack(
    text: str, spans: Sequence[Span], count_tokens: CountTokens, limits: Limits
) -> list[Span]:
    """Join neighbouring sentences as far as the limits allow."""
    if limits.max_sentences == 1:
        return list(spans)
    if limits.max_sentences is None:
        whole = Span(spans[0].begin, spans[-1].end, len(spans))
        [n_tokens] = count_tokens([text[whole.begin : whole.end]])
        if n_tokens <= limits.max_tokens:
            return [whole]
    max_sentences = limits.max_sentences or len(spans)
    max_tokens = limits.max_packed_tokens if limits.max_sentences else limits.max_tokens
    packed: list[Span] = []
    total = 0
    for span, n_tokens in zip(
        spans, count_tokens([text[span.begin : span.end] for span in spans]), strict=True
    ):
        last = packed[-1] if packed else None
        if last is not None and last.n_sentences < max_sentences and total + n_tokens <= max_tokens:
            packed[-1] = Span(last.begin, span.end, last.n_sentences + 1)
            total += n_tokens
        else:
            packed.append(span)
            total = n_tokens
    return packed


def _cut(
    text: str, span: Span, count_tokens: CountTokens, max_tokens: int, find: Sentences
) -> list[Span]:
    # Where the rules of the language find no end, for example after an abbreviation, a full stop is still a better place than a comma.
    cuts = (find, _SENTENCE_END.split, _CLAUSE_END.split, _SPACE.split)
    found = []
    end = span.begin
    for part in _split([text[span.begin : span.end]], cuts, count_tokens, max_tokens):
        begin = text.index(part, end)
        end = begin + len(part)
        found.append(Span(begin, end))
    return found


def halved(text: str, span: Span, count_tokens: CountTokens, find: Sentences) -> list[Span]:
    """Split a part further: into its sentences, or a single sentence into parts of about half its tokens.

    Args:
        text: The text that holds the part.
        span: Where the part stands.
        count_tokens: Counts the tokens of each of several texts.
        find: Splits a text into sentences.
    """
    if span.n_sentences > 1:
        return _sentence_spans(text, span.begin, span.end, find)
    [n_tokens] = count_tokens([text[span.begin : span.end]])
    return _cut(text, span, count_tokens, ceil(n_tokens * 0.6), find)


def _split(
    texts: list[str], cuts: tuple[_Split, ...], count_tokens: CountTokens, max_tokens: int
) -> list[str]:
    parts: list[str] = []
    for text, n_tokens in zip(texts, count_tokens(texts), strict=True):
        if n_tokens <= max_tokens or len(text) <= 1:
            parts.append(text)
        elif cuts:
            pieces = [piece for piece in cuts[0](text) if piece]
            parts += _split(
                _pack_pieces(pieces, text, count_tokens, max_tokens),
                cuts[1:],
                count_tokens,
                max_tokens,
            )
        else:
            # A piece may have a token more for having been cut off, which must not lead to another cut.
            n_pieces = min(ceil(n_tokens / (max_tokens - max_tokens // 16)), len(text))
            n_chars = ceil(len(text) / n_pieces)
            pieces = [text[start : start + n_chars] for start in range(0, len(text), n_chars)]
            parts += _split(pieces, (), count_tokens, max_tokens)
    return parts


def _pack_pieces(
    pieces: list[str], text: str, count_tokens: CountTokens, max_tokens: int
) -> list[str]:
    """Join neighbouring pieces again as long as they stay within the limit, with the text between them."""
    packed: list[str] = []
    start = end = total = 0
    for piece, n_tokens in zip(pieces, count_tokens(pieces), strict=True):
        begin = text.index(piece, end)
        if end > start and total + n_tokens > max_tokens:
            packed.append(text[start:end].strip())
            start, total = begin, 0
        end, total = begin + len(piece), total + n_tokens
    packed.append(text[start:end].strip())
    return [part for part in packed if part]
