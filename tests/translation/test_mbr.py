"""Of the candidates, the one that sacreBLEU finds most like the others."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from mtkit.translation.mbr import MbrCandidate, rank_candidates, utilities
from tests.strategies import nasty_text

METRICS = {"chrf": CHRF(), "bleu": BLEU(effective_order=True)}
sentence = st.lists(
    st.sampled_from(["the", "cat", "sat", "on", "mat", ".", "that's", "12,5"]), max_size=9
).map(" ".join)
texts = st.lists(st.one_of(sentence, sentence, nasty_text), min_size=1, max_size=6)


@pytest.mark.parametrize("utility", ["chrf", "bleu"])
@settings(max_examples=60, deadline=None)
@given(texts=texts)
@example(texts=["", "a", "a b c d e", " "])
@example(texts=["the the the the cat", "the cat the", "the the"])
def test_utilities_are_sacrebleus(utility, texts):
    found = utilities(texts, utility)
    expected = [
        [METRICS[utility].sentence_score(hypothesis, [reference]).score for reference in texts]
        for hypothesis in texts
    ]
    for ours, theirs in zip(found.tolist(), expected, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-9)


def test_bleu_with_other_tokenizers():
    metric = BLEU(tokenize="char", effective_order=True)
    found = utilities(["我们走", "我们去"], "bleu", "char")
    assert found[0, 1] == pytest.approx(metric.sentence_score("我们走", ["我们去"]).score)


@pytest.mark.parametrize("utility", ["chrf", "bleu"])
@settings(max_examples=40, deadline=None)
@given(
    drawn=st.lists(st.tuples(sentence, st.floats(-9, 0), st.integers(1, 3)), min_size=1, max_size=6)
)
def test_ranked_by_the_mean_over_all_others(utility, drawn):
    candidates = [MbrCandidate(*one) for one in drawn]
    bag = [candidate.text for candidate in candidates for _ in range(candidate.count)]
    expected = {}
    for text in set(bag):
        others = list(bag)
        others.remove(text)
        scores = [
            METRICS[utility].sentence_score(text, [other]).score for other in others or [text]
        ]
        expected[text] = sum(scores) / len(scores)
    ranked = rank_candidates(candidates, utility)
    assert {
        candidates[one.index].text: pytest.approx(one.utility, abs=1e-9) for one in ranked
    } == expected
    assert len(ranked) == len(expected)
    values = [one.utility for one in ranked]
    assert values == pytest.approx(sorted(values, reverse=True), abs=1e-8)
    for one in ranked:
        chosen = candidates[one.index]
        assert chosen.log_prob == max(
            candidate.log_prob for candidate in candidates if candidate.text == chosen.text
        )


def test_ties_go_to_the_more_probable():
    candidates = [MbrCandidate("a b", -3.0), MbrCandidate("c d", -1.0), MbrCandidate("e f", -2.0)]
    assert [one.index for one in rank_candidates(candidates)] == [1, 2, 0]


def test_frequent_candidate_wins():
    odd, common = "a man walks", "two dogs play outside"
    candidates = [
        MbrCandidate(odd, -0.1),
        MbrCandidate(common, -5.0, 9),
        MbrCandidate("a man walks away", -2.0),
    ]
    assert rank_candidates(candidates)[0].index == 1
    assert rank_candidates([candidate._replace(count=1) for candidate in candidates])[0].index != 1


def test_single_candidate():
    assert rank_candidates([MbrCandidate("a b c", -1.0)]) == [(0, pytest.approx(100.0))]
    assert rank_candidates([MbrCandidate("", -1.0)]) == [(0, 0.0)]
