import pickle
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.config.clean import CleanConfig
from mtkit.config.data import CorpusSource, DataConfig
from mtkit.config.recipe import Recipe
from mtkit.corpus.clean.drop_counts import (
    MAX_SAMPLE_CHARS,
    MAX_SAMPLES,
    RULES,
    DropCounts,
    DroppedSample,
)
from mtkit.corpus.clean.held_out_keys import HeldOutKeys
from mtkit.corpus.clean.pair_cleaner import PairCleaner
from mtkit.corpus.clean.text_fixes import FIXES
from mtkit.corpus.read.pairs import read_pairs
from mtkit.errors import MtkitError
from tests.strategies import nasty_text

configs = st.builds(
    CleanConfig,
    invisible=st.booleans(),
    entities=st.booleans(),
    normal_form=st.sampled_from(["none", "NFC", "NFKC"]),
    spaces=st.booleans(),
    min_letters=st.sampled_from([0.0, 0.2]),
    min_script=st.sampled_from([0.0, 0.3]),
    max_char_ratio=st.sampled_from([0.0, 3.0]),
)


@pytest.fixture(scope="module")
def cleaner():
    return PairCleaner(
        CleanConfig(), "de", "en", HeldOutKeys([("Das ist ein Haus.", "This is a house.")])
    )


@pytest.mark.parametrize(
    ("src", "tgt", "reason"),
    [
        ("Guten Morgen!", "Good morning!", None),
        ("", "Good morning!", "blank"),
        ("Guten Morgen!", " \u200b\u3000 ", "blank"),
        ("&nbsp;", "Good morning!", "blank"),
        ("w" * 2001, "w" * 2000, "length"),
        ("Schönes Wetter", "Nice weâ€™ather", "garbled"),
        ("sch\ufffdn", "nice", "garbled"),
        ("3.", "Third", "letters"),
        ("Guten Morgen!", "좋은 아침!", "script"),
        ("Wir sind da.", "Das ist mit der Zeit nicht auf dem Weg.", "language"),
        ("The rest of it is with them.", "We are there.", "language"),
        ("Ja.", "That is what I have always said to him.", "char_ratio"),
        (
            "Cookies helfen uns bei der Bereitstellung.",
            "Cookies helfen uns bei der Bereitstellung.",
            "copy",
        ),
        ("das IST ein Haus", "This is a house!", "test_overlap"),
        ("This is a house.", "Das ist ein Haus.", "test_overlap"),  # the other direction
        ("Das ist ein Haus.", "That is a building.", None),
    ],
)
def test_the_first_rule_that_a_pair_breaks(cleaner, src, tgt, reason):
    assert cleaner.clean(src, tgt).reason == reason


def test_fixed_texts_and_fixes_of_both_sides_are_returned(cleaner):
    assert cleaner.clean("Fisch &amp; Chips", "Fish  and\u00ad chips") == (
        "Fisch & Chips",
        "Fish and chips",
        None,
        ("invisible", "entities", "spaces"),
    )


def test_limits_are_met_exactly():
    cleaner = PairCleaner(CleanConfig(min_chars=2, max_chars=4), "de", "en")
    assert [cleaner.clean("w" * n, "www").reason for n in range(1, 6)] == [
        "length",
        None,
        None,
        None,
        "length",
    ]


def test_either_side_of_a_test_set_can_be_kept_out():
    held_out = HeldOutKeys([("Danke.", "Thank you."), ("...", "???")], "either")
    cleaner = PairCleaner(CleanConfig(test_overlap="either", min_letters=0), "de", "en", held_out)
    pairs = [
        ("Danke!", "Thanks."),
        ("Ich danke.", "thank you"),
        ("Thank you", "merci"),
        ("Bitte.", "Please."),
        ("!!!", "!"),
    ]
    assert [cleaner.clean(*pair).reason for pair in pairs] == [
        "test_overlap",
        "test_overlap",
        "test_overlap",
        None,
        None,
    ]


def test_everything_can_be_switched_off():
    numbers = dict.fromkeys(
        [
            "min_chars",
            "max_chars",
            "min_letters",
            "min_script",
            "max_char_ratio",
            "min_copy_letters",
        ],
        0,
    )
    flags = dict.fromkeys(["garbled", "entities", "invisible", "spaces", "wrong_language"], False)
    config = CleanConfig.model_validate({**numbers, **flags, "normal_form": "none"})
    cleaner = PairCleaner(config, "de", "en")
    for pair in [
        ("sch\ufffdn", "x"),
        ("3", "Привет &amp; " * 500),
        ("Cookies helfen uns bei der Arbeit.",) * 2,
        ("The rest of it is with them.", "Das ist nicht mit der Zeit."),
    ]:
        assert cleaner.clean(*pair) == (*pair, None, ())


@given(pairs=st.lists(st.tuples(nasty_text, nasty_text), max_size=5), config=configs)
def test_a_kept_pair_is_one_line_each_and_cleaning_it_again_changes_nothing(pairs, config):
    cleaner = PairCleaner(config, "ko", "en", HeldOutKeys([("a", "b")]))
    copy = pickle.loads(pickle.dumps(cleaner))
    for pair in pairs:
        cleaned = cleaner.clean(*pair)
        assert copy.clean(*pair) == cleaned
        assert cleaned.reason is None or cleaned.reason in RULES
        assert set(cleaned.fixes) <= set(FIXES)
        if cleaned.reason is None:
            assert not set("\n\r") & set(cleaned.src + cleaned.tgt)
            assert cleaner.clean(cleaned.src, cleaned.tgt) == (cleaned.src, cleaned.tgt, None, ())


