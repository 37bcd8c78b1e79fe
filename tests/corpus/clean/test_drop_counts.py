import numpy as np
import pytest

from mtkit.config.preprocess import PreprocessConfig
from mtkit.corpus.clean.drop_counts import REASONS, DropCounts, dropped_lines
from mtkit.corpus.clean.pair_rules import length_problems


@pytest.mark.parametrize(
    ("n_src", "n_tgt", "reason"),
    [
        (20, 20, None),
        (21, 20, "too_long"),
        (1, 21, "too_long"),
        (9, 1, None),  # short sides pass whatever their ratio
        (10, 5, None),
        (10, 4, "ratio"),
        (7, 15, "ratio"),
        (1, 1, None),
        (0, 3, "blank"),
        (30, 0, "blank"),
    ],
)
def test_lengths(n_src, n_tgt, reason):
    config = PreprocessConfig(max_length=20, max_ratio=2.0)
    assert length_problems(np.array([5, n_src]), np.array([5, n_tgt]), config) == (
        {} if reason is None else {1: reason}
    )


def test_a_pair_counts_for_the_first_rule_in_the_list():
    names = list(REASONS)
    assert (
        names.index("blank")
        < names.index("too_long")
        < names.index("ratio")
        < names.index("duplicate")
        == len(names) - 1
    )


def test_samples_are_shown_without_harm():
    dropped = DropCounts()
    dropped.add("copy", 7, "a\x1b[31mb", "가" * 200)
    dropped.add("duplicate", None, "c", "d")
    dropped.fixed.update(["entities"])
    lines = list(dropped_lines(dropped, 1))
    assert lines[1] == f"      line 7: a\\u001b[31mb  |  {'가' * 150}..."
    assert lines[3] == "      c  |  d"
    assert lines[4].startswith("  1 fixed by rule entities: ")
