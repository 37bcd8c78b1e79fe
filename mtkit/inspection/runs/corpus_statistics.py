"""Statistics of the token store that a run was trained on, for its report."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtkit.corpus.clean.drop_counts import REASONS, DroppedSample
from mtkit.corpus.clean.text_fixes import FIXES
from mtkit.corpus.sentence_pair import SIDES
from mtkit.corpus.store.preprocess_report import PreprocessReport
from mtkit.corpus.store.token_store import TokenStore
from mtkit.errors import MtkitError

_MAX_ROWS = 1_000_000
"""Number of pairs, evenly spaced, whose lengths are read."""
_PERCENTILES = (5, 50, 95)


@dataclass(frozen=True)
class LengthStatistics:
    """Lengths of one side of the training pairs in tokens."""

    side: str
    n_tokens: int
    mean: float
    percentiles: tuple[int, int, int]
    """5th, 50th and 95th percentile."""
    longest: int


@dataclass(frozen=True)
class Rule:
    """Pairs that a rule has dropped or changed."""

    name: str
    explanation: str
    n_pairs: int
    samples: tuple[DroppedSample, ...] = ()


@dataclass(frozen=True)
class CorpusStatistics:
    """The training corpus of a run, as preprocessing has left it."""

    report: PreprocessReport
    dropped: list[Rule]
    fixed: list[Rule]
    corpora: list[tuple[str, int]]
    """Name and number of pairs of each corpus."""
    lengths: list[LengthStatistics]
    is_of_run: bool
    """Whether this is the data that the run was trained on; False if it was preprocessed again
    with other settings."""


def read_corpus_statistics(store_dir: Path, key: str | None) -> CorpusStatistics:
    """Read the statistics of a token store.

    Args:
        store_dir: The store.
        key: Signature of the training data that the run has recorded, if any.
    Raises:
        MtkitError: The store is missing, damaged, or of another release.
    """
    store = TokenStore.open(store_dir, check_hashes=False)
    try:
        report = PreprocessReport.from_manifest(store.manifest, store_dir, fresh=True)
    except (KeyError, TypeError):
        raise MtkitError(
            f"`{store_dir}`: the manifest has no report", "run `mtkit preprocess` to build it again"
        ) from None
    counts, fixed, samples = report.dropped.counts, report.dropped.fixed, report.dropped.samples
    return CorpusStatistics(
        report=report,
        dropped=[
            Rule(name, text, counts[name], tuple(samples.get(name, ())))
            for name, text in REASONS.items()
            if counts[name]
        ],
        fixed=[Rule(name, text, fixed[name]) for name, text in FIXES.items() if fixed[name]],
        corpora=[(corpus.name, corpus.n_pairs) for corpus in store.corpora],
        lengths=_lengths(store),
        is_of_run=key is None or store.manifest.get("key") == key,
    )


def _lengths(store: TokenStore) -> list[LengthStatistics]:
    if not store.n_pairs:
        return []
    rows = np.unique(np.linspace(0, store.n_pairs - 1, _MAX_ROWS).astype(np.int64))
    found = []
    for side in SIDES:
        lengths = store.lengths(side, rows)
        low, median, high = (int(value) for value in np.percentile(lengths, _PERCENTILES))
        n_tokens = store.manifest["n_tokens"][side]
        found.append(
            LengthStatistics(
                side, n_tokens, n_tokens / store.n_pairs, (low, median, high), int(lengths.max())
            )
        )
    return found
