"""Initial weights: new ones, or those of a trained model, whose vocabulary may differ."""

from collections.abc import Iterator
from pathlib import Path

from mtkit.checkpoint.model_dir import load_model_dir, make_model
from mtkit.checkpoint.vocab_transfer import VocabMapping, transfer_weights
from mtkit.config.init_from import differences, read_model_section
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.model.transformer import Transformer
from mtkit.tokenizer.subword import Tokenizer
from mtkit.training.random_state import seed_everything

logger = get_logger(__name__)


def initial_model(recipe: Recipe, tokenizer: Tokenizer) -> Transformer:
    """Return a model with initial weights: new ones, or those of `training.init_from`.

    The weights are the same in each call.

    Raises:
        MtkitError: `training.init_from` is not a model directory, or its dimensions differ.
    """
    seed_everything(recipe.training.seed, "init")
    model = make_model(recipe.model, tokenizer)
    model_dir = recipe.training.init_from
    if model_dir is not None:
        if differing := differences(recipe.model.model_dump(), read_model_section(model_dir)):
            raise MtkitError(
                f"`{model_dir}`: cannot be the initial model: {', '.join(differing)}",
                "remove these keys from the recipe, or set the same values",
            )
        mappings = transfer_weights(load_model_dir(model_dir), model, tokenizer)
        for line in _describe(model_dir, mappings):
            logger.info("%s", line)
    return model


def _describe(model_dir: Path, mappings: dict[str, VocabMapping]) -> Iterator[str]:
    for side, mapping in mappings.items():
        suffix = "" if len(mappings) == 1 else f", {side}"
        yield f"initial weights from {model_dir}{suffix}: {mapping.describe()}"
