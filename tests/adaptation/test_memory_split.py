import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.adaptation.memory_split import (
    HeldOutShares,
    first_of_each_source,
    sample_runs,
    split_memory,
)
from mtkit.corpus.sentence_pair import SentencePair
from mtkit.errors import MtkitError

MEMORY = [SentencePair(f"Satz Nummer {i} hier", f"sentence number {i} here") for i in range(4000)]


@given(st.integers(1, 10_000_000), st.integers(0, 10_000_000))
def test_no_share_increases_as_a_memory_grows(n, n_more):
    before, after = HeldOutShares.for_size(n), HeldOutShares.for_size(n + n_more)
    assert after.test <= before.test and after.validation <= before.validation
    assert before.test + before.validation <= 0.2 + 1e-9


@pytest.mark.parametrize(
    ("n", "n_validation", "n_test"),
    [(50, 5, 5), (1000, 100, 100), (1500, 100, 150), (5000, 250, 500), (100_000, 1000, 2000)],
)
def test_sizes_of_the_parts(n, n_validation, n_test):
    shares = HeldOutShares.for_size(n)
    assert round(n * shares.validation) == n_validation
    assert round(n * shares.test) == n_test


def test_what_was_trained_on_is_never_held_out_later():
    parts_before, parts = split_memory(MEMORY[:700]), split_memory(MEMORY)
    later = {pair: part for part, pairs in parts.items() for pair in pairs}
    assert {later[pair] for pair in parts_before["train"]} == {"train"}
    # Of what was held out, the rest is in the same part still.
    for part in ("validation", "test"):
        assert {later[pair] for pair in parts_before[part]} <= {part, "train"}
    sizes = {part: len(pairs) for part, pairs in parts.items()}
    assert 150 < sizes["validation"] < 250 and 330 < sizes["test"] < 470
    assert sum(sizes.values()) == 4000


def test_the_test_has_the_lowest_hashes_and_validation_the_highest():
    parts = split_memory(MEMORY)
    assert max(position(pair.src) for pair in parts["test"]) < 0.1
    assert min(position(pair.src) for pair in parts["validation"]) >= 0.95
    assert all(0.1 <= position(pair.src) < 0.95 for pair in parts["train"])


def test_variants_of_a_source_share_its_part():
    changes = [str.upper, lambda text: f"  {text.replace(' ', '   ')} .", lambda text: f"«{text}»!"]
    variants = [
        SentencePair(change(src), f"{tgt} {i}")
        for src, tgt in MEMORY[:500]
        for i, change in enumerate(changes)
    ]
    parts = split_memory([*MEMORY[:500], *variants])

    def key(pair):
        return "".join(pair.src.upper().split()).strip("«»!.")

    keys = {part: {key(pair) for pair in pairs} for part, pairs in parts.items()}
    assert not keys["train"] & (keys["test"] | keys["validation"])
    assert not keys["test"] & keys["validation"]
    # One translation of each held-out source, but all for training.
    assert len(parts["test"]) == len(keys["test"])
    assert len(parts["train"]) == 4 * len(keys["train"])


def test_a_source_of_symbols_has_a_part():
    pairs = [*MEMORY[:100], SentencePair("!!!", "!!!"), SentencePair("???", "???")]
    assert sum(map(len, split_memory(pairs).values())) == 102


def test_too_small_a_memory_is_named():
    with pytest.raises(MtkitError, match="too small: 20 sources"):
        split_memory(MEMORY[:20])
    with pytest.raises(MtkitError, match="too small: 1 source after"):
        split_memory([SentencePair("same", str(i)) for i in range(100)])


def position(text):
    digest = hashlib.blake2b(text.lower().encode(), digest_size=8).hexdigest()
    return int(digest, 16) / 16**16


@settings(max_examples=30)
@given(st.permutations(MEMORY[:60]), st.integers(0, 70), st.integers(1, 4))
def test_a_sample_does_not_depend_on_the_order(pairs, n, size):
    """The runs with the smallest hashes, as far as n pairs."""
    runs = [tuple(MEMORY[i : i + size]) for i in range(0, 60, size)]
    runs.sort(key=lambda run: position(run[0].src))
    expected, n_left = [], n
    for run in runs:
        if n_left > 0:
            expected.append(run)
            n_left -= len(run)
    runs.sort(key=lambda run: pairs.index(run[0]))
    assert sample_runs(runs, n) == expected


def test_a_sample_has_each_source_once():
    pairs = [SentencePair(text, "x") for text in ("a", "A", "b", "B !", "c")]
    runs = [(pair,) for pair in pairs]
    assert {run[0].src.lower()[0] for run in sample_runs(runs, 3)} == {"a", "b", "c"}
    assert len(sample_runs(runs, 5)) == 3
    assert first_of_each_source(pairs) == [pairs[0], pairs[2], pairs[4]]
