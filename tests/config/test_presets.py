import pytest

from mtkit.config.model import ModelConfig
from mtkit.config.presets import PRESETS
from mtkit.config.recipe import Recipe
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("name", "sizes"),
    # Vaswani et al. 2017, table 3: layers, d_model, heads, d_ff, dropout.
    [
        ("base", (6, 6, 512, 8, 2048, 0.1)),
        ("big", (6, 6, 1024, 16, 4096, 0.3)),
        ("small", (3, 3, 256, 4, 1024, 0.3)),
        ("tiny", (2, 2, 128, 4, 512, 0.1)),
    ],
)
def test_sizes(name, sizes):
    model = ModelConfig.model_validate(PRESETS[name]["model"])
    assert (
        model.n_encoder_layers,
        model.n_decoder_layers,
        model.d_model,
        model.n_heads,
        model.d_ff,
        model.dropout,
    ) == sizes


@pytest.mark.parametrize("name", ["base", "big"])
def test_the_papers_learning_rate(name):
    rate = (PRESETS[name]["model"]["d_model"] * PRESETS[name]["training"]["warmup_steps"]) ** -0.5
    assert PRESETS[name]["training"]["learning_rate"] == pytest.approx(rate, rel=0.02)


@pytest.mark.parametrize("name", ["base", "big"])
def test_an_update_has_the_papers_size_on_any_device(name):
    """As the recipe that follows the paper has it: section 5.1."""
    followed = Recipe.load(ROOT / "recipes/wmt14-en-de-base/recipe.yaml")
    recipe = Recipe.model_validate({"data": followed.data, **PRESETS[name]})
    assert recipe.batches == followed.batches
    assert recipe.batches.effective_tokens == 25_000
    assert recipe.training.accumulate_batches is None
