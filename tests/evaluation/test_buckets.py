"""Scores of parts of a test set."""

import pytest

from mtkit.evaluation.buckets import length_labels, score_buckets, score_words
from mtkit.evaluation.comparison import System, compare_systems
from mtkit.evaluation.corpus_metric import sacrebleu_metrics
from mtkit.evaluation.resampling import Resampling
from mtkit.evaluation.training_words import count_training_words
from mtkit.evaluation.words import has_spaces, split_words
from tests.evaluation import sacrebleu_numbers
from tests.evaluation.perturbed import perturb


def test_a_label_s_score_is_that_of_its_segments(ko_en_pairs):
    english = [pair.tgt for pair in ko_en_pairs]
    labels = ["news" if i % 3 else "talk" for i in range(len(english))]
    runs = [perturb(english, 0.2, seed) for seed in (1, 2)]
    comparison = compare_systems(
        [System("a", runs)], sacrebleu_metrics(["bleu", "ter"], [english]), Resampling(0)
    )
    for bucket in score_buckets(comparison, labels):
        chosen = [i for i, label in enumerate(labels) if label == bucket.name]
        assert bucket.n == len(chosen)
        for key in ("bleu", "ter"):
            values = [
                sacrebleu_numbers.metric(key)
                .corpus_score([run[i] for i in chosen], [[english[i] for i in chosen]])
                .score
                for run in runs
            ]
            assert bucket.scores[key] == [pytest.approx(sum(values) / 2)]


def test_quarters_by_length():
    lines = ["a b"] * 3 + ["a b c"] * 3 + ["a b c d e."] * 3 + ["a b c d e f g"] * 3
    assert length_labels(lines) == [
        label for label in ("2-2 words", "3-3 words", "6-6 words", "7-7 words") for _ in range(3)
    ]
    assert (
        length_labels(["我爱你。"] * 2 + ["我们都爱你。"] * 2)
        == ["4-4 characters"] * 2 + ["6-6 characters"] * 2
    )
    assert length_labels(["a"] * 5) == ["1-1 words"] * 5


def test_words_by_frequency_by_hand():
    systems = [System("a", [["the cat sat"]]), System("b", [["the the zebra ran"]])]
    frequencies = {"the": 1000, "cat": 7, "zebra": 2}
    buckets = score_words(systems, ["the cat ran"], frequencies)
    assert [(bucket.name, bucket.n) for bucket in buckets] == [("0", 1), ("5-9", 1), ("1000+", 1)]
    # `ran` is unknown: b has it, a has `sat` in its place. `the`: one match of two and one.
    assert [bucket.scores["f1"] for bucket in buckets] == [
        pytest.approx([0, 100]),
        pytest.approx([100, 0]),
        pytest.approx([100, 200 / 3]),
    ]


def test_training_words_of_a_file_and_of_a_store(tmp_path, tiny_recipe_path, ko_en_pairs):
    import mtkit

    recipe = mtkit.Recipe.load(tiny_recipe_path)
    mtkit.train_tokenizer(recipe)
    mtkit.preprocess(recipe)
    path = tmp_path / "train.en"
    of_file = count_training_words(path, spaces=True)
    of_store = count_training_words(recipe.data.work_dir / "store", spaces=True)
    assert of_file["the"] > 20 and of_file["."] > 50
    # Preprocessing leaves out duplicates and a few pairs of unlikely length.
    assert 0.8 * of_file["the"] <= of_store["the"] <= of_file["the"]
    assert of_store.keys() - of_file.keys() == set()


def test_words_in_scripts_with_and_without_spaces():
    assert split_words("Don't, 3.5!", spaces=True) == ["Don", "'", "t", ",", "3", ".", "5", "!"]
    assert split_words("我 爱你", spaces=False) == ["我", "爱", "你"]
    assert has_spaces(["나는 학교에 간다", "OK"]) and has_spaces([""])
    assert not has_spaces(["私は学校へ行きます。", "OK"])
