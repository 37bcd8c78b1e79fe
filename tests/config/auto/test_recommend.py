import math
from pathlib import Path

import pytest

from mtkit.config.auto.formatting import approximate_duration
from mtkit.config.auto.heuristics import MIN_STEPS, estimate_n_tokens
from mtkit.config.auto.model_sizes import MODEL_SIZES
from mtkit.config.auto.recommend import propose_recipe
from mtkit.config.auto.statistics import CorpusStatistics, Machine, SideStatistics
from mtkit.config.presets import PRESETS
from mtkit.config.recipe import Recipe

ROOT = Path(__file__).parents[3]
CPU = Machine(n_cores=2, memory_gb=24.0)
GPU_24 = Machine(n_cores=16, memory_gb=64.0, gpu="RTX", gpu_memory_gb=24.0, n_gpus=1, has_bf16=True)
GPU_80 = Machine(
    n_cores=16, memory_gb=128.0, gpu="H100", gpu_memory_gb=80.0, n_gpus=1, has_bf16=True
)
MACHINES = [CPU, GPU_24, GPU_80]
DATA = {"src_lang": "de", "tgt_lang": "en", "train": {"src": "a", "tgt": "b"}}

THOUSAND, MILLION = 1000, 1_000_000
CORPORA = [1 * THOUSAND, 30 * THOUSAND, 200 * THOUSAND, 4 * MILLION, 40 * MILLION]


def side(lang="en", script="latin", words=25.0, chars=140.0, n_types=50_000, **others):
    facts = {
        "chars_p999": 500,
        "dense_share": 0.0,
        "other_script_share": 0.0,
        "n_chars": 100,
        "n_common_chars": 70,
    }
    return SideStatistics(
        lang=lang, script=script, words=words, chars=chars, n_types=n_types, **(facts | others)
    )


def corpus(n_pairs, src=None, tgt=None, **others):
    facts = {
        "duplicate_share": 0.0,
        "dropped_share": 0.0,
        "wider_ratio": 1.1,
        "width_ratio_p99": 1.8,
    }
    return CorpusStatistics(
        n_pairs=n_pairs,
        n_sampled=min(n_pairs, 20_000),
        src=src or side("de"),
        tgt=tgt or side("en"),
        **(facts | others),
    )


def korean(**others):
    return side(
        "ko",
        "hangul",
        words=17.0,
        chars=70.0,
        dense_share=0.7,
        n_chars=1200,
        n_common_chars=1100,
        **others,
    )


# As survey() finds them in Multi30k.
MULTI30K = corpus(
    29_000,
    side("de", words=11.1, chars=70.5, chars_p999=188, n_types=19_835),
    side("en", words=11.9, chars=61.0, chars_p999=163, n_types=12_831),
    wider_ratio=1.17,
    width_ratio_p99=1.67,
)


def settings(facts, machine=CPU, size=None):
    return propose_recipe(facts, machine, size).settings


@pytest.mark.parametrize("machine", MACHINES, ids=["cpu", "24 GB", "80 GB"])
@pytest.mark.parametrize("n_pairs", CORPORA)
@pytest.mark.parametrize("size", [None, *PRESETS])
def test_every_choice_makes_a_recipe_and_has_a_reason(n_pairs, machine, size):
    for facts in (corpus(n_pairs), corpus(n_pairs, src=korean())):
        advice = propose_recipe(facts, machine, size)
        recipe = Recipe.model_validate({"data": DATA, **advice.settings})
        for choice in advice.recommendations:
            section, key = choice.key.split(".")
            assert getattr(getattr(recipe, section), key) == choice.value
            assert 10 < len(choice.reason) < 160
            assert "\n" not in choice.reason
        assert recipe.validation.every_steps < recipe.training.max_steps
        assert recipe.training.warmup_steps < recipe.training.max_steps
        assert recipe.tokenizer.vocab_size <= 32_000


@pytest.mark.parametrize(
    ("n_pairs", "machine", "width", "layers", "dropout"),
    [
        (1 * THOUSAND, CPU, 128, 2, 0.3),
        (30 * THOUSAND, CPU, 256, 3, 0.3),
        (200 * THOUSAND, CPU, 512, 6, 0.3),
        (4 * MILLION, CPU, 512, 6, 0.1),
        (4 * MILLION, GPU_24, 512, 6, 0.1),
        (40 * MILLION, CPU, 512, 6, 0.1),
        (40 * MILLION, GPU_24, 512, 6, 0.1),
        (40 * MILLION, GPU_80, 1024, 6, 0.1),
    ],
)
def test_model_grows_with_the_corpus_and_big_needs_a_big_gpu(
    n_pairs, machine, width, layers, dropout
):
    model = settings(corpus(n_pairs), machine)["model"]
    assert (model["d_model"], model["n_encoder_layers"], model["dropout"]) == (
        width,
        layers,
        dropout,
    )


