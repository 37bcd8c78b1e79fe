"""Pairs with their context: what a plain reading of the documents gives."""

from itertools import islice
from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.batches.arrays import gather_pairs
from mtkit.batches.context import ContextJoiner, ContextOptions, choose_context
from mtkit.batches.mixture import DataMixture
from mtkit.batches.sampler import BatchSampler
from mtkit.corpus.document_rows import count_previous, follows_previous
from tests.batches.store import ListStore, corpora

SRC_SEP, TGT_SEP, TAG = 90, 91, 80


def joiner():
    sides = (SimpleNamespace(tag_ids=lambda tags, one=one: [one]) for one in (SRC_SEP, TGT_SEP))
    return ContextJoiner(SimpleNamespace(src=next(sides), tgt=next(sides)))  # pyright: ignore[reportArgumentType]


class DocumentStore(ListStore):
    """A store of several documents, each a list of pairs."""

    def __init__(self, documents):
        super().__init__([pair for document in documents for pair in document])
        starts = np.cumsum([0, *map(len, documents)])[:-1]
        self.follows = np.ones(len(self), np.bool_)
        self.follows[starts[starts < len(self)]] = False

    def n_previous(self, rows, limit):
        return count_previous(self.follows, rows, limit)


def naively_joined(documents, n, max_length, n_tags):
    """Join each pair with the pairs before it, the oldest left out until it fits."""
    joined = []
    for document in documents:
        for i in range(len(document)):
            for begin in range(max(0, i - n), i + 1):
                chosen = document[begin : i + 1]
                src = [token for s, _ in chosen for token in [*s[n_tags:], SRC_SEP]][:-1]
                tgt = [token for _, t in chosen for token in [*t, TGT_SEP]][:-1]
                if max(len(src), len(tgt)) <= max_length or begin == i:
                    joined.append(([TAG] * n_tags + src, tgt))
                    break
    return joined


sentences = st.lists(st.integers(1, 9), min_size=1, max_size=5)


@given(
    documents=st.lists(
        st.lists(st.tuples(sentences, sentences), min_size=1, max_size=5), min_size=1, max_size=4
    ),
    n=st.integers(1, 3),
    max_length=st.integers(1, 14),
    n_tags=st.integers(0, 2),
)
@settings(max_examples=40, deadline=None)
def test_pairs_are_joined_with_those_before_them(documents, n, max_length, n_tags):
    documents = [[([TAG] * n_tags + src, tgt) for src, tgt in pairs] for pairs in documents]
    store = DocumentStore(documents)
    rows = np.arange(len(store))
    tags = np.full(len(rows), n_tags)
    context = choose_context(store, rows, tags, ContextOptions(n, max_length))
    src, tgt = joiner().gather(store, rows, context.n_context, tags)
    found = [(s.tolist(), t.tolist()) for s, t in zip(src.rows(), tgt.rows(), strict=True)]
    assert found == naively_joined(documents, n, max_length, n_tags)
    assert (store.lengths("src", rows) + context.src_lengths == src.lengths).all()
    assert (store.lengths("tgt", rows) + context.tgt_lengths == tgt.lengths).all()


@given(positions=st.lists(st.integers(1, 20), unique=True, max_size=12).map(sorted))
def test_rows_of_one_document_have_consecutive_positions(positions):
    follows = follows_previous(np.array(positions, np.int64))
    expected = [position - 1 in positions for position in positions]
    assert follows.tolist() == expected
    assert follows_previous(np.array([5, 6]), last=4).tolist() == [True, True]
    rows = np.arange(len(positions))
    counted = count_previous(follows, rows, 3)
    for row, position in enumerate(positions):
        n = next((k for k in range(3) if position - 1 - k not in positions), 3)
        assert counted[row] == n


def test_batches_have_their_size_with_context_and_resume_exactly():
    rng = np.random.default_rng(1)
    documents = [
        [
            (rng.integers(1, 9, rng.integers(1, 8)).tolist(), rng.integers(1, 9, 4).tolist())
            for _ in range(rng.integers(1, 6))
        ]
        for _ in range(40)
    ]
    store = DocumentStore(documents)

    def sampler():
        mixture = DataMixture.plain(corpora(len(store)), 3)
        return BatchSampler(store, mixture, 60, context=ContextOptions(2, 20))

    batches = list(islice(sampler().iterate(), 60))
    seen = []
    for batch, _ in batches[: len(sampler().window(0, 0).batches)]:
        src, tgt = gather_pairs(store, batch, context_joiner=joiner())
        longest = max(src.lengths.max(), tgt.lengths.max()) + 1
        assert longest * len(src.lengths) <= 60
        seen += batch.rows.tolist()
    assert sorted(seen) == list(range(len(store)))
    documents_of = np.repeat(np.arange(40), [len(document) for document in documents])
    assert any(len(set(documents_of[batch.rows])) > 1 for batch, _ in batches)
    position = batches[6][1]
    for (batch, after), (again, after_again) in zip(
        batches[7:30], sampler().iterate(position), strict=False
    ):
        assert after == after_again
        assert batch.rows.tolist() == again.rows.tolist()
        assert batch.n_context is not None and again.n_context is not None
        assert batch.n_context.tolist() == again.n_context.tolist()
