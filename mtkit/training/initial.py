"""The weights that training starts from."""

from mtkit.checkpoint.model_dir import make_model
from mtkit.config.recipe import Recipe
from mtkit.model.transformer import Transformer
from mtkit.tokenizer.subword import Tokenizer
from mtkit.training.randomness import seed_everything


def initial_model(recipe: Recipe, tokenizer: Tokenizer) -> Transformer:
    """A model with the weights that training starts from: the same ones whenever it is asked for."""
    seed_everything(recipe.training.seed, "init")
    return make_model(recipe.model, tokenizer)
