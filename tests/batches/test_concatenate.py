"""Pairs joined to one: who goes with whom, and what the ids read as."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.batches.concatenate import PairConcatenator, draw_partners
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword


@given(
    n_rows=st.integers(0, 60),
    rate=st.floats(0, 1),
    n_groups=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_a_partner_is_another_row_of_the_same_group(n_rows, rate, n_groups, seed):
    rng = np.random.default_rng(seed)
    rows = rng.permutation(1000)[:n_rows]
    groups = rng.integers(n_groups, size=n_rows)
    partners = draw_partners(rows, rate, np.random.default_rng(seed), groups)
    assert partners.shape == rows.shape
    group_of = dict(zip(rows.tolist(), groups.tolist(), strict=True))
    for row, partner in zip(rows.tolist(), partners.tolist(), strict=True):
        assert partner == -1 or (partner != row and group_of[partner] == group_of[row])
    if rate == 0:
        assert (partners == -1).all()
    if rate == 1:
        assert all(
            partner >= 0
            for partner, group in zip(partners, groups, strict=True)
            if (groups == group).sum() > 1
        )


def test_as_many_are_joined_as_asked_and_each_row_is_as_likely_a_partner():
    rows = np.arange(100, 120)
    found = np.stack(
        [draw_partners(rows, 0.3, np.random.default_rng(seed)) for seed in range(2000)]
    )
    assert abs((found >= 0).mean() - 0.3) < 0.01
    counts = np.bincount(found[found >= 0] - 100, minlength=20)
    assert abs(counts / counts.sum() - 1 / 20).max() < 0.01


def test_repeated_row_is_not_concatenated_with_itself():
    assert (draw_partners(np.array([7, 7, 7]), 1.0, np.random.default_rng(1)) == -1).all()


def test_equal_random_state_gives_equal_partners():
    rows = np.arange(5000) * 3
    once, again = (draw_partners(rows, 0.5, np.random.default_rng(4), rows % 4) for _ in range(2))
    np.testing.assert_array_equal(once, again)


def decoded(subword, rows):
    return subword.decode([row.tolist() for row in rows])


def encoded(subword, *texts):
    return [np.array(ids, np.uint16) for ids in subword.encode(texts)]


def test_concatenated_ids_decode_to_both_lines_without_the_second_tags(tiny_tokenizer, ko_en_pairs):
    subword, joiner = tiny_tokenizer.src, PairConcatenator(tiny_tokenizer, ("ko", "en"))
    tag = np.array([5, 6], np.uint16)
    for a, b in zip(ko_en_pairs[:40], ko_en_pairs[40:80], strict=True):
        src_a, src_b, tgt_a, tgt_b = encoded(subword, a.src, b.src, a.tgt, b.tgt)
        src = joiner.src(np.concatenate([tag, src_a]), np.concatenate([tag, src_b]), 2)
        assert src[:2].tolist() == [5, 6]
        assert decoded(subword, [src[2:], joiner.tgt(tgt_a, tgt_b)]) == [
            f"{a.src} {b.src}",
            f"{a.tgt} {b.tgt}",
        ]


@pytest.mark.parametrize("lang", ["ja", "zh-Hant", "zho_Hans", "th"])
def test_language_without_spaces_is_joined_without_space_where_subwords_allow(lang):
    texts = ["今日は晴れです。", "明日は雨です。", "彼は学生です。", "雨が降る。", "a です。"] * 5
    subword = Subword(train_subword(texts, TokenizerConfig(vocab_size=290)))
    joiner = PairConcatenator(Tokenizer(subword, subword), ("en", lang))
    pieces = {piece.text for piece in subword.entries()}
    n_bare = 0
    for a in texts[:5]:
        for b in texts[:5]:
            first, second = encoded(subword, a, b)
            joined = joiner.tgt(first, second)
            head = subword.entries()[second[0]].text.removeprefix("▁")
            has_bare = head == "" or head in pieces
            n_bare += has_bare
            assert decoded(subword, [joined]) == [a + b if has_bare else f"{a} {b}"]
            assert len(joined) <= len(first) + len(second)
            assert decoded(subword, [joiner.src(first, second)]) == [f"{a} {b}"]
    assert n_bare > 10
