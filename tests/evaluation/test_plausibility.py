"""Warnings about text whose scores would be misleading."""

import pytest

from mtkit.evaluation.plausibility import warn_of_wrong_files
from tests.evaluation.perturbed import perturb


@pytest.fixture
def english(ko_en_pairs):
    return [pair.tgt for pair in ko_en_pairs]


def warn(hypotheses, references):
    warn_of_wrong_files({"the translations": hypotheses}, [references])


def test_lower_case_is_warned_of(english, caplog):
    warn([line.lower() for line in english], english)
    assert "the translations have no capital letters, but the references have" in caplog.text
    caplog.clear()
    lower = [line.lower() for line in english]
    warn(lower, lower)
    warn(perturb(english, 0.3, 1), english)
    assert caplog.records == []


def test_another_script_is_warned_of(ko_en_pairs, english, caplog):
    warn([pair.src for pair in ko_en_pairs], english)
    (record,) = caplog.records
    assert "mostly in hangul script, the references in latin" in record.getMessage()


def test_another_language_of_the_same_script_is_warned_of(english, caplog):
    german = ["Der Mann geht mit dem Hund in den Park, und die Kinder spielen."] * len(english)
    warn(german, english)
    (record,) = caplog.records
    assert "lack most of the frequent words of the references" in record.getMessage()


def test_bad_translations_are_in_the_right_language(english, caplog):
    warn(perturb(english, 0.6, 1), english)
    # Too few words to judge.
    warn(["Der Mann geht in den Park."] * 5, english[:5])
    assert caplog.records == []
