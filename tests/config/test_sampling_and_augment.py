import pytest
from pydantic import ValidationError

from mtkit.config.augment import AugmentConfig
from mtkit.config.recipe import Recipe
from mtkit.config.sampling import SamplingConfig
from mtkit.errors import MtkitError


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            ["sampling.src_dropout=0.1", "tokenizer.type=unigram"],
            "dropout require tokenizer.type bpe, but it is unigram; use sampling.src_alpha",
        ),
        (
            ["sampling.tgt_dropout=0.1", "tokenizer.type=char"],
            "dropout require tokenizer.type bpe, but it is char",
        ),
        (
            ["sampling.src_alpha=0.1"],
            "alpha require tokenizer.type unigram, but it is bpe; use sampling.src_dropout",
        ),
        (["sampling.tgt_alpha=0"], "alpha require tokenizer.type unigram, but it is bpe"),
        (["sampling.n_best=1"], "leaves nothing to draw from"),
        (["sampling.n_best=513"], "at most 512"),
        (["sampling.src_dropout=1.5"], "at most 1"),
        (["augment.typos=-0.1"], "at least 0"),
        (["augment.typos=0.6", "augment.noise=0.5"], "add up to 1.1"),
        (["data.train.tgt_tags=[<2en>]"], "validation has no tgt_tags, but other corpora do"),
        (["data.train.tgt_tags=[<a>, <b>]"], "tgt_tags"),
        (["data.context=21"], "at most 20"),
        (
            ["data.context=1", "augment.merge=0.1", "training.alignment_weight=0.1"],
            "data.context cannot be combined with augment.merge, training.alignment_weight",
        ),
        (
            [
                "data.train.tgt_tags=[<2en>]",
                "data.validation.tgt_tags=[<2en>]",
                "augment.merge=0.1",
            ],
            "tgt_tags cannot be combined with augment.merge",
        ),
    ],
)
def test_invalid_settings_are_refused(tiny_recipe_path, settings, problem):
    with pytest.raises(MtkitError) as caught:
        Recipe.load(tiny_recipe_path, settings)
    assert problem in f"{caught.value.message}; {caught.value.hint}"


def test_valid_settings_are_accepted(tiny_recipe_path):
    assert Recipe.load(
        tiny_recipe_path, ["sampling.src_dropout=0.1", "augment.typos=0.5", "augment.merge=1"]
    ).sampling.samples_src
    recipe = Recipe.load(
        tiny_recipe_path, ["sampling.tgt_alpha=0", "tokenizer.type=unigram", "sampling.n_best=64"]
    )
    assert (recipe.sampling.samples_src, recipe.sampling.samples_tgt) == (False, True)


def test_shares_summing_to_one_in_floating_point_are_accepted():
    AugmentConfig(upper_case=0.1, title_case=0.2, typos=0.3, drop_end_punctuation=0.3, noise=0.1)
    with pytest.raises(ValidationError):
        AugmentConfig(
            upper_case=0.1, title_case=0.2, typos=0.3, drop_end_punctuation=0.3, noise=0.11
        )


def test_nothing_is_on_by_default():
    assert (
        not any(AugmentConfig().shares.values())
        and not SamplingConfig().samples_src
        and not SamplingConfig().samples_tgt
    )
