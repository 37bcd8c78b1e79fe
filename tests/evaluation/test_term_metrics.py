"""Metrics of terms on a test set that can be counted by hand."""

import pytest

from mtkit.corpus.terms.term_list import Term, TermList
from mtkit.errors import MtkitError
from mtkit.evaluation.comparison import System, score_systems
from mtkit.evaluation.metrics import evaluate
from mtkit.evaluation.resampling import Resampling
from mtkit.evaluation.term_metrics import have_same_stem, term_metrics

TERMS = TermList(
    (Term("Haus", "house", ("house", "houses")), Term("Hof", "yard", ("yard",))), "terms.tsv"
)
SRC = ["Das Haus", "Haus und Haus", "Der Hof", "Ein Baum", "Das Haus"]
REFERENCES = ["The house", "House and house", "The yard", "A tree", "The house"]
HYPOTHESES = ["The houses", "A house", "The yards", "A tree", "The home"]


def scores(hypotheses=HYPOTHESES, documents=(), references=REFERENCES):
    metrics = term_metrics(TERMS, SRC, [references], ("de", "en"), documents)
    [result] = score_systems([System("", [hypotheses])], metrics, Resampling(n_bootstrap=20))
    return {key: runs.score for key, runs in result.scores.items()}


def test_occurrences_are_counted_once_each():
    # 5 occurrences: houses counts, one of two in line 2, yards and home do not.
    found = scores()
    assert found["terms"].value == pytest.approx(100 * 2 / 5)
    assert found["terms"].detail == "2 of 5"
    assert found["terms"].interval is not None
    assert found["terms_stem"].detail == "3 of 5"
    perfect = scores(REFERENCES)
    assert perfect["terms"].value == perfect["terms_consistent"].value == 100


def test_consistency_compares_with_the_occurrence_before_in_the_document():
    # Haus occurs in lines 1, 2 and 5: houses and house are alike, home is not known.
    assert scores()["terms_consistent"].detail == "1 of 2"
    assert scores(documents=["a", "a", "a", "b", "b"])["terms_consistent"].detail == "1 of 1"
    assert "terms_consistent" not in scores(documents=list("abcde"))


def test_the_rest_is_chrf_of_the_lines_without_terms():
    texts = [*HYPOTHESES[:3], "A trees", HYPOTHESES[4]]
    expected = evaluate(["A trees"], ["A tree"], ["chrf"], warns=False).chrf.value
    assert scores(texts)["chrf_rest"].value == pytest.approx(expected)


def test_the_control_draws_aligned_words_outside_the_terms():
    nouns = {"Baum": "tree", "Tisch": "table", "Stuhl": "chair", "Bett": "bed"}
    src = [f"{noun} Haus {other}" for noun in nouns for other in nouns if noun != other] * 3
    tgt = [f"{nouns[a]} house {nouns[b]}" for a, _, b in map(str.split, src)]
    metrics = term_metrics(TERMS, src, [tgt], ("de", "en"))
    if "terms_control" in metrics:
        rows = metrics["terms_control"].statistics(tgt)
        assert rows[:, 0].sum() == rows[:, 1].sum() <= len(src)
        assert metrics["terms_control"].statistics(["x"] * len(tgt))[:, 0].sum() == 0


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("house", "Houses", True),
        ("gehen", "geht", False),
        ("go", "goes", False),
        ("translate", "translations", False),
        ("translate", "translated", True),
        ("a", "a", True),
    ],
)
def test_stems(one, other, expected):
    assert have_same_stem(one, other) == expected


def test_mistakes():
    with pytest.raises(MtkitError, match="none of the 2 terms occurs"):
        term_metrics(TERMS, ["nichts"], [["nothing"]])
    with pytest.raises(MtkitError, match="2 lines name a document"):
        term_metrics(TERMS, SRC, [REFERENCES], documents=["a", "b"])
