"""Scores on altered test sets: the alterations, the comparison, and its report."""

import json
import logging

import pytest

from mtkit.corpus.augment.altered_sets import alter_test_set
from mtkit.errors import MtkitError
from mtkit.evaluation.metrics import evaluate
from mtkit.evaluation.report import robustness_to_json, robustness_to_tables
from mtkit.evaluation.robustness import AlteredScores, evaluate_robustness

NAMES = ["upper_case", "title_case", "typos", "drop_end_punctuation", "noise", "merge"]
GERMAN = [
    "Ein Mann mit einem orangefarbenen Hut starrt auf etwas.",
    "Ein Boston Terrier läuft über saftig-grünes Gras!",
    "Ein Mädchen in einem Karateanzug bricht ein Brett.",
    "Fünf Leute in Winterjacken stehen im Schnee?",
    "Leute reparieren das Dach eines Hauses.",
]


class Copier:
    """Gives every line back, so that the score of a set is perfect where both sides were altered
    alike.
    """

    def __init__(self):
        self.calls = []

    def __call__(self, lines):
        self.calls.append(lines)
        return lines


def measure(translate, src, references, langs, known_tags=(), metrics=("bleu",)):
    altered = alter_test_set(src, references, langs, known_tags)
    return evaluate_robustness(translate, src, references, altered, metrics)


def by_name(result):
    return {test_set.name: test_set for test_set in result.altered}


def test_both_sides_are_altered_where_the_translation_changes_too():
    result = measure(Copier(), GERMAN, [GERMAN], ("de", "de"))
    bleu = {name: one.scores.bleu.value for name, one in by_name(result).items() if one.scores}
    assert list(bleu) == NAMES
    assert result.clean.bleu.value == pytest.approx(100)
    assert [bleu[name] for name in NAMES if name != "typos"] == pytest.approx([100] * 5)
    assert 30 < bleu["typos"] < 90
    assert {name: one.n_altered for name, one in by_name(result).items()} == dict.fromkeys(
        NAMES, 5
    ) | {"merge": 2}


def test_each_line_is_translated_once_and_all_in_one_call():
    copier = Copier()
    measure(copier, GERMAN + GERMAN[:1], [GERMAN + GERMAN[:1]], ("de", "en"))
    (lines,) = copier.calls
    assert len(lines) == len(set(lines)) and lines[:5] == GERMAN
    assert {
        GERMAN[0].upper(),
        GERMAN[0][:-1],
        f"{GERMAN[0]} {GERMAN[1]}",
        f"{GERMAN[4]} {GERMAN[0]}",
    } <= set(lines)


def test_alterations_do_not_depend_on_other_lines():
    one, other = Copier(), Copier()
    measure(one, GERMAN, [GERMAN], ("de", "en"))
    measure(other, GERMAN[:4], [GERMAN[:4]], ("de", "en"))
    assert set(other.calls[0]) < set(one.calls[0])


def test_every_reference_is_altered():
    others = [line.replace("Ein", "Jener") for line in GERMAN]
    result = measure(Copier(), GERMAN, [others, GERMAN], ("de", "de"), metrics=["chrf"])
    chrf = [one.scores.chrf.value for one in result.altered if one.scores and one.name != "typos"]
    assert chrf == pytest.approx([100] * 5)
    assert "nrefs:2" in result.clean.chrf.signature


def test_an_alteration_that_changes_no_line_is_listed_and_not_scored(ko_en_pairs):
    src, tgt = ([getattr(pair, side) for pair in ko_en_pairs[:20]] for side in ("src", "tgt"))
    result = by_name(measure(Copier(), src, [tgt], ("ko", "en")))
    assert [name for name, one in result.items() if one.scores is None] == [
        "upper_case",
        "title_case",
    ]
    assert result["upper_case"].n_altered == 0 and result["typos"].n_altered == 20


def test_tags_stay_first_and_lines_with_different_tags_are_not_concatenated():
    copier = Copier()
    src = [
        "<2ko>Guten Tag.",
        "<2ko> Bis bald.",
        "<2en>Guten Tag.",
        "<2ko>Ja.",
        "",
        "Nein.",
        "<2en>Doch.",
    ]
    measure(copier, src, [src], ("de", "en"), known_tags=("<2ko>", "<2en>"))
    lines = set(copier.calls[0])
    assert {
        "<2ko>GUTEN TAG.",
        "<2ko> BIS BALD.",
        "<2en>Guten Tag",
        "<2ko>Guten Tag. Bis bald.",
    } <= lines
    assert not any("Guten Tag. Ja." in line or "Nein. Doch" in line for line in lines)
    noise = [
        line
        for line in lines
        if line.upper() not in {other.upper() for other in src} and line.startswith("<2en>")
    ]
    assert len(noise) >= 2


def test_languages_without_spaces_are_joined_without():
    copier = Copier()
    measure(
        copier,
        ["私は学生です。", "彼は先生です。"],
        [["나는 학생이다.", "그는 선생님이다."]],
        ("ja", "ko"),
    )
    assert "私は学生です。彼は先生です。" in copier.calls[0]


def test_unequal_counts_are_reported_before_anything_is_translated():
    copier = Copier()
    with pytest.raises(MtkitError, match="5 lines to translate, but 4 lines in references 2"):
        evaluate_robustness(copier, GERMAN, [GERMAN, GERMAN[:4]], {})
    assert copier.calls == []


def test_warning_is_logged_once(caplog):
    split = ["Guten Tag , sagte er ."] * 20
    with caplog.at_level(logging.WARNING, logger="mtkit"):
        measure(Copier(), split, [split], ("de", "de"))
    assert [record.getMessage().split(" look")[0] for record in caplog.records] == [
        "the translations",
        "the references",
    ]


def test_the_table_and_its_json():
    clean, worse = (
        evaluate(lines, GERMAN, ["bleu", "ter"])
        for lines in (GERMAN, [*GERMAN[:4], "Leute reparieren ein Dach."])
    )
    altered = [AlteredScores("typos", 4, worse), AlteredScores("upper_case", 0, None)]
    _, head, first, second, third, *signatures = robustness_to_tables(
        clean, altered, "text"
    ).splitlines()
    assert head.split() == ["test", "set", "lines", "BLEU", "change", "TER", "change"]
    assert first.split() == ["clean", "5", "100.00", "0.00"]
    difference, ter = f"{worse.bleu.value - 100:+.2f}", f"{worse.ter.value:.2f}"
    assert second.split() == ["typos", "4", f"{worse.bleu.value:.2f}", difference, ter, f"+{ter}"]
    assert third.split() == ["upper_case", "0", "-", "-", "-", "-"]
    assert [line.split()[-1] for line in signatures[-2:]] == [score.signature for score in clean]
    markdown = robustness_to_tables(clean, altered, "markdown")
    assert f"| typos | 4 | {worse.bleu.value:.2f} | {difference} | {ter} | +{ter} |" in markdown
    report = json.loads(robustness_to_json(clean, altered))
    assert report["clean"]["bleu"] == clean.as_dict()["bleu"] and report["clean"]["n_segments"] == 5
    assert (
        report["typos"]["ter"]["difference"] == pytest.approx(worse.ter.value)
        and report["typos"]["n_altered"] == 4
    )
    assert report["upper_case"] == {"n_altered": 0}
