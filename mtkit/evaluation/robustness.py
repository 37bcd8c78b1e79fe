"""How much worse a model translates careless text: scores on a test set altered as training pairs are."""

from collections.abc import Callable, Sequence
from itertools import zip_longest
from random import Random
from typing import NamedTuple, get_args

from mtkit.config.augment import Alteration
from mtkit.corpus.augment.alterations import alter_pair
from mtkit.corpus.languages import word_separator
from mtkit.evaluation.metrics import Scores, check_counts, evaluate, make_scorers
from mtkit.evaluation.significance import AlteredScores
from mtkit.tokenizer.tags import split_tags

_SEED = 1


class _Text(NamedTuple):
    """A test set's sources, and one list of references or several, each as long."""

    src: list[str]
    references: list[list[str]]
    n_altered: int = 0
    """Lines that are not as they were."""


class Robustness(NamedTuple):
    """Scores on the test set as it is, and altered in each way."""

    clean: Scores
    altered: list[AlteredScores]


def evaluate_robustness(
    translate: Callable[[list[str]], list[str]],
    src: list[str],
    references: list[list[str]],
    langs: tuple[str, str],
    known_tags: Sequence[str] = (),
    metrics: Sequence[str] = ("bleu",),
    tokenize: str | None = None,
) -> Robustness:
    """Translate and score a test set as it is, and altered in each way that `augment:` knows, all lines that give cause.

    References are altered with the source where that changes how it is translated: capitals are answered with capitals, typos are not. Joined lines
    are half as many, with the same text in all.

    Args:
        translate: Called once, with every different line of all these sets.
        src: The sources.
        references: One list or several.
        langs: Language codes of source and target.
        known_tags: What may stand before a source; it stays.
        metrics: See `evaluate`.
        tokenize: See `evaluate`.
    Raises:
        MtkitError: See `evaluate`; before anything is translated.
    """
    check_counts(len(src), references, "lines to translate")
    make_scorers(metrics, tokenize)
    clean = _Text(src, references)
    texts: dict[str, _Text] = {
        name: _altered(name, clean, langs, known_tags) for name in get_args(Alteration)
    }
    texts["merge"] = _merged(clean, langs, known_tags)
    lines = list(dict.fromkeys(line for text in (clean, *texts.values()) for line in text.src))
    translations = dict(zip(lines, translate(lines), strict=True))

    def score(text: _Text, *, warns: bool = False) -> Scores:
        return evaluate(
            [translations[line] for line in text.src],
            text.references,
            metrics,
            tokenize,
            warns=warns,
        )

    return Robustness(
        score(clean, warns=True),
        [
            AlteredScores(name, text.n_altered, score(text) if text.n_altered else None)
            for name, text in texts.items()
        ],
    )


def _altered(
    name: Alteration, text: _Text, langs: tuple[str, str], known_tags: Sequence[str]
) -> _Text:
    new_src, new_references, n_altered = [], [], 0
    for number, (line, *references) in enumerate(zip(text.src, *text.references, strict=True)):
        # Each line has its own chance, so that a line more or less in the file leaves the others as they are.
        rng = Random(f"{_SEED} {name} {number}")
        tags, rest = split_tags(line, known_tags)
        altered, altered_references = alter_pair(name, rest, references, rng, langs)
        n_altered += altered != rest
        new_src.append("".join(tags) + altered if altered != rest else line)
        new_references.append(altered_references)
    return _Text(new_src, [list(stream) for stream in zip(*new_references, strict=True)], n_altered)


def _join(first: str, second: str, lang: str) -> str:
    return word_separator(lang).join(text for text in (first, second) if text)


def _merged(text: _Text, langs: tuple[str, str], known_tags: Sequence[str]) -> _Text:
    """Each line with an odd number joined with the next one, unless one is blank or their tags differ."""
    rows: list[list[str]] = []
    n_altered = 0
    pairs = [list(pair) for pair in zip(text.src, *text.references, strict=True)]
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
    return _Text(
        [row[0] for row in rows],
        [[row[i] for row in rows] for i in range(1, len(text.references) + 1)],
        n_altered,
    )
