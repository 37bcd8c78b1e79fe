"""Metrics whose score of a corpus is computed from sums over its segments.

A resampled corpus is then a weighted sum of rows, so that thousands of resamples are one matrix
product.
"""

import copy
import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mtkit.evaluation.bleu_tokenizers import load_bleu

Rows = npt.NDArray[np.float64]
"""Statistics of each segment, such as its numbers of matching n-grams. Shape (segments, columns).
"""


class CorpusMetric(Protocol):
    """Metric that is computed from sums over segments."""

    name: str
    """Name in reports."""
    higher_is_better: bool
    n_digits: int
    """Number of decimals in reports."""

    def statistics(self, hypotheses: Sequence[str]) -> Rows:
        """Return the statistics of each segment of one system."""
        ...

    def score(self, sums: Sequence[float]) -> float:
        """Return the score of segments from the sums of their statistics. Shape (columns,)."""
        ...

    def segment_score(self, sums: Sequence[float]) -> float:
        """Return the score of one segment."""
        ...

    def detail(self, sums: Sequence[float]) -> str:
        """Return the components of the score; may be empty."""
        ...

    def signature(self, **resampling: int) -> str:
        """Return a text that records how the score was computed.

        Args:
            resampling: Additions to it, such as bs=1000, seed=12345.
        """
        ...

    @property
    def version(self) -> str:
        """Version of the program that computes the metric."""
        ...

    @property
    def bootstrap_type(self) -> type[np.floating[Any]]:
        """Type of the sums over a bootstrap resample."""
        ...


_NAMES = {"bleu": "BLEU", "chrf": "chrF2", "chrf++": "chrF2++", "ter": "TER"}


class SacreBleuMetric:
    """A `CorpusMetric` of sacreBLEU.

    Args:
        key: bleu, chrf, chrf++ or ter.
        references: One list or several; None is a missing reference.
        tokenize: Tokenizer of BLEU; None is the default.
    Raises:
        MtkitError: The tokenizer is unknown, or it cannot be loaded.
    """

    n_digits = 2
    bootstrap_type = np.float32  # as in sacreBLEU, for equal intervals

    def __init__(
        self, key: str, references: Sequence[Sequence[str | None]], tokenize: str | None = None
    ) -> None:
        self._metric = load_sacrebleu_metric(key, tokenize)
        self._metric._ref_cache = self._metric._cache_references(references)
        # TER divides by the average length of the references, which makes fractions. As integers,
        # all sums are exact, so that equal resamples have equal scores.
        n_references = {
            sum(line is not None for line in lines) for lines in zip(*references, strict=True)
        }
        self._unit = math.lcm(*n_references) if key == "ter" else 1
        # Without effective order, nearly every single sentence has BLEU 0.
        self._of_segment = copy.copy(self._metric)
        self._of_segment.effective_order = True
        self.name = _NAMES[key]
        self.higher_is_better = key != "ter"

    @property
    def version(self) -> str:
        """See `CorpusMetric`."""
        from sacrebleu import __version__

        return __version__

    def statistics(self, hypotheses: Sequence[str]) -> Rows:
        """See `CorpusMetric`."""
        rows = self._metric._extract_corpus_statistics(hypotheses, None)
        return np.rint(np.array(rows, np.float64) * self._unit)

    def score(self, sums: Sequence[float]) -> float:
        """See `CorpusMetric`."""
        return self._result(sums).score

    def segment_score(self, sums: Sequence[float]) -> float:
        """See `CorpusMetric`."""
        return float(self._of_segment._compute_score_from_stats(sums).score)

    def detail(self, sums: Sequence[float]) -> str:
        """See `CorpusMetric`."""
        if self.name != "BLEU":
            return ""
        bleu = self._result([int(n) for n in sums])
        lengths = f"ratio = {bleu.ratio:.3f} hyp_len = {bleu.sys_len} ref_len = {bleu.ref_len}"
        return f"{bleu.prec_str} (BP = {bleu.bp:.3f} {lengths})"

    def signature(self, **resampling: int) -> str:
        """See `CorpusMetric`."""
        signature = self._metric.get_signature()
        for name, value in resampling.items():
            signature.update(name, value)
        return signature.format()

    def _result(self, sums: Any) -> Any:
        return self._metric._compute_score_from_stats(sums)


def load_sacrebleu_metric(key: str, tokenize: str | None = None) -> Any:
    """Return one of sacreBLEU's metrics; see `SacreBleuMetric`."""
    # sacrebleu takes half a second to load.
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    if key == "bleu":
        return load_bleu(tokenize)
    return TER() if key == "ter" else CHRF(word_order=2 if key == "chrf++" else 0)


def sacrebleu_metrics(
    keys: Sequence[str], references: Sequence[Sequence[str]], tokenize: str | None = None
) -> dict[str, CorpusMetric]:
    """Return metrics of sacreBLEU for a test set, by their keys.

    Args:
        keys: Any of bleu, chrf, chrf++, ter.
        references: One list or several. A blank line is missing if the segment has another
            reference.
        tokenize: Tokenizer of BLEU; None is the default.
    Raises:
        MtkitError: See `SacreBleuMetric`.
    """
    rows = list(zip(*references, strict=True))
    given = [
        [line if line.strip() or not "".join(others).strip() else None for line, others in column]
        for column in ([(row[i], row) for row in rows] for i in range(len(references)))
    ]
    return {key: SacreBleuMetric(key, given, tokenize if key == "bleu" else None) for key in keys}
