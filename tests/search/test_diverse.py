"""Diverse beam search against a plain implementation for one sentence."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.config.search import SearchConfig
from mtkit.search.beam import beam_search
from mtkit.search.hypothesis import length_penalty
from tests.search.table import EOS, FullTable, TableScorer, full_tables

few = settings(max_examples=40, deadline=None)


def config(
    group_size, n_groups, max_length, diversity, n_best=1, penalty=("none", 0.0), min_length=0
):
    return SearchConfig(
        beam_size=group_size * n_groups,
        n_groups=n_groups,
        diversity=diversity,
        n_best=n_best,
        length_penalty=penalty[0],
        alpha=penalty[1],
        max_length_ratio=0.001,
        max_length_extra=max_length - 1,
        min_length=min_length,
    )


def slow_groups(table, vocab_size, settings, group_size, max_length):
    """Return the finished hypotheses of each group, as (tokens, log-probability, score).

    A group stops early only when it is full.
    """
    live: list[Any] = [[((), 0.0)] for _ in range(settings.n_groups)]
    ended: list[Any] = [[] for _ in range(settings.n_groups)]
    for length in range(1, max_length + 1):
        used = []
        for g in range(settings.n_groups):
            if len(ended[g]) >= group_size:
                continue
            candidates = []
            for tokens, log_prob in live[g]:
                for token in [EOS] if length == max_length else range(1, vocab_size):
                    if token == EOS and length <= settings.min_length:
                        continue
                    total = log_prob + table[tokens][token]
                    candidates.append(
                        (total - settings.diversity * used.count(token), total, tokens, token)
                    )
            candidates.sort(reverse=True)
            for _, total, tokens, token in candidates[:group_size]:
                if token == EOS:
                    ended[g].append((list(tokens), total, total / length_penalty(length, settings)))
            live[g] = [
                ((*tokens, token), total) for _, total, tokens, token in candidates if token != EOS
            ][:group_size]
            used += [tokens[-1] for tokens, _ in live[g]]
    return ended


@few
@given(
    table=full_tables(6),
    group_size=st.integers(1, 3),
    n_groups=st.integers(2, 3),
    max_length=st.integers(1, 6),
    diversity=st.sampled_from([0.0, 0.3, 1.5, 20.0]),
    min_length=st.integers(0, 2),
)
def test_equals_a_plain_implementation(
    table, group_size, n_groups, max_length, diversity, min_length
):
    min_length = min(min_length, max_length - 1)
    # n_best is the beam size, so that no group stops because the rest cannot be better.
    settings = config(
        group_size, n_groups, max_length, diversity, group_size * n_groups, min_length=min_length
    )
    [found] = beam_search(TableScorer([table]), [[0]], settings)
    ended = slow_groups(table, 6, settings, group_size, max_length)
    ranked = [
        (rank, -h[2], h)
        for group in ended
        for rank, h in enumerate(sorted(group, key=lambda h: -h[2]))
    ]
    chosen = []
    for *_, h in sorted(ranked, key=lambda one: one[:2]):
        # A hypothesis of two groups counts once.
        chosen += [h] if h[0] not in [other[0] for other in chosen] else []
    chosen = sorted(chosen[: settings.n_best], key=lambda h: -h[2])
    assert [h.token_ids for h in found] == [h[0] for h in chosen]
    assert [h.log_prob for h in found] == pytest.approx([h[1] for h in chosen])


@few
@given(seeds=st.lists(st.integers(0, 999), min_size=1, max_size=4), group_size=st.integers(1, 3))
def test_sentence_alone_equals_it_in_a_batch(seeds, group_size):
    tables = [FullTable(seed, 6) for seed in seeds]
    settings = config(group_size, 3, 9, 0.7, 3, ("wu", 1.0))
    sources = [[i] for i in range(len(tables))]
    together = beam_search(TableScorer(tables), sources, settings)
    assert together == [
        beam_search(TableScorer(tables), [source], settings)[0] for source in sources
    ]


def test_groups_of_one_with_high_diversity_begin_differently():
    for seed in range(10):
        [found] = beam_search(
            TableScorer([FullTable(seed, 12)]), [[0]], config(1, 4, 6, 1000.0, 4, min_length=1)
        )
        assert len(found) == 4
        firsts = [h.token_ids[0] for h in found]
        assert len(set(firsts)) == len(firsts)
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)


def test_without_diversity_each_group_is_the_same_beam():
    table = FullTable(2, 8)
    [groups] = beam_search(TableScorer([table]), [[0]], config(2, 3, 6, 0.0, 6))
    [plain] = beam_search(TableScorer([table]), [[0]], config(2, 1, 6, 0.0, 2))
    assert groups == plain
