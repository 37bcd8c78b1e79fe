"""The demo corpus: Korean-English sentence pairs in three parts, packaged as compressed text.

`tools/demo_corpus` holds the grammar that the sentences were drawn from.
"""

import lzma
from importlib.resources import files
from typing import NamedTuple

from mtkit.corpus.sentence_pair import SentencePair

FILE_NAME = "corpus.tsv.xz"
"""Korean, a tab, English: the lines of all parts, in order."""
N_TRAIN, N_VALIDATION, N_TEST = 20_000, 500, 1000
WORKED_EXAMPLE = SentencePair("나는 학교에 간다", "I go to school.")
"""In no part of the corpus; training shows 나 and 학교 in no common sentence."""


class DemoCorpus(NamedTuple):
    """Sentence pairs, none of them in two parts.

    Every validation and test sentence contains a word combination (verb and object, person and
    place, adjective and noun) that no training sentence contains. Half of the Korean sentences lack
    their full stop or question mark, as people often type them.
    """

    train: list[SentencePair]
    validation: list[SentencePair]
    test: list[SentencePair]


def demo_corpus() -> DemoCorpus:
    """Read the packaged corpus."""
    text = lzma.decompress(files("mtkit.demo").joinpath(FILE_NAME).read_bytes()).decode()
    pairs = [SentencePair(*line.split("\t")) for line in text.splitlines()]
    return DemoCorpus(pairs[:N_TRAIN], pairs[N_TRAIN:-N_TEST], pairs[-N_TEST:])
