"""Reconstruction of hypotheses from the decisions that a device has logged."""

from collections.abc import Sequence

import numpy as np

from mtkit.config.search import SearchConfig
from mtkit.search.hypothesis import Hypothesis, length_penalty


class DecisionLog:
    """The decisions of every step of a batch.

    With W = beam_size, the record of a sentence in one step has X = 5 W + 1 numbers: the parents of
    the W hypotheses that continue; their tokens; whether each of the W best continuations ends a
    hypothesis (0 or 1); the parents of these; whether the sentence is done; and, for the W best
    continuations, the bits of their log-probabilities.

    Args:
        n_sentences: Number of sentences in the batch.
        config: Search settings.
    """

    def __init__(self, n_sentences: int, config: SearchConfig) -> None:
        self.n_sentences, self.config = n_sentences, config
        self._blocks: list[tuple[list[int], int, np.ndarray]] = []

    def add(self, sentences: Sequence[int], first_step: int, records: np.ndarray) -> None:
        """Add some steps of some sentences.

        Args:
            sentences: Indices in the batch of the sentences in the first rows.
            first_step: Index of the first step, from 0.
            records: Shape (steps, B, X), int32.
        """
        self._blocks.append((list(sentences), first_step, records[:, : len(sentences)]))

    def hypotheses(self) -> list[list[Hypothesis]]:
        """Return the n best hypotheses of each sentence, the highest score first."""
        W, n_best = self.config.beam_size, self.config.n_best
        records_TBX = self._records()
        n_steps = len(records_TBX)
        parents_TBW, tokens_TBW, is_finished_TBW, finished_parents_TBW = (
            records_TBX[:, :, part * W : (part + 1) * W] for part in range(4)
        )
        is_done_TB = records_TBX[:, :, 4 * W].astype(bool)
        log_probs_TBW = np.ascontiguousarray(records_TBX[:, :, 4 * W + 1 :]).view(np.float32)

        # The device continues a sentence for some steps after it is done, which do not count.
        last_step_B = np.where(is_done_TB.any(0), is_done_TB.argmax(0), n_steps)
        step_E, sentence_E, column_E = is_finished_TBW.nonzero()
        counts_E = step_E <= last_step_B[sentence_E]
        step_E, sentence_E, column_E = step_E[counts_E], sentence_E[counts_E], column_E[counts_E]
        log_prob_E = log_probs_TBW[step_E, sentence_E, column_E].astype(float)
        penalties_T = np.array(
            [length_penalty(length, self.config) for length in range(1, n_steps + 1)]
        )
        score_E = log_prob_E / penalties_T[step_E]
        # By sentence, highest score first; ties in the order in which they ended.
        order_E = np.lexsort((-score_E, sentence_E))
        first_E = np.searchsorted(sentence_E[order_E], sentence_E[order_E])
        order_E = order_E[np.arange(len(order_E)) - first_E < n_best]

        step_E, sentence_E, column_E = step_E[order_E], sentence_E[order_E], column_E[order_E]
        # Follow each hypothesis from its last token back to its first. In the order of their ends,
        # those that exist at a step are the first ones.
        by_end_E = np.argsort(-step_E, kind="stable")
        ends_E, rows_E = step_E[by_end_E], sentence_E[by_end_E]
        parents_E = finished_parents_TBW[ends_E, rows_E, column_E[by_end_E]]
        starts_E = np.cumsum(ends_E) - ends_E
        tokens = np.empty(ends_E.sum(), dtype=np.int64)
        n_existing_T = np.searchsorted(-ends_E, -np.arange(n_steps))
        for step, n in zip(range(n_steps - 1, -1, -1), n_existing_T[::-1], strict=True):
            rows, parents = rows_E[:n], parents_E[:n]
            tokens[starts_E[:n] + step] = tokens_TBW[step, rows, parents]
            parents_E[:n] = parents_TBW[step, rows, parents]
        all_tokens, start_E = tokens.tolist(), np.empty_like(starts_E)
        start_E[by_end_E] = starts_E
        hypotheses: list[list[Hypothesis]] = [[] for _ in range(self.n_sentences)]
        for sentence, start, n_tokens, log_prob, score in zip(
            sentence_E.tolist(),
            start_E.tolist(),
            step_E.tolist(),
            log_prob_E[order_E].tolist(),
            score_E[order_E].tolist(),
            strict=True,
        ):
            token_ids = all_tokens[start : start + n_tokens]
            hypotheses[sentence].append(Hypothesis(token_ids, log_prob, score))
        return hypotheses

    def _records(self) -> np.ndarray:
        """Join the blocks; steps that a sentence does not have are zero. Shape (T, B, X)."""
        n_steps = max(first + len(records) for _, first, records in self._blocks)
        shape = (n_steps, self.n_sentences, 5 * self.config.beam_size + 1)
        records_TBX = np.zeros(shape, dtype=np.int32)
        for sentences, first, records in self._blocks:
            records_TBX[first : first + len(records), sentences] = records
        return records_TBX