def test_multi30k_is_close_to_its_tuned_recipe():
    # 40.6 BLEU on test_2016_flickr.
    known = Recipe.load(ROOT / "recipes/multi30k-de-en/recipe.yaml")
    chosen = Recipe.model_validate({"data": DATA, **settings(MULTI30K)})
    assert chosen.model == known.model
    assert chosen.tokenizer == known.tokenizer
    assert chosen.batches == known.batches
    assert chosen.training.schedule == known.training.schedule
    assert chosen.training.learning_rate == pytest.approx(known.training.learning_rate, rel=0.15)
    # Its validation loss still fell when it ended.
    assert known.training.max_steps <= chosen.training.max_steps <= 2 * known.training.max_steps
    # Measured: 51 minutes for 5,000 updates on one core in bf16.
    assert 0.4 <= propose_recipe(MULTI30K, CPU).hours <= 2.5


def test_wmt_gets_the_base_model_of_the_paper():
    chosen = settings(corpus(4_500_000), GPU_24)
    base = PRESETS["base"]
    assert {key: chosen["model"][key] for key in base["model"]} == base["model"]
    assert chosen["training"]["learning_rate"] == pytest.approx(
        base["training"]["learning_rate"], rel=0.02
    )
    assert chosen["training"]["warmup_steps"] == 4000
    assert chosen["batches"] == {"max_tokens": "auto", "effective_tokens": 25_000}
    assert 70_000 <= chosen["training"]["max_steps"] <= 150_000


def test_the_learning_rate_is_the_papers_formula_below_its_cap():
    for facts, machine in (
        (corpus(200 * THOUSAND), CPU),
        (corpus(40 * MILLION), GPU_80),
        (MULTI30K, CPU),
        (corpus(1 * THOUSAND), CPU),
    ):
        chosen = settings(facts, machine)
        paper = 1 / math.sqrt(chosen["model"]["d_model"] * chosen["training"]["warmup_steps"])
        assert chosen["training"]["learning_rate"] == pytest.approx(min(paper, 0.002), rel=0.05)


@pytest.mark.parametrize("n_pairs", CORPORA)
def test_an_update_is_the_same_on_any_device(n_pairs):
    for facts in (corpus(n_pairs), corpus(n_pairs, src=korean())):
        positions = set()
        for machine in MACHINES[:2]:
            batches = settings(facts, machine)["batches"]
            positions.add(batches.get("effective_tokens", batches["max_tokens"]))
        assert len(positions) == 1


def test_a_cpu_accumulates_batches_that_are_not_too_large():
    assert settings(corpus(200 * THOUSAND))["batches"] == {
        "max_tokens": 4096,
        "effective_tokens": 8192,
    }
    assert settings(corpus(200 * THOUSAND), GPU_24)["batches"] == {
        "max_tokens": "auto",
        "effective_tokens": 8192,
    }


@pytest.mark.parametrize("size", MODEL_SIZES)
def test_updates_are_limited_by_model_size(size):
    facts = corpus(40 * MILLION)
    advice = propose_recipe(facts, GPU_80, size)
    pieces = (
        advice.n_epochs
        * 40e6
        * (estimate_n_tokens(140.0, 0.0, advice.settings["tokenizer"]["vocab_size"]) + 1)
    )
    assert pieces <= max(45 * advice.n_parameters, 1.1 * pieces / advice.n_epochs)
    assert advice.n_epochs >= 0.95


def test_tiny_corpus_gets_enough_updates():
    assert settings(corpus(200))["training"]["max_steps"] == MIN_STEPS


def test_sides_in_one_script_share_a_vocabulary():
    chosen = settings(corpus(30 * THOUSAND))
    assert chosen["tokenizer"]["joint"] is True
    assert chosen["model"]["tied_embeddings"] == "all"


def test_sides_in_two_scripts_have_one_each_unless_they_share_letters():
    apart = settings(corpus(30 * THOUSAND, src=korean(other_script_share=0.02)))
    assert (apart["tokenizer"]["joint"], apart["model"]["tied_embeddings"]) == (False, "output")
    markup = settings(corpus(30 * THOUSAND, src=korean(other_script_share=0.35)))
    assert (markup["tokenizer"]["joint"], markup["model"]["tied_embeddings"]) == (True, "all")


