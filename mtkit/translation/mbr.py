"""Minimum Bayes risk decoding: the candidate that is most similar to all the others.

Eikema and Aziz 2020 (arXiv:2005.10283); Freitag et al. 2022 (arXiv:2111.09388).
"""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtkit.config.search import SearchConfig
from mtkit.corpus.languages import word_separator
from mtkit.engines.protocol import Engine, SearchRequest
from mtkit.search.hypothesis import Hypothesis
from mtkit.tokenizer.subword import Subword

Utility = Literal["chrf", "bleu"]

_CHRF_ORDER, _CHRF_BETA = 6, 2
_BLEU_ORDER = 4
_TIE = 9
"""Decimals to which utilities are compared."""


class MbrCandidate(NamedTuple):
    """A translation to choose from."""

    text: str
    log_prob: float
    """Breaks ties: the more probable candidate is better."""
    count: int = 1
    """Number of times that it was found, for example drawn."""


class Ranked(NamedTuple):
    """Rank of a candidate."""

    index: int
    """Index of the candidate."""
    utility: float
    """Mean utility against all others, from 0 to 100."""


class MbrEngine:
    """Ranks `config.mbr` candidates of another engine by minimum Bayes risk.

    The `score` of its hypotheses is the mean utility against all others, from 0 to 100.

    Args:
        engine: Finds the candidates.
        subword: Vocabulary of the target.
        tgt_lang: Language of the target; without spaces, BLEU compares characters.
    """

    def __init__(self, engine: Engine, subword: Subword, tgt_lang: str) -> None:
        self.engine = engine
        self.subword = subword
        self.tokenize = "13a" if word_separator(tgt_lang) else "char"

    def search(self, request: SearchRequest) -> list[list[Hypothesis]]:
        """See `Engine`. Equal texts are returned once."""
        config = request.config
        found = self.engine.search(replace(request, config=candidate_config(config)))
        return [self._ranked(hypotheses, config) for hypotheses in found]

    def _ranked(self, hypotheses: list[Hypothesis], config: SearchConfig) -> list[Hypothesis]:
        texts = self.subword.decode([hypothesis.token_ids for hypothesis in hypotheses])
        candidates = [
            MbrCandidate(text, hypothesis.log_prob)
            for text, hypothesis in zip(texts, hypotheses, strict=True)
        ]
        ranked = rank_candidates(candidates, config.mbr_utility, self.tokenize)[: config.n_best]
        return [hypotheses[one.index]._replace(score=one.utility) for one in ranked]


def candidate_config(config: SearchConfig) -> SearchConfig:
    """Return the settings of the search for candidates."""
    # Each group has an equal share of the beam.
    beam_size = -(-max(config.beam_size, config.mbr) // config.n_groups) * config.n_groups
    return config.model_copy(update={"n_best": config.mbr, "beam_size": beam_size, "mbr": 0})


def rank_candidates(
    candidates: Sequence[MbrCandidate], utility: Utility = "chrf", tokenize: str = "13a"
) -> list[Ranked]:
    """Sort candidates by their mean utility with each of the others as the reference.

    A candidate that was found n times is compared with itself n - 1 times. Candidates of equal text
    count as one that was found more often, and only the most probable of them is ranked.

    Args:
        candidates: At least one candidate.
        utility: Sentence-level chrF or BLEU, as in sacreBLEU's `sentence_score` (BLEU with
            `effective_order`).
        tokenize: Tokenizer of BLEU; see `evaluate`.
    Returns:
        One for each different text, the best first.
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
    """Compute the utility of each text with each as the reference.

    Args:
        texts: N texts.
        utility: See `rank_candidates`.
        tokenize: See `rank_candidates`.
    Returns:
        Shape (N, N): rows are hypotheses, columns are references.
    """
    if utility == "chrf":
        return _chrf(texts)
    split = _tokenizer(tokenize)
    return _bleu([split(text.rstrip()).split() for text in texts])


def _chrf(texts: Sequence[str]) -> NDArray[np.float64]:
    """Compute chrF (Popović 2015).

    That is the F-score, beta 2, of the mean precision and recall of character n-grams up to 6,
    without spaces.
    """
    chars = ["".join(text.split()) for text in texts]
    precision_NN = recall_NN = np.zeros((len(texts), len(texts)))
    n_orders_NN = np.zeros_like(precision_NN)
    for order in range(1, _CHRF_ORDER + 1):
        matches_NN, totals_N = _matches(
            [[row[i : i + order] for i in range(len(row) - order + 1)] for row in chars]
        )
        # An order counts if both texts have such n-grams.
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
    """Compute BLEU (Papineni et al. 2002) of the n-gram orders that the hypothesis has.

    Smoothing is exponential (Chen and Cherry 2014, method 3).
    """
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
    """Count the n-grams that texts share.

    The first, second, ... occurrence of an n-gram are different columns of zeros and ones, so that
    a matrix product counts them.

    Args:
        rows: n-grams of each text.
    Returns:
        Number of n-grams that each pair of texts shares, shape (N, N), and number of n-grams of
        each text, shape (N,).
    """
    columns: dict[Any, int] = {}
    column_indices: list[int] = []
    for row in rows:
        seen: dict[Hashable, int] = {}
        for ngram in row:
            n_before = seen.get(ngram, 0)
            seen[ngram] = n_before + 1
            column_indices.append(
                columns.setdefault((ngram, n_before) if n_before else ngram, len(columns))
            )
    totals_N = np.array([len(row) for row in rows])
    ones_NG = np.zeros((len(rows), len(columns)), dtype=np.float32)
    ones_NG[np.repeat(np.arange(len(rows)), totals_N), column_indices] = 1
    return (ones_NG @ ones_NG.T).astype(float), totals_N.astype(float)


def _tokenizer(name: str) -> Callable[[str], str]:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=name).tokenizer
