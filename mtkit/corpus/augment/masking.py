"""Placeholders of a training pair replaced by masks, which a model then learns to carry along."""

import re
from collections import Counter
from random import Random
from typing import NamedTuple

from mtkit.config.augment import MASKS
from mtkit.corpus.placeholders import PLACEHOLDER
from mtkit.corpus.terms.lexicon import Lexicon

_NAME = re.compile(r"(?<![\w-])[^\W\d_][\w'’.-]*\w(?![\w-])")
_SENTENCE_START = re.compile(r"(?:^|[.!?…]['\"”’»]?\s)\s*['\"“‘«¿¡]*$")


class _Pair(NamedTuple):
    """Spans of one placeholder or name in source and target."""

    src: tuple[int, int]
    tgt: tuple[int, int]


def mask_pair(src: str, tgt: str, lexicon: Lexicon, rng: Random) -> tuple[str, str]:
    """Replace what both sides have in common by masks, the same ones on both sides.

    These are placeholders, addresses, tags, numbers and names that occur exactly once on each side,
    and names that a lexicon aligns, such as 민지 and Minji. The masks are numbered in the order of
    the source, with gaps, so that all of them are learned.

    Args:
        src: Source, one line.
        tgt: Its translation.
        lexicon: Aligns names that are written differently; may be empty.
        rng: Random number generator.
    Returns:
        The pair, unchanged if there is nothing to mask or if it contains a mask.
    """
    if any(mask in src or mask in tgt for mask in MASKS):
        return src, tgt
    pairs = _common(src, tgt) + _aligned_names(src, tgt, lexicon)
    chosen = _without_overlaps(pairs)
    if len(chosen) > 1:
        chosen = sorted(rng.sample(chosen, rng.randint(1, min(len(chosen), len(MASKS)))))
    numbers = sorted(rng.sample(range(len(MASKS)), len(chosen)))
    masks = [MASKS[number] for number in numbers]
    return (
        _replaced(src, [(pair.src, mask) for pair, mask in zip(chosen, masks, strict=True)]),
        _replaced(tgt, [(pair.tgt, mask) for pair, mask in zip(chosen, masks, strict=True)]),
    )


def _common(src: str, tgt: str) -> list[_Pair]:
    """Return the placeholders and names that are the same on both sides, each there once."""
    found = []
    for pattern in (PLACEHOLDER, _NAME):
        sides = [
            [(match.group(), match.span()) for match in pattern.finditer(t)] for t in (src, tgt)
        ]
        counts = [Counter(text for text, _ in side) for side in sides]
        in_tgt = dict(sides[1])
        for text, span in sides[0]:
            if counts[0][text] == counts[1][text] == 1 and (
                pattern is PLACEHOLDER or text[0].isupper()
            ):
                found.append(_Pair(span, in_tgt[text]))
    return found


def _aligned_names(src: str, tgt: str, lexicon: Lexicon) -> list[_Pair]:
    """Return aligned words that are capitalized in the target, but not for beginning a sentence."""
    return [
        _Pair(src_word[1:], tgt_word[1:])
        for src_word, tgt_word in lexicon.align(src, tgt)
        if tgt_word.text[0].isupper() and not _SENTENCE_START.search(tgt[: tgt_word.begin])
    ]


def _without_overlaps(pairs: list[_Pair]) -> list[_Pair]:
    """Keep the first of pairs that overlap on a side, in the order of the source."""
    chosen: list[_Pair] = []
    for pair in pairs:
        if not any(_overlap(pair.src, one.src) or _overlap(pair.tgt, one.tgt) for one in chosen):
            chosen.append(pair)
    return sorted(chosen)


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _replaced(text: str, masks: list[tuple[tuple[int, int], str]]) -> str:
    for (begin, end), mask in sorted(masks, reverse=True):
        text = text[:begin] + mask + text[end:]
    return text
