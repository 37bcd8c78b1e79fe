"""Facts about a recipe: parameters, learning rate, vocabulary."""

import ast
import json
import math
import operator

import numpy as np
import pytest

from mtkit.checkpoint.model_dir import make_model
from mtkit.config.model import ModelConfig
from mtkit.config.recipe import Recipe
from mtkit.inspection.recipe.facts import recipe_facts
from mtkit.inspection.recipe.parameters import parameter_sizes
from mtkit.training.optimizer import learning_rate

VARIANTS = [
    {},
    {"norm": "pre", "activation": "swiglu", "norm_type": "rms"},
    {"tied_embeddings": "none", "positions": "learned", "n_decoder_layers": 1},
    {"tied_embeddings": "output"},
    {"tied_embeddings": "inputs"},
]


def computed(formula):
    """The value of sums and products of integers, such as `2 x (3 + 1,000)`."""

    def value(node):
        if isinstance(node, ast.Constant):
            return node.value
        operation = {ast.Add: operator.add, ast.Mult: operator.mul}[type(node.op)]
        return operation(value(node.left), value(node.right))

    return value(ast.parse(formula.replace(",", "").replace("x", "*"), mode="eval").body)


@pytest.mark.parametrize("sizes", VARIANTS, ids=lambda sizes: "-".join(map(str, sizes.values())))
def test_parameters_are_those_of_the_model_and_of_the_formulas(sizes, tiny_tokenizer):
    config = ModelConfig(d_model=24, n_heads=3, d_ff=40, n_encoder_layers=2, **sizes)
    model = make_model(config, tiny_tokenizer)
    parts = parameter_sizes(config, tiny_tokenizer.src.vocab_size, tiny_tokenizer.tgt.vocab_size)
    assert sum(part.n_parameters for part in parts) == sum(p.numel() for p in model.parameters())
    for part in parts:
        assert computed(part.formula) == part.n_parameters, part
    assert sum(part.share for part in parts) == pytest.approx(1)


def test_the_paper_s_base_model():
    """63 million with 37,000 tokens, as in docs/concepts/transformer-worked-example.md."""
    parts = parameter_sizes(ModelConfig(), 37_000, 37_000)
    assert sum(part.n_parameters for part in parts) == 63_082_496
    assert next(part for part in parts if part.part == "encoder self-attention").n_parameters == (
        6 * 1_050_624
    )


def facts_of(path, *overrides):
    recipe = Recipe.load(path, overrides)
    return recipe_facts(path, recipe, lambda step: learning_rate(step, recipe.training))


@pytest.mark.parametrize("schedule", ["inverse_sqrt", "linear", "cosine", "constant"])
def test_the_learning_rate_follows_the_formula(tiny_recipe_path, schedule):
    facts = facts_of(
        tiny_recipe_path,
        f"training.schedule={schedule}",
        "training.max_steps=1000",
        "training.warmup_steps=100",
        "training.learning_rate=0.002",
    ).schedule
    for step, rate in facts.points:
        left = (1001 - step) / 901
        expected = {
            "inverse_sqrt": 0.002 * math.sqrt(100 / step),
            "linear": 0.002 * left,
            "cosine": 0.002 * (1 - math.cos(math.pi * left)) / 2,
            "constant": 0.002,
        }[schedule]
        assert rate == pytest.approx(0.002 * step / 100 if step < 100 else expected)
    steps = [step for step, _ in facts.points]
    assert steps == sorted(set(steps)) and steps[0] == 1 and steps[-1] == 1000 and 100 in steps
    assert dict(facts.milestones)["peak"] == (100, pytest.approx(0.002))


def test_the_vocabulary_is_that_of_the_trained_tokenizer(tiny_recipe_path, tiny_tokenizer):
    before = facts_of(tiny_recipe_path)
    assert before.vocab_sizes == (600, 600) and "not trained yet" in before.vocab_origin
    tiny_tokenizer.save(Recipe.load(tiny_recipe_path).tokenizer_dir)
    after = facts_of(tiny_recipe_path, "tokenizer.vocab_size=500")
    assert after.vocab_sizes == (tiny_tokenizer.src.vocab_size,) * 2
    assert after.label_smoothing.vocab_size == tiny_tokenizer.tgt.vocab_size


def test_json_has_every_number(tiny_recipe_path):
    facts = facts_of(tiny_recipe_path, "training.label_smoothing=0")
    tree = json.loads(json.dumps(facts.as_dict(), allow_nan=False))
    assert tree["n_parameters"] == facts.n_parameters
    assert tree["label_smoothing"]["best_logit_gap"] is None
    assert np.shape(tree["positions"]["vectors"]) == (64, 32)
    assert tree["schedule"]["points"][0].keys() == {"step", "rate"}
    assert tree["dropout"][0]["rate"] == 0.1


@pytest.mark.parametrize("max_steps", [1, 2, 7])
def test_a_short_training(tiny_recipe_path, max_steps):
    facts = facts_of(tiny_recipe_path, f"training.max_steps={max_steps}").schedule
    assert [step for step, _ in facts.points] == list(range(1, max_steps + 1))
    assert all(1 <= point.step <= max_steps for _, point in facts.milestones)
