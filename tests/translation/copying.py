"""A scorer that finds the source itself by far the most probable translation, so that every output
can be foretold.
"""

import torch

from mtkit.search.scorer import StepScorer, top_tokens_of


class CopyingState:
    def __init__(self, sources):
        self.sources = sources
        self.n_steps = 0

    def select(self, sentences):
        self.sources = [self.sources[row] for row in sentences.tolist()]


class CopyingScorer(StepScorer[CopyingState]):
    max_length: int | None = None

    def __init__(self, special, vocab_size):
        self.bos_id, self.eos_id = special.bos, special.eos
        self.vocab_size = vocab_size
        self.seen = []
        """Every source read, in the order of reading."""

    @property
    def device(self):
        return torch.device("cpu")

    def start(self, sources):
        self.seen += sources
        return CopyingState(sources)

    def step(self, state, token_ids_BW, parents_BW):
        B, W = token_ids_BW.shape
        log_probs_BWV = torch.full((B, W, self.vocab_size), -12.0)
        log_probs_BWV[:, :, self.eos_id] = -20.0
        for row, source in enumerate(state.sources):
            log_probs_BWV[row, :, [*source, self.eos_id][min(state.n_steps, len(source))]] = -0.001
        state.n_steps += 1
        return log_probs_BWV

    def step_top_k(self, state, token_ids_BW, parents_BW, k):
        return top_tokens_of(self.step(state, token_ids_BW, parents_BW), k, self.eos_id)
