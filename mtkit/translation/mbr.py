"""Minimum Bayes risk: of several candidates, the one that is most like all the others.

Eikema and Aziz 2020 (arXiv:2005.10283); Freitag et al. 2022 (arXiv:2111.09388).
"""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Utility = Literal["chrf", "bleu"]

_CHRF_ORDER, _CHRF_BETA = 6, 2
_BLEU_ORDER = 4
_TIE = 9
"""Utilities that are equal to so many decimals are equal."""


class MbrCandidate(NamedTuple):
    """One of the translations to choose from."""

    text: str
    log_prob: float
    """Of two that are equally useful, the more probable one is better."""
    count: int = 1
    """How often it was found, for example drawn."""


class Ranked(NamedTuple):
    """A candidate's place."""

    index: int
    """Of the candidate."""
    utility: float
    """Its mean utility against all others, from 0 to 100."""


def rank_candidates(
    candidates: Sequence[MbrCandidate], utility: Utility = "chrf", tokenize: str = "13a"
) -> list[Ranked]:
    """Order candidates by their mean utility with each of the others as the reference, the best first.

    A candidate that was found more than once is among its own others, as often less one. Candidates of equal text count as one that was found more
    often: only the most probable of them is ranked.

    Args:
        candidates: At least one.
        utility: Sentence-level chrF or BLEU, as sacreBLEU's `sentence_score` gives them (BLEU with `effective_order`).
        tokenize: How BLEU finds words; see `evaluate`.
    Returns:
        One for each different text.
    """
    by_text: dict[str, int] = {}
    counts: Counter[str] = Counter()
    for i, candidate in enumerate(candidates):
        counts[candidate.text] += candidate.count
        best = by_text.setdefault(candidate.text, i)
        if candidate.log_prob > candidates[best].log_prob:
            by_text[candidate.text] = i
    texts = list(by_text)
    utilities_NN = utilities(texts, utility, tokenize)
    counts_N = np.array([counts[text] for text in texts], dtype=float)
    n_others = counts_N.sum() - 1
    own_N = np.diagonal(utilities_NN)
    means_N = (utilities_NN @ counts_N - own_N) / n_others if n_others else own_N
    ranked = [
        Ranked(by_text[text], round(float(mean), _TIE))
        for text, mean in zip(texts, means_N, strict=True)
    ]
    return sorted(ranked, key=lambda one: (-one.utility, -candidates[one.index].log_prob))


def utilities(
    texts: Sequence[str], utility: Utility = "chrf", tokenize: str = "13a"
) -> NDArray[np.float64]:
    """How good each text is with each as the reference; the n-grams of each are counted once.

    Args:
        texts: N of them.
        utility: See `rank_candidates`.
        tokenize: See `rank_candidates`.
    Returns:
        Shape (N, N): row the hypothesis, column the reference.
    """
    if utility == "chrf":
        return _chrf(texts)
    split = _tokenizer(tokenize)
    return _bleu([split(text.rstrip()).split() for text in texts])


def _chrf(texts: Sequence[str]) -> NDArray[np.float64]:
    """chrF (Popović 2015): F-score, beta 2, of the mean precision and recall of character n-grams up to 6, spaces left out."""
    chars = ["".join(text.split()) for text in texts]
    precision_NN = recall_NN = np.zeros((len(texts), len(texts)))
    n_orders_NN = np.zeros_like(precision_NN)
    for order in range(1, _CHRF_ORDER + 1):
        matches_NN, totals_N = _matches(
            [[row[i : i + order] for i in range(len(row) - order + 1)] for row in chars]
        )
        # An order counts where both have such n-grams.
        n_orders_NN += (totals_N[:, None] > 0) & (totals_N > 0)
        at_least_one_N = np.maximum(totals_N, 1)
        precision_NN = precision_NN + matches_NN / at_least_one_N[:, None]
        recall_NN = recall_NN + matches_NN / at_least_one_N
    n_orders_NN = np.maximum(n_orders_NN, 1)
    precision_NN, recall_NN = precision_NN / n_orders_NN, recall_NN / n_orders_NN
    factor = _CHRF_BETA**2
    divisor_NN = factor * precision_NN + recall_NN
    return 100 * (1 + factor) * precision_NN * recall_NN / np.where(divisor_NN > 0, divisor_NN, 1)


def _bleu(rows: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """BLEU (Papineni et al. 2002) with exponential smoothing (Chen and Cherry 2014, method 3), of the orders that the hypothesis has."""
    lengths_N = np.array([len(row) for row in rows], dtype=float)
    log_precision_NN = np.zeros((len(rows), len(rows)))
    has_any_NN = np.zeros_like(log_precision_NN, dtype=bool)
    smoothing_NN = np.ones_like(log_precision_NN)
    n_orders_N = np.clip(lengths_N, 1, _BLEU_ORDER)
    for order in range(1, _BLEU_ORDER + 1):
        matches_NN, totals_N = _matches(
            [list(zip(*(row[i:] for i in range(order)), strict=False)) for row in rows]
        )
        has_any_NN |= matches_NN > 0
        smoothing_NN = np.where(matches_NN > 0, smoothing_NN, 2 * smoothing_NN)
        totals_N1 = np.maximum(totals_N, 1)[:, None]
        precision_NN = np.where(
            matches_NN > 0, matches_NN / totals_N1, 1 / (smoothing_NN * totals_N1)
        )
        log_precision_NN += np.where(totals_N[:, None] > 0, np.log(precision_NN), 0)
    brevity_NN = np.minimum(1 - lengths_N / np.maximum(lengths_N, 1)[:, None], 0)
    return np.where(
        has_any_NN, 100 * np.exp(brevity_NN + log_precision_NN / n_orders_N[:, None]), 0
    )


def _matches(rows: Sequence[Sequence[Hashable]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How many n-grams each row shares with each, and how many it has.

    The first, second, ... occurrence of an n-gram are different columns of zeros and ones, so that a product of matrices counts them.

    Args:
        rows: n-grams of each text.
    Returns:
        Shapes (N, N) and (N,).
    """
    columns: dict[Any, int] = {}
    places: list[int] = []
    for row in rows:
        seen: dict[Hashable, int] = {}
        for ngram in row:
            n_before = seen.get(ngram, 0)
            seen[ngram] = n_before + 1
            places.append(
                columns.setdefault((ngram, n_before) if n_before else ngram, len(columns))
            )
    totals_N = np.array([len(row) for row in rows])
    ones_NG = np.zeros((len(rows), len(columns)), dtype=np.float32)
    ones_NG[np.repeat(np.arange(len(rows)), totals_N), places] = 1
    return (ones_NG @ ones_NG.T).astype(float), totals_N.astype(float)


def _tokenizer(name: str) -> Callable[[str], str]:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=name).tokenizer