def test_rarest_of_many_characters_are_left_to_bytes():
    chosen = settings(corpus(5 * THOUSAND, src=korean()))["tokenizer"]
    assert chosen["character_coverage"] == 0.9995
    # Bytes and special pieces take 260.
    assert chosen["vocab_size"] >= 260 + 2 * 1100
    assert settings(corpus(5 * THOUSAND))["tokenizer"]["character_coverage"] == 1.0
    assert settings(corpus(4 * MILLION))["tokenizer"]["character_coverage"] == 0.9999


def test_repetitive_corpus_gets_a_small_vocabulary():
    facts = corpus(15 * THOUSAND, src=side(n_types=50), tgt=side(n_types=60))
    assert settings(facts)["tokenizer"]["vocab_size"] == 260 + 100 + 60


def test_duplicates_and_dropped_pairs_do_not_count():
    whole, half = (
        settings(corpus(1 * MILLION)),
        settings(corpus(4 * MILLION, duplicate_share=0.5, dropped_share=0.5)),
    )
    assert half["model"] == whole["model"]
    assert half["training"] == whole["training"]


def test_korean_targets_are_judged_by_chrf():
    assert settings(corpus(30 * THOUSAND, tgt=korean()))["validation"]["metric"] == "chrf"
    assert settings(corpus(30 * THOUSAND, src=korean()))["validation"]["metric"] == "bleu"


def test_no_validation_settings_without_validation():
    assert "validation" not in propose_recipe(MULTI30K, CPU, validates=False).settings


def test_millions_of_pairs_on_two_cores_take_weeks_and_smaller_sizes_are_named():
    advice = propose_recipe(corpus(4 * MILLION), CPU)
    assert advice.hours > 4 * 7 * 24
    hours = dict(advice.smaller_sizes)
    assert list(hours) == ["medium", "small", "compact", "tiny"]
    assert hours["tiny"] < hours["compact"] < 24 < hours["small"] < 7 * 24
    assert advice.hours_on_gpu is not None
    assert advice.hours_on_gpu < 24
    # Days of work must not hang on one checkpoint.
    steps_per_hour = advice.settings["training"]["max_steps"] / advice.hours
    assert advice.settings["training"]["save_every_steps"] <= 1.1 * steps_per_hour
    assert propose_recipe(corpus(4 * MILLION), GPU_80).smaller_sizes == ()


def test_problems_that_no_setting_solves_are_noted():
    assert any(
        "very little training data" in note for note in propose_recipe(corpus(500), CPU).notes
    )
    assert any(
        "12%" in note for note in propose_recipe(corpus(MILLION, dropped_share=0.12), CPU).notes
    )
    two = Machine(16, 64.0, gpu="A", gpu_memory_gb=80.0, n_gpus=2)
    assert any("--nproc 2" in note for note in propose_recipe(corpus(MILLION), two).notes)
    assert propose_recipe(MULTI30K, CPU).notes == ()


@pytest.mark.parametrize(
    ("chars", "dense", "vocab_size", "pieces"),
    # Characters and pieces of a line of Multi30k (de, en), Tatoeba (en) and Python's documentation
    # (ko), as SentencePiece splits them.
    [
        (70.5, 0.0, 6000, 15.7),
        (61.0, 0.0, 16_000, 13.6),
        (61.0, 0.0, 2000, 18.0),
        (32.4, 0.0, 8000, 9.0),
        (96.7, 0.46, 8500, 36.8),
    ],
)
def test_estimated_subword_count_is_close_to_sentencepiece(chars, dense, vocab_size, pieces):
    assert estimate_n_tokens(chars, dense, vocab_size) == pytest.approx(pieces, rel=0.2)


@pytest.mark.parametrize("name", ["tiny", "base"])
def test_parameters_are_those_of_the_model(name):
    from mtkit.config.model import ModelConfig
    from mtkit.model.transformer import Transformer

    config = ModelConfig.model_validate(PRESETS[name]["model"])
    model = Transformer(config, 1000, 1000, src_pad_id=0, tgt_pad_id=0)
    n = sum(parameter.numel() for parameter in model.parameters())
    assert MODEL_SIZES[name].n_parameters(1000, joint=True) == pytest.approx(n, rel=0.01)


def test_cost_per_token_is_that_of_the_measured_model():
    # 3+3 layers of width 256, 8,000 pieces, Multi30k: 46.8 million operations for a target piece,
    # attention included.
    assert MODEL_SIZES["small"].flops_per_token(8000, 1.0) == pytest.approx(46.8e6, rel=0.05)


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (0.001, "a minute"),
        (0.5, "30 minutes"),
        (1.9, "110 minutes"),
        (2.0, "2 hours"),
        (49.0, "2 days"),
        (2000.0, "12 weeks"),
    ],
)
def test_durations_in_words(hours, words):
    assert approximate_duration(hours) == words
