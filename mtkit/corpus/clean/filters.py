"""Rules on the number of pieces, and every reason why a pair is left out, as told to people."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mtkit.config.preprocess import PreprocessConfig
from mtkit.corpus.clean.pair_cleaner import RULES, Dropped
from mtkit.corpus.clean.text_fixes import MENDINGS

MIN_LENGTH_FOR_RATIO = 10
"""Pieces of the longer side below which the ratio says nothing: `Stop!` may well be three words elsewhere."""

REASONS = RULES | {
    "too_long": "one side has more than preprocess.max_length pieces",
    "ratio": "one side has many more pieces than the other (preprocess.max_ratio)",
    "duplicate": "occurs earlier in the corpus (clean.duplicates)",
}
"""Why a pair is dropped, in the order in which the rules are tried; a pair counts for the first that it breaks."""

_SHOWN_CHARS = 150


def length_problems(
    src_lengths: NDArray[np.integer], tgt_lengths: NDArray[np.integer], config: PreprocessConfig
) -> dict[int, str]:
    """Which pairs break a rule on the number of pieces.

    Args:
        src_lengths: Pieces of each source. Shape (N,).
        tgt_lengths: Pieces of each target. Shape (N,).
        config: The limits.
    Returns:
        The reason by the pair's place, for those that are to be dropped. Text can be blank to the tokenizer alone, as a zero-width space is.
    """
    shorter, longer = np.minimum(src_lengths, tgt_lengths), np.maximum(src_lengths, tgt_lengths)
    is_blank = shorter == 0
    is_too_long = longer > config.max_length
    breaks_ratio = (longer >= MIN_LENGTH_FOR_RATIO) & (longer > config.max_ratio * shorter)
    return {
        int(place): "blank" if is_blank[place] else "too_long" if is_too_long[place] else "ratio"
        for place in np.flatnonzero(is_blank | is_too_long | breaks_ratio)
    }


def dropped_lines(dropped: Dropped, n_samples: int = 0, n_read: int = 0) -> Iterator[str]:
    """What was dropped and mended, for people, line by line.

    Args:
        dropped: The counts.
        n_samples: Pairs to show of each reason.
        n_read: Pairs in all, for the shares; 0 leaves these out.
    """
    for reason, explanation in REASONS.items():
        if count := dropped.counts[reason]:
            yield f"  {_counted(count, n_read)} dropped by rule {reason}: {explanation}"
            for line, src, tgt in dropped.samples.get(reason, [])[:n_samples]:
                where = "" if line is None else f"line {line}: "
                yield f"      {where}{_shown(src)}  |  {_shown(tgt)}"
    for name, explanation in MENDINGS.items():
        if count := dropped.mended[name]:
            yield f"  {_counted(count, n_read)} repaired by rule {name}: {explanation}"
    if count := dropped.n_unaligned:
        yield f"  {_counted(count, n_read)} lost their word alignment: cleaning or the tokenizer joins, splits or takes away words of theirs"


def _counted(count: int, n_all: int) -> str:
    return f"{count:,} ({count / n_all:.2%})" if n_all else f"{count:,}"


def _shown(text: str) -> str:
    """A text as a terminal may safely show it."""
    visible = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
    return visible if len(visible) <= _SHOWN_CHARS else f"{visible[:_SHOWN_CHARS]}..."
