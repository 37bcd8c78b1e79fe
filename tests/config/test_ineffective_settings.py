"""Settings that the end of a run keeps from their effect."""

import pytest

from mtkit.config.ineffective_settings import ineffective_settings
from mtkit.config.recipe import Recipe

DATA = {
    "src_lang": "ko",
    "tgt_lang": "en",
    "train": {"src": "a", "tgt": "b"},
    "validation": {"src": "c", "tgt": "d"},
}
SOUND = {"max_steps": 1000, "warmup_steps": 200, "save_every_steps": 100}


def sentences(training, validation, data=DATA):
    sections = {
        "data": data,
        "training": SOUND | training,
        "validation": {"every_steps": 100} | validation,
    }
    return list(ineffective_settings(Recipe.model_validate(sections)))


@pytest.mark.parametrize(
    ("training", "validation"),
    [
        ({}, {}),
        ({"warmup_steps": 0}, {}),
        ({"warmup_steps": 999}, {}),
        ({}, {"every_steps": 1000}),
        # The tenth validation is the last, and the ninth without a new best.
        ({}, {"patience": 8}),
        ({"average_last": 10}, {}),
        # 20 at both intervals, of which 300, 600 and 900 are one.
        ({"average_last": 10}, {"every_steps": 300}),
    ],
)
def test_good_recipe_has_no_warnings(training, validation):
    assert sentences(training, validation) == []


@pytest.mark.parametrize(
    ("training", "validation", "words"),
    [
        (
            {"warmup_steps": 4000, "learning_rate": 0.004},
            {},
            ["training.warmup_steps (4,000)", "max_steps 1,000", "to 0.001 ", "to 200,"],
        ),
        ({"warmup_steps": 1000}, {}, ["training.warmup_steps (1,000) is not before"]),
        ({}, {"every_steps": 1001}, ["validation.every_steps (1,001)", "follows the last update"]),
        ({}, {"patience": 9}, ["validation.patience (9) cannot stop", "after update 1,000"]),
        (
            {"average_last": 11},
            {},
            ["training.average_last (11) is more than the number of checkpoints (10)"],
        ),
        # Every 400: 400, 800; every 300: 300, 600, 900; and the end.
        (
            {"average_last": 7, "save_every_steps": 400},
            {"every_steps": 300},
            ["more than the number of checkpoints (6)"],
        ),
        (
            {"average_last": 2, "save_every_steps": 5000},
            {"every_steps": 1000},
            ["more than the number of checkpoints (1)"],
        ),
    ],
)
def test_each_warning_is_one_sentence_with_a_remedy(training, validation, words):
    [sentence] = sentences(training, validation)
    for word in words:
        assert word in sentence


def test_without_validation_its_settings_do_not_count():
    assert sentences({}, {"every_steps": 5000, "patience": 100}, DATA | {"validation": None}) == []
