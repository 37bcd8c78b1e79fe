import numpy as np
import pytest

from mtkit.checking.ratios import RatioHistogram


def histogram(src_lengths, tgt_lengths, n_chunks=1):
    """As several processes would count it."""
    whole = RatioHistogram()
    lines = np.arange(1, len(src_lengths) + 1)
    for chunk in np.array_split(np.arange(len(lines)), n_chunks):
        part = RatioHistogram()
        part.add(lines[chunk], np.array(src_lengths)[chunk], np.array(tgt_lengths)[chunk])
        whole.merge(part)
    return whole


def usual_lengths(n, rng):
    src = rng.integers(40, 60, n)
    return src, np.maximum(1, np.rint(src * 1.2 * np.exp(rng.normal(0, 0.1, n)))).astype(np.int64)


@pytest.mark.parametrize("n_chunks", [1, 7])
def test_only_ratios_unusual_in_this_corpus_are_found(n_chunks):
    src, tgt = usual_lengths(5000, np.random.default_rng(1))
    tgt[99] = 5
    tgt[4321] = 400
    outliers = histogram(src, tgt, n_chunks).outliers()
    assert outliers.n == 2
    assert sorted(outliers.lines) == [100, 4322]
    assert outliers.usual == pytest.approx(np.median(tgt / src), rel=0.02)


def test_unusual_ratio_is_normal_in_a_corpus_of_such_pairs():
    src, tgt = usual_lengths(2000, np.random.default_rng(2))
    assert histogram(src, tgt * 5).outliers().n == 0


def test_short_pairs_may_differ_more():
    rng = np.random.default_rng(3)
    src, tgt = usual_lengths(2000, rng)
    short = rng.integers(3, 8, 500), rng.integers(3, 25, 500)
    both = histogram(np.concatenate([src, short[0]]), np.concatenate([tgt, short[1]]))
    assert both.outliers().n == 0
    # The same ratio among long pairs is one that nothing explains.
    both.add(np.array([9999]), np.array([50]), np.array([220]))
    assert both.outliers().lines == [9999]


def test_the_limit_is_five_robust_deviations():
    rng = np.random.default_rng(4)
    src = np.full(20_000, 1100)
    log_ratio = np.log(0.5) + rng.normal(0, 0.15, 20_000)
    deviations = np.abs(log_ratio - np.median(log_ratio))
    # A tenth of tolerance: the histogram's bins are 0.02 wide.
    log_ratio[:4] = np.median(log_ratio) - 1.4826 * np.median(deviations) * np.array(
        [4.5, 5.5, 6.0, 4.5]
    )
    found = histogram(src, np.rint(1100 * np.exp(log_ratio)).astype(np.int64)).outliers()
    assert found.lines == [3, 2]


def test_few_pairs_give_no_finding():
    assert histogram([10] * 20, [1] * 10 + [100] * 10).outliers().n == 0
    empty = RatioHistogram().outliers()
    assert (empty.n, empty.lines) == (0, [])
