"""Hypotheses from what a device has written down of a beam search."""

from collections.abc import Sequence

import numpy as np

from mtkit.config.search import SearchConfig
from mtkit.search.hypothesis import Hypothesis, length_penalty


class DecisionLog:
    """The decisions of every step of a batch.

    One line of W = beam_size hypotheses has X = 5 W + 1 numbers: the parents of those that go on; their tokens; whether each of the W best
    continuations has ended one (0 or 1); which ones these have continued; whether the sentence is done; and the bits of the log-probabilities of the
    W best continuations.

    Args:
        n_sentences: In the batch.
        config: Of the search.
    """

    def __init__(self, n_sentences: int, config: SearchConfig) -> None:
        self.n_sentences, self.config = n_sentences, config
        self._chunks: list[tuple[list[int], int, np.ndarray]] = []

    def add(self, sentences: Sequence[int], first_step: int, lines: np.ndarray) -> None:
        """Some steps of some sentences, which stand in the first rows.

        Args:
            sentences: Their numbers in the batch.
            first_step: Counted from 0.
            lines: Shape (steps, B, X), int32.
        """
        self._chunks.append((list(sentences), first_step, lines[:, : len(sentences)]))

    def hypotheses(self) -> list[list[Hypothesis]]:
        """The n best of each sentence, the highest score first; none where none has ended."""
        W, n_best = self.config.beam_size, self.config.n_best
        n_steps = max(first + len(lines) for _, first, lines in self._chunks)
        all_TBX = np.zeros((n_steps, self.n_sentences, 5 * W + 1), dtype=np.int32)
        for sentences, first, lines in self._chunks:
            all_TBX[first : first + len(lines), sentences] = lines
        parents_TBW, tokens_TBW, ends_TBW, end_parents_TBW = (
            all_TBX[:, :, part * W : (part + 1) * W] for part in range(4)
        )
        done_TB = all_TBX[:, :, 4 * W].astype(bool)
        log_probs_TBW = np.ascontiguousarray(all_TBX[:, :, 4 * W + 1 :]).view(np.float32)

        # The device goes on with a sentence for a while after it is done, which does not count.
        last_step_B = np.where(done_TB.any(0), done_TB.argmax(0), n_steps)
        step_E, sentence_E, place_E = ends_TBW.nonzero()
        counts = step_E <= last_step_B[sentence_E]
        step_E, sentence_E, place_E = step_E[counts], sentence_E[counts], place_E[counts]
        log_prob_E = log_probs_TBW[step_E, sentence_E, place_E].astype(float)
        penalties_T = np.array(
            [length_penalty(length, self.config) for length in range(1, n_steps + 1)]
        )
        score_E = log_prob_E / penalties_T[step_E]
        # Sentence by sentence, the best first; of equal ones that which ended first.
        order_E = np.lexsort((-score_E, sentence_E))
        first_E = np.searchsorted(sentence_E[order_E], sentence_E[order_E])
        order_E = order_E[np.arange(len(order_E)) - first_E < n_best]

        step_E, sentence_E, place_E = step_E[order_E], sentence_E[order_E], place_E[order_E]
        tokens_ET = np.zeros((len(order_E), n_steps), dtype=np.int64)
        at_E = end_parents_TBW[step_E, sentence_E, place_E]
        for step in range(n_steps - 1, -1, -1):
            is_there_E = step < step_E
            tokens_ET[:, step] = np.where(is_there_E, tokens_TBW[step, sentence_E, at_E], 0)
            at_E = np.where(is_there_E, parents_TBW[step, sentence_E, at_E], at_E)
        found: list[list[Hypothesis]] = [[] for _ in range(self.n_sentences)]
        each = zip(
            sentence_E.tolist(),
            step_E.tolist(),
            tokens_ET.tolist(),
            log_prob_E[order_E].tolist(),
            score_E[order_E].tolist(),
            strict=True,
        )
        for sentence, step, tokens, log_prob, score in each:
            found[sentence].append(Hypothesis(tokens[:step], log_prob, score))
        return found
