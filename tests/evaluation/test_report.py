"""Reports of scores, for people and for programs."""

import json

from mtkit.evaluation.report import to_json, to_text
from mtkit.evaluation.score import Score, Scores

SCORES = Scores(
    {
        "bleu": Score("BLEU", 38.12345, "nrefs:1|tok:13a", "70.1/45.2/31.4/22.0 (BP = 0.980)"),
        "ter": Score("TER", 101.5, "nrefs:1|tok:tercom"),
    },
    n_segments=1000,
)


def test_text_has_value_signature_and_components():
    assert to_text(SCORES) == (
        "BLEU    38.12   nrefs:1|tok:13a\n"
        "                70.1/45.2/31.4/22.0 (BP = 0.980)\n"
        "TER    101.50   nrefs:1|tok:tercom"
    )  # fmt: skip


def test_names_in_hangul_are_aligned():
    scores = {"길이": Score("길이", 2.0, "scorer:길이"), "bleu": SCORES.bleu}
    first, second, _ = to_text(Scores(scores, 1000)).splitlines()
    assert (first, second) == (
        "길이       2.00   scorer:길이",
        "BLEU      38.12   nrefs:1|tok:13a",
    )


def test_programs_get_json_with_every_digit():
    inputs = {"hypotheses": "뉴스.out", "references": ["news.en"]}
    assert json.loads(to_json(SCORES, inputs)) == {
        "n_segments": 1000,
        "bleu": {
            "name": "BLEU",
            "value": 38.12345,
            "signature": "nrefs:1|tok:13a",
            "detail": "70.1/45.2/31.4/22.0 (BP = 0.980)",
        },
        "ter": {"name": "TER", "value": 101.5, "signature": "nrefs:1|tok:tercom", "detail": ""},
        "inputs": inputs,
    }


def test_a_score_reads_as_a_line():
    assert str(SCORES.bleu) == "BLEU 38.12 (nrefs:1|tok:13a)"
