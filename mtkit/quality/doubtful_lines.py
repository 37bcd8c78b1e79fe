"""Flags on translations that are doubtful, without references: for a translator to look at."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Literal

from mtkit.errors import MtkitError
from mtkit.evaluation.faults import Language, Segment, find_faults, usual_scripts
from mtkit.evaluation.words import count_scripts, has_spaces
from mtkit.io.logs import counted, get_logger

logger = get_logger(__name__)

DEFAULT_SHARE = 0.05
_MIN_CHARS, _MIN_LINES = 20, 20
"""The length of translations relative to their sources is measured on lines of at least this many
characters, if there are at least this many."""


def find_doubts(
    sources: Sequence[str],
    translations: Sequence[str],
    scores: Mapping[str, Sequence[float]] | None = None,
    *,
    share: float = DEFAULT_SHARE,
    langs: tuple[str, str] = ("", ""),
) -> list[list[str]]:
    """Return the flags of each line: its faults, and the names of scores that are low.

    Args:
        sources: The sources.
        translations: Their translations.
        scores: Scores of all lines by their names; higher is better.
        share: Share of the lines that have a low score, for each of the scores.
        langs: Codes of source and target language, if known; otherwise their scripts are those that
            the texts often use.
    Raises:
        MtkitError: The numbers of sources and translations differ.
    """
    if len(sources) != len(translations):
        raise MtkitError(
            f"{counted(len(sources), 'sources')}, but {counted(len(translations), 'translations')}",
            "line N of one must translate line N of the other",
        )
    src_scripts = usual_scripts(sources, langs[0])
    language = Language(usual_scripts(translations, langs[1]), has_spaces(translations))
    ratio = _length_ratio(sources, translations)
    flags = []
    for source, translation in zip(sources, translations, strict=True):
        n_chars = len(translation) if ratio is None else ratio * len(source)
        # A name in Latin script stays what it is, but Korean words in English text do not.
        scripts = frozenset(count_scripts([source])) - src_scripts
        flags.append(find_faults(translation, Segment([], source, n_chars, scripts), language))
    indices = [i for i, source in enumerate(sources) if source.strip()]
    for name, values in (scores or {}).items():
        for i in _lowest(indices, values, share):
            flags[i].append(f"low {name}")
    return flags


def _length_ratio(sources: Sequence[str], translations: Sequence[str]) -> float | None:
    """Return the median number of characters of a translation for each of its source."""
    ratios = [
        len(translation) / len(source)
        for source, translation in zip(sources, translations, strict=True)
        if len(source) >= _MIN_CHARS and translation.strip()
    ]
    if len(ratios) < _MIN_LINES:
        logger.warning(
            "too few lines to know how long translations are: none is flagged as cut short or too "
            "long (%d lines of at least %d characters are needed)",
            _MIN_LINES,
            _MIN_CHARS,
        )
        return None
    return median(ratios)


def _lowest(indices: Sequence[int], values: Sequence[float], share: float) -> Iterator[int]:
    """Yield the indices of the lowest values; of several equal to the last one, all."""
    n = math.floor(share * len(indices))
    if n:
        limit = sorted(values[i] for i in indices)[n - 1]
        yield from (i for i in indices if values[i] <= limit)


def flag_lines(
    pairs: Sequence[tuple[str, str]],
    flags: Sequence[Sequence[str]],
    scores: Mapping[str, Sequence[float]],
    output_format: Literal["tsv", "jsonl"],
) -> Iterator[str]:
    """Format the flags and scores of each line.

    Args:
        pairs: Sources and translations.
        flags: Flags of each.
        scores: Scores by their names.
        output_format: tsv: the flags, separated by commas, and a column for each score; jsonl: an
            object with the texts too.
    """
    for i, (source, translation) in enumerate(pairs):
        if output_format == "tsv":
            yield "\t".join(
                [",".join(flags[i]), *(f"{values[i]:.4f}" for values in scores.values())]
            )
        else:
            found = {name: round(values[i], 6) for name, values in scores.items()}
            tree = {"source": source, "translation": translation, "flags": list(flags[i])}
            yield json.dumps(tree | {"scores": found}, ensure_ascii=False)


def summary(flags: Sequence[Sequence[str]]) -> str:
    """Return for example `3 of 100 lines flagged: 2 looping, 1 number lost`."""
    counts = Counter(name for names in flags for name in names)
    by_name = ", ".join(f"{n:,} {name}" for name, n in counts.most_common())
    n_flagged = sum(map(bool, flags))
    lines = counted(len(flags), "lines")
    return f"{n_flagged:,} of {lines} flagged" + (f": {by_name}" if by_name else "")
