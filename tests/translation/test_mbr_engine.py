"""Minimum Bayes risk through the translator."""

import pytest
from sacrebleu.metrics.chrf import CHRF

from mtkit.config.search import SearchConfig
from mtkit.errors import MtkitError
from mtkit.search.hypothesis import Hypothesis
from mtkit.translation.mbr import candidate_config
from mtkit.translation.translator import Translator


@pytest.fixture
def lines(ko_en_pairs):
    return [pair.src for pair in ko_en_pairs[:8]]


def test_chosen_candidate_is_most_similar_to_the_n_best(make_trained, lines):
    translator = Translator.from_models([make_trained()], n_workers=1)
    chrf = CHRF()
    candidates = translator.translate(lines, beam_size=8, n_best=8)
    n_changed = 0
    for by_risk, by_probability in zip(translator.translate(lines, mbr=8), candidates, strict=True):
        texts = [alternative.text for alternative in by_probability.alternatives]
        assert len(texts) == 8
        risks = {}
        for i, text in enumerate(texts):
            others = texts[:i] + texts[i + 1 :]
            risks[text] = sum(chrf.sentence_score(text, [other]).score for other in others) / len(
                others
            )
        assert by_risk.score == pytest.approx(max(risks.values()))
        assert risks[by_risk.text] == pytest.approx(by_risk.score)
        n_changed += by_risk.text != by_probability.text
    assert n_changed > 0


def test_samples_are_judged_as_often_as_they_were_drawn(make_trained, lines):
    translator = Translator.from_models([make_trained()], n_workers=1)
    chrf = CHRF()
    search = {"sampling": True, "top_k": 2, "max_length": 3, "seed": 5}
    drawn = translator.translate(lines, n_best=12, **search)
    n_repeated = 0
    for by_risk, samples in zip(
        translator.translate(lines, mbr=12, n_best=3, **search), drawn, strict=True
    ):
        texts = [alternative.text for alternative in samples.alternatives]
        n_repeated += len(set(texts)) < len(texts) == 12
        risks = [
            sum(chrf.sentence_score(text, [o]).score for o in texts[:i] + texts[i + 1 :]) / 11
            for i, text in enumerate(texts)
        ]
        assert by_risk.score == pytest.approx(max(risks))
        assert risks[texts.index(by_risk.text)] == pytest.approx(by_risk.score)
        assert len({alternative.text for alternative in by_risk.alternatives}) == len(
            by_risk.alternatives
        )
    assert n_repeated > 0


def test_every_group_of_the_beam_gives_candidates(make_trained, lines):
    translator = Translator.from_models([make_trained()], n_workers=1)
    assert candidate_config(translator.search_config(mbr=5, n_groups=4, beam_size=4)).beam_size == 8
    assert [
        len(found.alternatives)
        for found in translator.translate(lines, mbr=5, n_groups=2, beam_size=2, n_best=2)
    ] == [2] * len(lines)


def test_tags_of_translations_are_not_compared(make_trained, lines):
    symbol = "<2en>"
    trained = make_trained()
    subword = trained.tokenizer.tgt
    subword.__dict__["user_symbols"] = (symbol,)
    try:
        translator = Translator.from_models([trained], n_workers=1, tgt_tags=[symbol])
        candidates = translator.translate(lines, beam_size=6, n_best=6)
        chosen = translator.translate(lines, mbr=6)
    finally:
        del subword.__dict__["user_symbols"]
    chrf = CHRF()
    for by_risk, by_probability in zip(chosen, candidates, strict=True):
        texts = [alternative.text for alternative in by_probability.alternatives]
        risks = [
            sum(chrf.sentence_score(text, [o]).score for o in texts[:i] + texts[i + 1 :]) / 5
            for i, text in enumerate(texts)
        ]
        assert by_risk.score == pytest.approx(max(risks))


def test_the_n_best_are_those_of_least_risk(make_trained, lines):
    found = Translator.from_models([make_trained()], n_workers=1).translate(
        lines, mbr=6, n_best=4, mbr_utility="bleu"
    )
    for one in found:
        scores = [alternative.score for alternative in one.alternatives]
        assert scores == sorted(scores, reverse=True)
        assert (
            len({alternative.text for alternative in one.alternatives})
            == len(one.alternatives)
            <= 4
        )
        assert all(0 <= score <= 100.000001 for score in scores)


def test_candidates_of_one_text_count_together(make_trained):
    """Whatever pieces they are made of."""
    trained = make_trained(max_length=200)
    subword = trained.tokenizer.tgt
    pieces = {piece.text: i for i, piece in enumerate(subword.entries())}
    ways = [[pieces["▁a"]], [pieces["▁"], pieces["a"]]]
    assert subword.decode(ways) == ["a", "a"]
    translator = Translator.from_models([trained], n_workers=1)
    translator.line_search.engine = Fixed([*ways, *subword.encode(["b c", "b d"])])
    found = translator.translate(["x"], mbr=4, n_best=4)[0]
    assert found.text == "a"
    assert len(found.alternatives) == 3
    # Its other self, and two texts that share no letter with it.
    assert found.score == pytest.approx((100.0 + 0.0 + 0.0) / 3)


class Fixed:
    def __init__(self, rows):
        self.rows = rows

    def search(self, request):
        assert request.config.n_best == 4 and request.config.mbr == 0
        request.on_batch(list(range(len(request.sources))))
        return [
            [Hypothesis(row, -1.0 - i, -1.0 - i) for i, row in enumerate(self.rows)]
            for _ in request.sources
        ]


def test_blank_lines_and_parts(make_trained, ko_en_pairs):
    translator = Translator.from_models([make_trained(max_length=8)], n_workers=1)
    long = " ".join(pair.src for pair in ko_en_pairs[:5])
    blank, split = translator.translate(["", long], mbr=4, alignments=True)
    assert blank.text == ""
    assert split.text and len(split.alternatives) == 1


def test_settings_fit_together():
    assert SearchConfig(mbr=8, n_best=7, beam_size=2).mbr == 8
    with pytest.raises(ValueError, match=r"n_best \(9\) is more than mbr \(8\)"):
        SearchConfig(mbr=8, n_best=9, beam_size=10)


def test_more_than_available(translator):
    with pytest.raises(MtkitError, match=r"n_best \(5\) is more than mbr \(3\)") as caught:
        translator.translate(["물"], mbr=3, n_best=5)
    assert caught.value.hint == "raise mbr"
