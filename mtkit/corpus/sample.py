"""A small part of a recipe's training corpora, to learn from it what to expect of the whole."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mtkit.config.data import CorpusSource, DataConfig, corpus_name
from mtkit.config.recipe import Recipe
from mtkit.corpus.clean.drop_limit import TooManyDropped
from mtkit.corpus.read.pairs import read_pairs
from mtkit.corpus.sentence_pair import SentencePair
from mtkit.corpus.store.preprocess import preprocess
from mtkit.corpus.store.preprocess_report import PreprocessReport
from mtkit.errors import MtkitError
from mtkit.io.progress import progress
from mtkit.io.text import write_lines
from mtkit.tokenizer.train import reservoir_sample

SAMPLE_SIZE = 50_000
"""Pairs that are drawn at first."""
_GROWTH_FACTOR = 8
"""A sample that gives no vocabulary of the wanted size is followed by one so many times as large."""
_SEED = 1


class CorpusSample(NamedTuple):
    """A prepared sample."""

    recipe: Recipe
    """The recipe, whose corpora are the sample, and whose tokenizer and token store are made of it."""
    n_pairs: int
    """Pairs of the whole, before cleaning."""
    n_sampled: int
    """Pairs of the sample, before cleaning."""
    report: PreprocessReport

    @property
    def scale(self) -> float:
        """How many times as large the whole is."""
        return self.n_pairs / self.n_sampled


def prepare_sample(recipe: Recipe, folder: Path, size: int = SAMPLE_SIZE) -> CorpusSample:
    """Draw pairs at random from all corpora together, and make tokenizer and token store of them.

    All corpora are read to the end once, or more often where a sample is too small for the vocabulary.

    Args:
        recipe: Of which nothing is written to.
        folder: Takes all that is made.
        size: Pairs to draw at first.
    Raises:
        MtkitError: The corpora cannot be read, too much of one is dropped, or not even the whole of them gives a tokenizer and pairs to train on.
    """
    while True:
        sampled, n_pairs, n_sampled = _draw_sample(recipe, folder / str(size), size)
        try:
            return CorpusSample(sampled, n_pairs, n_sampled, preprocess(sampled))
        except MtkitError as exc:
            if n_sampled == n_pairs or isinstance(exc, TooManyDropped):
                raise
        size *= _GROWTH_FACTOR


class _AllPairs:
    """The pairs of all corpora, each with its corpus' number; counts them."""

    def __init__(self, data: DataConfig) -> None:
        self.data = data
        self.n_read = 0

    def __iter__(self) -> Iterator[tuple[int, SentencePair]]:
        with progress("Counting pairs", unit="pairs") as bar:
            for corpus, source in enumerate(self.data.train):
                for pair in read_pairs(source, self.data):
                    self.n_read += 1
                    bar.advance()
                    yield corpus, pair


def _draw_sample(recipe: Recipe, folder: Path, size: int) -> tuple[Recipe, int, int]:
    """The recipe of a sample, the pairs of the whole, and those of the sample."""
    all_pairs = _AllPairs(recipe.data)
    drawn = reservoir_sample(all_pairs, size, _SEED)
    sources = []
    for corpus, source in enumerate(recipe.data.train):
        sources.append(
            _write_source(
                folder / str(corpus), source, [pair for number, pair in drawn if number == corpus]
            )
        )
    data = recipe.data.model_copy(update={"train": tuple(sources), "work_dir": folder / "work"})
    # The neighbours of a drawn line are not drawn.
    unordered = recipe.preprocess.model_copy(update={"check_alignment": "off"})
    return (
        recipe.model_copy(update={"data": data, "preprocess": unordered}),
        all_pairs.n_read,
        len(drawn),
    )


def _write_source(folder: Path, source: CorpusSource, pairs: list[SentencePair]) -> CorpusSource:
    """Two text files in place of whatever the corpus is."""
    paths = {"src": folder / "src.txt", "tgt": folder / "tgt.txt"}
    for side, path in paths.items():
        write_lines(path, (getattr(pair, side).replace("\n", " ").rstrip("\r") for pair in pairs))
    # The rest of what is known of it, such as its tags and weight, stays; word alignments are of other lines.
    kept = source.model_dump(include={"src_lang", "tgt_lang", "tags", "weight"})
    return CorpusSource.model_validate({**kept, "name": corpus_name(source), **paths})
