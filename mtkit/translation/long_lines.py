"""Splits lines into the parts that are translated: at sentence ends, or where they are too long."""

import re
from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple

CountTokens = Callable[[list[str]], list[int]]
"""Returns the number of tokens of each of several texts."""
Sentences = Callable[[str], list[str]]
"""Splits a text into sentences, each with the white space after it."""
_Split = Callable[[str], list[str]]
"""Splits a text at all boundaries of one kind; spaces there may be left out."""

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])\s*")
_CLAUSE_END = re.compile(r"(?<=[,;:])\s+|(?<=[、，；：])\s*")
_SPACE = re.compile(r"\s+")
_LINE = re.compile(r"[^\n]+")


class Limits(NamedTuple):
    """Maximum size of a part of a line."""

    max_tokens: int
    """Maximum number of tokens of a part."""
    max_sentences: int | None = 1
    """Maximum number of sentences of a part; None keeps a line together if it fits."""
    max_packed_tokens: int = 0
    """Maximum number of tokens of a part of several sentences."""


class Span(NamedTuple):
    """Position of a part in its text, without the white space around it."""

    begin: int
    end: int
    n_sentences: int = 1


def split_line(
    text: str,
    count_tokens: CountTokens,
    limits: Limits,
    find: Sentences,
    n_tokens: int | None = None,
) -> list[Span]:
    """Split a text at line feeds and between sentences.

    A sentence that is too long is split between clauses, words or characters.

    Args:
        text: A text.
        count_tokens: Counts the tokens of each of several texts.
        limits: Maximum size of a part.
        find: Splits a text into sentences.
        n_tokens: Number of tokens of the text, if it is known.
    Returns:
        The parts in order, which together hold all of the text except white space; none for a
        blank text.
    """
    spans: list[Span] = []
    for line in _LINE.finditer(text):
        found = _sentence_spans(text, line.start(), line.end(), find)
        spans += _pack(text, found, count_tokens, limits) if len(found) > 1 else found
    if n_tokens is not None and len(spans) == 1:
        counts = [n_tokens]
    else:
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
    """Join neighboring sentences as far as the limits allow."""
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
    # Where the rules of the language find no end, for example after an abbreviation, a full stop
    # is still a better boundary than a comma.
    cuts = (find, _SENTENCE_END.split, _CLAUSE_END.split, _SPACE.split)
    found = []
    end = span.begin
    for part in _split([text[span.begin : span.end]], cuts, count_tokens, max_tokens):
        begin = text.index(part, end)
        end = begin + len(part)
        found.append(Span(begin, end))
    return found


def halved(text: str, span: Span, count_tokens: CountTokens, find: Sentences) -> list[Span]:
    """Split a part into its sentences, or a single sentence into parts of about half its tokens.

    Args:
        text: The text that contains the part.
        span: Position of the part.
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
            stretches = [stretch for stretch in cuts[0](text) if stretch]
            parts += _split(
                _pack_stretches(stretches, text, count_tokens, max_tokens),
                cuts[1:],
                count_tokens,
                max_tokens,
            )
        else:
            # A stretch may have one more token than its share because it was cut off, which must
            # not lead to another cut.
            n_stretches = min(ceil(n_tokens / (max_tokens - max_tokens // 16)), len(text))
            n_chars = ceil(len(text) / n_stretches)
            stretches = [text[start : start + n_chars] for start in range(0, len(text), n_chars)]
            parts += _split(stretches, (), count_tokens, max_tokens)
    return parts


def _pack_stretches(
    stretches: list[str], text: str, count_tokens: CountTokens, max_tokens: int
) -> list[str]:
    """Join neighboring stretches with the text between them, as far as the limit allows."""
    packed: list[str] = []
    start = end = total = 0
    for stretch, n_tokens in zip(stretches, count_tokens(stretches), strict=True):
        begin = text.index(stretch, end)
        if end > start and total + n_tokens > max_tokens:
            packed.append(text[start:end].strip())
            start, total = begin, 0
        end, total = begin + len(stretch), total + n_tokens
    packed.append(text[start:end].strip())
    return [part for part in packed if part]
