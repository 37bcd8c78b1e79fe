"""A sample of a recipe's training corpora, preprocessed to estimate what the whole needs."""

from pathlib import Path
from typing import NamedTuple

from mtkit.config.data import CorpusSource, corpus_name
from mtkit.config.recipe import Recipe
from mtkit.corpus.clean.drop_limit import TooManyDropped
from mtkit.corpus.read.pairs import NumberedPairs
from mtkit.corpus.sentence_pair import SentencePair
from mtkit.corpus.store.preprocess import preprocess
from mtkit.corpus.store.preprocess_report import PreprocessReport
from mtkit.errors import MtkitError
from mtkit.io.text import write_lines
from mtkit.tokenizer.train import reservoir_sample

SAMPLE_SIZE = 50_000
"""Size of the first sample in pairs."""
_GROWTH_FACTOR = 8
"""If a sample is too small for the vocabulary, the next is this many times as large."""
_SEED = 1


class CorpusSample(NamedTuple):
    """A preprocessed sample."""

    recipe: Recipe
    """The recipe with the sample as its corpora, and with the sample's tokenizer and token
    store.
    """
    n_pairs: int
    """Number of pairs in the corpora, before cleaning."""
    n_sampled: int
    """Number of pairs in the sample, before cleaning."""
    report: PreprocessReport

    @property
    def scale(self) -> float:
        """Size of the corpora, relative to the sample."""
        return self.n_pairs / self.n_sampled


def prepare_sample(recipe: Recipe, directory: Path, size: int = SAMPLE_SIZE) -> CorpusSample:
    """Draw pairs at random from all corpora, and make a tokenizer and a token store from them.

    All corpora are read once, or more often if a sample is too small for the vocabulary.

    Args:
        recipe: The recipe; nothing is written to its directories.
        directory: Directory for all results.
        size: Size of the first sample in pairs.
    Raises:
        MtkitError: The corpora cannot be read, too many pairs of one are dropped, or even all pairs
            do not suffice for a tokenizer and training pairs.
    """
    while True:
        sampled, n_pairs, n_sampled = _draw_sample(recipe, directory / str(size), size)
        try:
            return CorpusSample(sampled, n_pairs, n_sampled, preprocess(sampled))
        except MtkitError as exc:
            if n_sampled == n_pairs or isinstance(exc, TooManyDropped):
                raise
        size *= _GROWTH_FACTOR


def _draw_sample(recipe: Recipe, directory: Path, size: int) -> tuple[Recipe, int, int]:
    """Return the sample's recipe, the number of pairs in the corpora and in the sample."""
    all_pairs = NumberedPairs(recipe.data, "Counting pairs")
    drawn = reservoir_sample(all_pairs, size, _SEED)
    sources = tuple(
        _write_source(directory / str(corpus), source, [pair for i, pair in drawn if i == corpus])
        for corpus, source in enumerate(recipe.data.train)
    )
    data = recipe.data.model_copy(update={"train": sources, "work_dir": directory / "work"})
    # Adjacent lines of the sample are not adjacent in the corpus.
    unordered = recipe.preprocess.model_copy(update={"check_alignment": "off"})
    return (
        recipe.model_copy(update={"data": data, "preprocess": unordered}),
        all_pairs.n_read.total(),
        len(drawn),
    )


def _write_source(directory: Path, source: CorpusSource, pairs: list[SentencePair]) -> CorpusSource:
    """Write the pairs of a sample as two text files, and return them as a corpus."""
    paths = {"src": directory / "src.txt", "tgt": directory / "tgt.txt"}
    for side, path in paths.items():
        write_lines(path, (getattr(pair, side).replace("\n", " ").rstrip("\r") for pair in pairs))
    # Tags and weight stay as they are; a word alignment refers to other lines.
    attributes = source.model_dump(include={"src_lang", "tgt_lang", "tags", "weight", "documents"})
    return CorpusSource.model_validate({**attributes, "name": corpus_name(source), **paths})
