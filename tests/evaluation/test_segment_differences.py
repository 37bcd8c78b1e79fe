"""Segments that differ most, and the words in which they do."""

import pytest
from sacrebleu.metrics.bleu import BLEU

from mtkit.evaluation.comparison import System, compare_systems
from mtkit.evaluation.corpus_metric import sacrebleu_metrics
from mtkit.evaluation.resampling import Resampling
from mtkit.evaluation.segment_differences import largest_differences, segment_table, word_diff
from tests.evaluation.perturbed import perturb


@pytest.mark.parametrize(
    ("first", "second", "marked"),
    [
        ("a b c", "a b c", ("a b c", "a b c")),
        ("the cat sat", "the dog sat down", ("the [-cat-] sat", "the {+dog+} sat {+down+}")),
        ("", "a b", ("", "{+a b+}")),
        ("a b c d", "", ("[-a b c d-]", "")),
        ("x a b", "a b x", ("[-x-] a b", "a b {+x+}")),
    ],
)
def test_word_diff_by_hand(first, second, marked):
    assert word_diff(first, second) == marked


def test_the_largest_differences_come_first(ko_en_pairs):
    english = [pair.tgt for pair in ko_en_pairs][:40]
    first, second = perturb(english, 0.1, 1), perturb(english, 0.3, 2)
    comparison = compare_systems(
        [System("a", [first]), System("b", [second])],
        sacrebleu_metrics(["bleu", "chrf"], [english]),
        Resampling(10, n_trials=10),
    )
    bleu = BLEU(effective_order=True)
    scores = [
        tuple(bleu.sentence_score(text, [reference]).score for text in texts)
        for *texts, reference in zip(first, second, english, strict=True)
    ]
    expected = sorted(range(40), key=lambda i: -abs(scores[i][0] - scores[i][1]))[:5]
    first_result, second_result = comparison.systems
    found = largest_differences(comparison, first_result, second_result, 5)
    assert [segment.line for segment in found] == [i + 1 for i in expected]
    assert [(segment.first_score, segment.second_score) for segment in found] == [
        scores[i] for i in expected
    ]
    header, *rows = [line.split("\t") for line in segment_table(comparison)]
    assert header == ["line", "a:bleu", "a:chrf", "b:bleu", "b:chrf"]
    assert [float(row[1]) for row in rows] == pytest.approx([a for a, _ in scores], abs=1e-4)
    assert [row[0] for row in rows] == [str(i) for i in range(1, 41)]
    assert largest_differences(comparison, first_result, first_result, 5) == []
