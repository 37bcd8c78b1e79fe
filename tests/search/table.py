"""A scorer with a table of probabilities, small enough to enumerate all sequences."""

import itertools
import math

import torch
from hypothesis import strategies as st

from mtkit.search.hypothesis import Hypothesis, length_penalty
from mtkit.search.scorer import StepScorer, top_tokens_of

BOS, EOS = 0, 1


class TableState:
    def __init__(self, sentences):
        self.sentences = sentences
        self.prefixes: list[list[tuple[int, ...]]] = [[()] for _ in sentences]

    def select(self, sentences):
        rows = sentences.tolist()
        self.sentences = [self.sentences[row] for row in rows]
        self.prefixes = [self.prefixes[row] for row in rows]


class TableScorer(StepScorer[TableState]):
    """The log-probabilities of the next token depend on the sentence and on all tokens before.

    tables[sentence][prefix] is a list of V log-probabilities. A source is [index of its table,
    ...].
    """

    bos_id, eos_id = BOS, EOS
    max_length: int | None = None

    def __init__(self, tables):
        self.tables = tables

    @property
    def device(self):
        return torch.device("cpu")

    def start(self, sources):
        return TableState([source[0] for source in sources])

    def step(self, state, token_ids_BW, parents_BW):
        rows = []
        for i, sentence in enumerate(state.sentences):
            old = state.prefixes[i]
            tokens, parents = token_ids_BW[i].tolist(), parents_BW[i].tolist()
            state.prefixes[i] = [
                () if token == BOS and old == [()] else (*old[parent], token)
                for token, parent in zip(tokens, parents, strict=True)
            ]
            rows.append([self.tables[sentence][prefix] for prefix in state.prefixes[i]])
        return torch.tensor(rows, dtype=torch.float64)

    def step_top_k(self, state, token_ids_BW, parents_BW, k):
        return top_tokens_of(self.step(state, token_ids_BW, parents_BW), k, EOS)


class FullTable(dict):
    """Log-probabilities for any prefix, generated from a seed on access. BOS is impossible."""

    def __init__(self, seed, vocab_size):
        super().__init__()
        self.seed, self.vocab_size = seed, vocab_size

    def __missing__(self, prefix):
        generator = torch.Generator().manual_seed(hash((self.seed, prefix)) % 2**60)
        logits = 2.0 * torch.randn(self.vocab_size, generator=generator, dtype=torch.float64)
        logits[BOS] = -math.inf
        self[prefix] = logits.log_softmax(0).tolist()
        return self[prefix]


def full_tables(vocab_size):
    return st.integers(0, 10_000).map(lambda seed: FullTable(seed, vocab_size))


def all_hypotheses(table, vocab_size, max_length, config):
    """Return every sequence of at most max_length tokens, EOS included, best first."""
    found = []
    for length in range(config.min_length + 1, max_length + 1):
        for tokens in itertools.product(range(2, vocab_size), repeat=length - 1):
            log_prob = sum(table[tokens[:i]][token] for i, token in enumerate((*tokens, EOS)))
            found.append(
                Hypothesis(list(tokens), log_prob, log_prob / length_penalty(length, config))
            )
    return sorted(found, key=lambda h: h.score, reverse=True)
