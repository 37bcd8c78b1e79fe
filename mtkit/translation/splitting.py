"""Lines that are longer than the model can take are cut into parts; nothing is ever left out."""

import re
from collections.abc import Callable
from functools import partial
from math import ceil

from mtkit.corpus.languages import word_space
from mtkit.translation.sentence_ends import sentences

CountTokens = Callable[[list[str]], list[int]]
"""Tokens of each of several texts."""
_Cut = Callable[[str], list[str]]
"""A text cut at all places of one kind; spaces there may be left out."""

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])\s*")
_CLAUSE_END = re.compile(r"(?<=[,;:])\s+|(?<=[、，；：])\s*")
_SPACE = re.compile(r"\s+")


def split_line(text: str, count_tokens: CountTokens, max_tokens: int, lang: str = "") -> list[str]:
    """Cut a line into parts of at most `max_tokens` tokens: between sentences if that is enough, else between clauses, words, characters.

    Args:
        text: The line.
        count_tokens: Tokens of each of several texts.
        max_tokens: The limit.
        lang: The line's language, by whose rules sentences end.
    Returns:
        Parts whose texts, but for the spaces between them, make up the line.
    """
    # Where the language's rules find no end, for example after an abbreviation, a full stop is still a better place than a comma.
    cuts = (partial(sentences, lang=lang), _SENTENCE_END.split, _CLAUSE_END.split, _SPACE.split)
    return _split([text], cuts, count_tokens, max_tokens)


def join_parts(parts: list[str], lang: str) -> str:
    """Put translated parts together, with a space where the language writes one."""
    return word_space(lang).join(part for part in parts if part)


def _split(texts: list[str], cuts: tuple[_Cut, ...], count_tokens: CountTokens, max_tokens: int) -> list[str]:
    parts: list[str] = []
    for text, n_tokens in zip(texts, count_tokens(texts), strict=True):
        if n_tokens <= max_tokens or len(text) <= 1:
            parts.append(text)
        elif cuts:
            pieces = [piece for piece in cuts[0](text) if piece]
            parts += _split(_pack(pieces, text, count_tokens, max_tokens), cuts[1:], count_tokens, max_tokens)
        else:
            # A piece may have a token more for having been cut off, but shall not be cut once more for that.
            n_pieces = min(ceil(n_tokens / (max_tokens - max_tokens // 16)), len(text))
            n_chars = ceil(len(text) / n_pieces)
            pieces = [text[start : start + n_chars] for start in range(0, len(text), n_chars)]
            parts += _split(pieces, (), count_tokens, max_tokens)
    return parts


def _pack(pieces: list[str], text: str, count_tokens: CountTokens, max_tokens: int) -> list[str]:
    """Put neighbouring pieces together again as long as they stay within the limit, in the text as it was."""
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
