"""The best of all sequences, by enumeration."""

import itertools

from mtkit.search.hypothesis import Hypothesis, length_penalty
from tests.search.table import EOS


def enumerate_best(table, vocab_size, max_length, config, is_allowed, min_length=0, penalty=None):
    """Return every allowed sequence of at most max_length tokens, EOS included, best first.

    The penalty is added to scores.
    """
    found = []
    for length in range(min_length + 1, max_length + 1):
        for tokens in itertools.product(range(2, vocab_size), repeat=length - 1):
            if is_allowed(tokens):
                log_prob = sum(table[tokens[:i]][token] for i, token in enumerate((*tokens, EOS)))
                score = log_prob / length_penalty(length, config) + (
                    penalty(tokens) if penalty else 0.0
                )
                found.append(Hypothesis(list(tokens), log_prob, score))
    return sorted(found, key=lambda h: h.score, reverse=True)


def holds(tokens, phrase):
    return any(
        tuple(tokens[i : i + len(phrase)]) == tuple(phrase)
        for i in range(len(tokens) - len(phrase) + 1)
    )


def repeats(tokens, n):
    runs = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return len(set(runs)) < len(runs)
