"""What repeats itself is found, what is true is left alone, and a second search is taken only where
it is better.
"""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.config.search import SearchConfig
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.search.hypothesis import Hypothesis
from mtkit.tokenizer.subword import Subword
from mtkit.tokenizer.train import train_subword
from mtkit.translation.degenerate import find_degeneration, search_again

CONFIG = SearchConfig()
DISTINCT = list(range(100, 130))


def brute_force_repeated(ids, n_times):
    """The most pieces beyond the first occurrence in any stretch that is one unit over and over, at
    least `n_times`.
    """
    most = 0
    for start in range(len(ids)):
        for end in range(start + 1, len(ids) + 1):
            for period in range(1, min(32, (end - start) // n_times) + 1):
                if all(ids[i] == ids[i - period] for i in range(start + period, end)):
                    most = max(most, end - start - period)
    return most


def brute_force_repeats_itself(src, tgt):
    in_src = brute_force_repeated(src, 1)
    return brute_force_repeated(tgt, 3) >= in_src + 4 or brute_force_repeated(tgt, 2) >= in_src + 8


few_kinds = st.lists(st.integers(0, 2), max_size=24)
with_repeats = st.lists(
    st.tuples(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.integers(1, 5)), max_size=4
).map(lambda units: [token for unit, n in units for token in unit * n][:30])


@given(src=st.one_of(few_kinds, with_repeats), tgt=st.one_of(few_kinds, with_repeats))
def test_repetition_is_found_as_by_looking_at_every_stretch(src, tgt):
    config = SearchConfig(max_length_extra=1000)  # so that no length is a fault
    src = src + DISTINCT
    fault = find_degeneration(src, tgt + DISTINCT[:20], config)
    assert (fault is not None) == brute_force_repeats_itself(src, tgt + DISTINCT[:20])
    assert fault is None or fault.n_repeated > 0


@pytest.mark.parametrize(
    ("tgt", "is_loop"),
    [
        ([7] * 4, False),  # "very, very, very, very"
        ([7] * 5, True),
        ([7, 8] * 2 + [7], False),
        ([7, 8] * 3, True),
        (list(range(8)) * 2, True),  # a whole clause twice
        (list(range(7)) * 2, False),
        (list(range(32)) * 2, True),
    ],
)
def test_repetition(tgt, is_loop):
    src = [*DISTINCT]
    assert (find_degeneration(src, [50, *tgt, 51], CONFIG) is not None) == is_loop


def test_repetitive_source_may_have_a_repetitive_translation():
    assert find_degeneration([5] * 12, [6] * 12, CONFIG) is None
    assert find_degeneration([5] * 12, [6] * 14, CONFIG) is None
    assert find_degeneration([5] * 12, [6] * 16, CONFIG)


def test_lengths():
    src, long = list(range(30)), list(range(1000, 1080))
    assert find_degeneration(src, long, CONFIG) == (0,)  # ended by its limit, 2 x 30 + 20
    assert find_degeneration(src, long[:-1], CONFIG) is None
    # A limit that the user has set low is no fault of the translation.
    assert (
        find_degeneration(src, long[:25], SearchConfig(max_length_ratio=0.5, max_length_extra=10))
        is None
    )


LOOP, SHORTER_LOOP, GOOD = ([Hypothesis(ids, -1.0, -1.0)] for ids in ([7] * 12, [7] * 6, [7, 8, 9]))


@pytest.mark.parametrize(
    ("second", "taken"),
    [
        (GOOD, GOOD),
        (SHORTER_LOOP, SHORTER_LOOP),
        (LOOP, LOOP),
        ([Hypothesis([7] * 13, -0.1, -0.1)], LOOP),
    ],
)
def test_the_better_of_two_searches_is_taken(second, taken):
    asked = []

    def search(chosen, config):
        asked.append((chosen, config))
        return [second for _ in chosen]

    sources = [DISTINCT[:8]] * 3
    assert search_again(sources, [GOOD, LOOP, GOOD], CONFIG, search) == [GOOD, taken, GOOD]
    [(chosen, config)] = asked
    assert chosen == [1] and config == SearchConfig(no_repeat_ngram_size=3)


def test_no_second_search_if_repetitions_are_blocked_already():
    blocking = SearchConfig(no_repeat_ngram_size=2)
    assert search_again(
        [DISTINCT], [LOOP], blocking, lambda chosen, config: pytest.fail("searched again")
    ) == [LOOP]


def test_good_translations_are_searched_once():
    assert search_again(
        [DISTINCT] * 2, [GOOD, GOOD], CONFIG, lambda chosen, config: pytest.fail("searched again")
    ) == [GOOD, GOOD]


def test_real_translations_are_not_loops(shared_data):
    """Newstest and Multi30k, both directions: of 8,000 pairs none repeats itself, and hardly any is
    too long.
    """
    sides = {"de": [], "en": []}
    for lang, lines in sides.items():
        with gzip.open(
            shared_data / "multi30k" / f"train.{lang}.gz", "rt", encoding="utf-8", newline="\n"
        ) as file:
            lines += [next(file).rstrip("\n") for _ in range(5000)]
        lines += (
            (shared_data / "wmt-news-de-en" / f"newstest2012.{lang}")
            .read_text(encoding="utf-8")
            .split("\n")[:3000]
        )
    joint = Subword(
        train_subword(
            (line for pair in zip(*sides.values(), strict=True) for line in pair),
            TokenizerConfig(vocab_size=4000),
        )
    )
    de, en = (joint.encode(lines) for lines in sides.values())
    faults = [
        fault
        for src, tgt in [*zip(de, en, strict=True), *zip(en, de, strict=True)]
        if (fault := find_degeneration(src, tgt, CONFIG))
    ]
    assert len(de) == 8000
    assert not any(fault.n_repeated for fault in faults)
    assert len(faults) <= 2
