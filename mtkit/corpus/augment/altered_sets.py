"""A test set altered as training pairs are, to measure robustness against careless text."""

from collections.abc import Sequence
from itertools import zip_longest
from random import Random
from typing import NamedTuple, get_args

from mtkit.config.augment import Alteration
from mtkit.corpus.augment.alterations import alter_pair
from mtkit.corpus.languages import word_separator
from mtkit.tokenizer.tags import split_tags

_SEED = 1


class AlteredSet(NamedTuple):
    """Sources of a test set with their references."""

    src: list[str]
    references: list[list[str]]
    """One list or several, each as long as the sources."""
    n_altered: int = 0
    """Number of altered lines."""


def alter_test_set(
    src: list[str],
    references: list[list[str]],
    langs: tuple[str, str],
    known_tags: Sequence[str] = (),
) -> dict[str, AlteredSet]:
    """Alter a test set in each way that `augment:` offers, wherever a line permits it.

    References are altered with the source where its translation changes too: a source in capitals
    has a reference in capitals, a source with typos has one without. `merge` joins neighboring
    lines, which about halves their number and keeps all text.

    Args:
        src: The sources.
        references: One list or several, each as long as the sources.
        langs: Language codes of source and target.
        known_tags: Tags that may precede a source; they are kept.
    Returns:
        The altered sets by the name of the alteration.
    """
    original = AlteredSet(src, references)
    sets = {name: _altered(name, original, langs, known_tags) for name in get_args(Alteration)}
    return {**sets, "merge": _merged(original, langs, known_tags)}


def _altered(
    name: Alteration, original: AlteredSet, langs: tuple[str, str], known_tags: Sequence[str]
) -> AlteredSet:
    new_src, new_references, n_altered = [], [], 0
    rows = zip(original.src, *original.references, strict=True)
    for number, (line, *references) in enumerate(rows):
        # A generator for each line, so that adding a line to the file does not change the others.
        rng = Random(f"{_SEED} {name} {number}")
        tags, rest = split_tags(line, known_tags)
        altered, altered_references = alter_pair(name, rest, references, rng, langs)
        n_altered += altered != rest
        new_src.append("".join(tags) + altered if altered != rest else line)
        new_references.append(altered_references)
    return AlteredSet(
        new_src, [list(stream) for stream in zip(*new_references, strict=True)], n_altered
    )


def _merged(original: AlteredSet, langs: tuple[str, str], known_tags: Sequence[str]) -> AlteredSet:
    """Join lines 1 and 2, 3 and 4 and so on, unless one is blank or their tags differ."""
    rows: list[list[str]] = []
    n_altered = 0
    pairs = [list(pair) for pair in zip(original.src, *original.references, strict=True)]
    for first, second in zip_longest(pairs[::2], pairs[1::2]):
        (tags, rest), (other_tags, other) = (
            split_tags(pair[0] if pair else "", known_tags) for pair in (first, second)
        )
        if second is not None and rest.strip() and other.strip() and tags == other_tags:
            joined = [_join(a, b, langs[1]) for a, b in zip(first[1:], second[1:], strict=True)]
            rows.append([_join(first[0], other.lstrip(), langs[0]), *joined])
            n_altered += 1
        else:
            rows += [first] if second is None else [first, second]
    return AlteredSet(
        [row[0] for row in rows],
        [[row[i] for row in rows] for i in range(1, len(original.references) + 1)],
        n_altered,
    )


def _join(first: str, second: str, lang: str) -> str:
    return word_separator(lang).join(text for text in (first, second) if text)
