"""Reject a corpus if too many pairs are dropped, and report the rule and the likely cause."""

from collections import Counter
from collections.abc import Iterable
from math import sqrt

from mtkit.config.data import CorpusSource, corpus_name
from mtkit.config.recipe import Recipe
from mtkit.corpus.clean.drop_counts import DropCounts
from mtkit.corpus.scripts import script_of, scripts_of_language
from mtkit.corpus.sentence_pair import SIDES
from mtkit.errors import MtkitError

_CAUSES = {
    "blank": ("one side has no text", "check that the files are the right ones"),
    "length": (
        "one side is not between clean.min_chars and clean.max_chars",
        "split the lines into sentences, or change these limits",
    ),
    "garbled": (
        "the text was decoded with a wrong encoding",
        "convert the original files to UTF-8 again",
    ),
    "letters": (
        "one side has almost no letters",
        "check that the files and columns are the right ones, or lower clean.min_letters",
    ),
    "script": (
        "one side has too few letters of its language's script",
        "check data.src_lang and data.tgt_lang, or lower clean.min_script",
    ),
    "language": (
        "one side is in another language than its language code says",
        "check data.src_lang and data.tgt_lang, or set clean.wrong_language: false",
    ),
    "char_ratio": (
        "one side is much longer than the other",
        "run `mtkit data check` to see whether the lines match, or raise clean.max_char_ratio",
    ),
    "copy": (
        "source and target are the same text",
        "check that the files are in two languages, or set clean.min_copy_letters: 0",
    ),
    "test_overlap": (
        "the pairs also occur in data.validation or data.test",
        "hold out pairs that are not in data.train",
    ),
    "too_long": (
        "one side has more tokens than preprocess.max_length",
        "split the lines into sentences, or raise preprocess.max_length",
    ),
    "ratio": (
        "one side has many more tokens than the other",
        "run `mtkit data check` to see whether the lines match, or raise preprocess.max_ratio",
    ),
    "duplicate": (
        "the pairs occur earlier in the training corpora",
        "name each corpus once (`weight` repeats it), or set clean.duplicates: keep",
    ),
}
"""Likely cause and remedy for each rule."""

_WRONG_LANGUAGE = (
    "set data.src_lang and data.tgt_lang to the languages of the files, or swap the files"
)


class TooManyDropped(MtkitError):
    """The share of dropped pairs exceeds preprocess.max_dropped."""


def check_dropped(
    recipe: Recipe,
    source: CorpusSource,
    n_read: int,
    dropped: DropCounts,
    *,
    is_sample: bool = False,
) -> None:
    """Reject a corpus if the share of dropped pairs exceeds `preprocess.max_dropped`.

    Blank pairs of a corpus with documents do not count: they end documents.

    Args:
        recipe: Gives the limit and the languages.
        source: The corpus.
        n_read: Number of pairs before cleaning.
        dropped: Counts of the dropped ones.
        is_sample: Whether the pairs are a random sample of the corpus. The limit is then raised by
            three standard errors.
    Raises:
        TooManyDropped: Names the rule that drops most pairs, the share and the likely cause.
    """
    limit, counts = recipe.preprocess.max_dropped, Counter(dropped.counts)
    if recipe.data.has_documents(source):
        n_read -= counts.pop("blank", 0)
    n_dropped = counts.total()
    slack = 3 * sqrt(limit * (1 - limit) / n_read) if is_sample and n_read else 0.0
    if n_dropped <= (limit + slack) * n_read:
        return
    (rule, count), *_ = counts.most_common(1)
    cause, todo = _CAUSES[rule]
    if rule == "script" and (differences := _script_mismatch(recipe, source, dropped)):
        cause, todo = differences, _WRONG_LANGUAGE
    share = f"{n_dropped:,} of {n_read:,} pairs were dropped ({n_dropped / n_read:.1%})"
    raise TooManyDropped(
        f"corpus `{corpus_name(source)}`: {share}, {count:,} of them by the rule `{rule}`: {cause}",
        f"{todo}; preprocess.max_dropped (now {limit:g}) is the largest share that may be dropped",
    )


def _script_mismatch(recipe: Recipe, source: CorpusSource, dropped: DropCounts) -> str:
    """Describe a wrong script per side, as in `source is Hangul, but src_lang is de`."""
    samples = dropped.samples.get("script", [])
    langs = recipe.data.languages_of(source)
    differences = []
    for name, side, lang in zip(("source", "target"), SIDES, langs, strict=True):
        script = _main_script(getattr(sample, side) for sample in samples)
        expected = scripts_of_language(lang)
        if script and expected and script not in expected:
            differences.append(f"{name} is {script.capitalize()}, but {side}_lang is {lang}")
    return " and ".join(differences)


def _main_script(texts: Iterable[str]) -> str | None:
    counts = Counter(
        script for text in texts for char in text if (script := script_of(char)) is not None
    )
    return max(counts, key=counts.__getitem__, default=None)