def test_true_pairs_are_left_as_they_are(ko_en_pairs):
    cleaner = PairCleaner(CleanConfig(), "ko", "en")
    assert [cleaner.clean(*pair) for pair in ko_en_pairs] == [
        (*pair, None, ()) for pair in ko_en_pairs
    ]


def test_swapped_sides_are_detected_by_script(ko_en_pairs):
    cleaner = PairCleaner(CleanConfig(), "en", "ko")
    assert {cleaner.clean(*pair).reason for pair in ko_en_pairs} == {"script"}


@pytest.mark.parametrize(
    ("folder", "src", "tgt", "n_max"),
    [
        ("multi30k", "train.de.gz", "train.en.gz", 2),
        ("tatoeba-de-en", "train.de.gz", "train.en.gz", 1),  # with an English sentence
        ("wmt-news-de-en", "newstest2013.de", "newstest2013.en", 0),
        ("python-docs-ko-en", "train.ko.gz", "train.en.gz", 40),
        ("tatoeba-ko-en", "train.ko", "train.en", 0),
        ("korean-news-ko-en", "dev.ko", "dev.en", 10),  # which is not clean
    ],
)
def test_defaults_leave_clean_corpora_unchanged(shared_data, folder, src, tgt, n_max):
    source = CorpusSource(src=shared_data / folder / src, tgt=shared_data / folder / tgt)
    data = DataConfig(src_lang=src.split(".")[1], tgt_lang=tgt.split(".")[1], train=(source,))
    cleaner = PairCleaner(CleanConfig(), data.src_lang, data.tgt_lang)
    reasons = [cleaner.clean(*pair).reason for pair in islice(read_pairs(source, data), 20_000)]
    assert len(reasons) - reasons.count(None) <= n_max


def write(path, *lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    return path


@pytest.fixture
def make_recipe(tmp_path):
    def make(**clean):
        sides = {
            name: {
                "src": write(tmp_path / f"{name}.de", *src),
                "tgt": write(tmp_path / f"{name}.en", *tgt),
            }
            for name, src, tgt in CORPORA
        }
        data = {
            "src_lang": "de",
            "tgt_lang": "en",
            "train": sides["train"],
            "validation": sides["validation"],
            "test": [sides["test"]],
        }
        return Recipe.model_validate({"data": data, "clean": clean})

    return make


CORPORA = [
    ("train", ["Hallo"], ["Hello"]),
    ("validation", ["Salz &amp; Pfeffer"], ["salt  &amp; pepper"]),
    ("test", ["Das ist ein Haus."], ["This is a house."]),
]


def test_a_recipes_validation_and_test_sets_are_kept_out(make_recipe):
    cleaner = PairCleaner.for_recipe(make_recipe())
    pairs = [
        ("Salz & Pfeffer.", "Salt & pepper."),
        ("das ist ein haus", "This is a house"),
        ("Hallo", "Hello"),
    ]
    assert [cleaner.clean(*pair).reason for pair in pairs] == ["test_overlap", "test_overlap", None]
    cleaner = PairCleaner.for_recipe(make_recipe(test_overlap="off"))
    assert [cleaner.clean(*pair).reason for pair in pairs] == [None, None, None]


def test_missing_test_set_is_reported(make_recipe, tmp_path):
    recipe = make_recipe()
    (tmp_path / "test.de").unlink()
    with pytest.raises(MtkitError, match="no such file"):
        PairCleaner.for_recipe(recipe)


def test_a_corpus_may_have_languages_of_its_own(make_recipe):
    cleaner = PairCleaner.for_recipe(make_recipe())
    source = CorpusSource.model_validate({"src": "a", "tgt": "b", "tgt_lang": "ko"})
    assert cleaner.clean("Guten Morgen", "좋은 아침").reason == "script"
    assert cleaner.for_source(source).clean("Guten Morgen", "좋은 아침").reason is None
    assert (
        cleaner.for_source(source).clean("das ist ein haus", "This is a house").reason == "script"
    )


def count(events):
    dropped = DropCounts()
    for line, (reason, mended) in enumerate(events, 1):
        dropped.fixed.update(mended)
        if reason is not None:
            dropped.add(reason, line, f"src {line}", f"tgt {line}")
    return dropped


@given(
    events=st.lists(
        st.tuples(
            st.sampled_from([None, *RULES][:4]),
            st.lists(st.sampled_from(list(FIXES)), unique=True),
        ),
        max_size=40,
    ),
    n_first=st.integers(0, 40),
)
def test_counts_of_chunks_add_up(events, n_first):
    whole, first, second = count(events), count(events[:n_first]), DropCounts()
    for line, (reason, mended) in enumerate(events[n_first:], len(events[:n_first]) + 1):
        second.fixed.update(mended)
        if reason is not None:
            second.add(reason, line, f"src {line}", f"tgt {line}")
    first.merge(DropCounts.from_json(second.to_json()))
    assert first.to_json() == whole.to_json()
    assert all(
        len(samples) == min(MAX_SAMPLES, whole.counts[reason])
        for reason, samples in whole.samples.items()
    )
    assert whole.n_samples_missing("blank") == MAX_SAMPLES - len(whole.samples.get("blank", []))


def test_long_samples_are_cut():
    dropped = DropCounts()
    dropped.add("length", 7, "x" * 10_000, "y")
    assert dropped.samples == {"length": [DroppedSample(7, "x" * MAX_SAMPLE_CHARS + "...", "y")]}
