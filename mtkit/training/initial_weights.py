"""The weights that training starts from."""

from collections.abc import Iterator
from pathlib import Path

from mtkit.checkpoint.model_dir import load_model_dir, make_model
from mtkit.config.init_from import differences, read_model_config
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.model.transformer import Transformer
from mtkit.tokenizer.subword import Tokenizer
from mtkit.training.random_state import seed_everything
from mtkit.training.vocab_transfer import VocabMapping, transfer_weights

logger = get_logger(__name__)


def initial_model(recipe: Recipe, tokenizer: Tokenizer) -> Transformer:
    """A model with the weights that training starts from, new ones or those of `training.init_from`: the same ones whenever it is asked for.

    Raises:
        MtkitError: The folder to start from is not there or no model's, or its model has other dimensions.
    """
    seed_everything(recipe.training.seed, "init")
    model = make_model(recipe.model, tokenizer)
    folder = recipe.training.init_from
    if folder is not None:
        if differing := differences(recipe.model.model_dump(), read_model_config(folder)):
            raise MtkitError(
                f"`{folder}`: no model to start from: {', '.join(differing)}",
                "leave these keys out of the recipe, or set them alike",
            )
        for line in _told(folder, transfer_weights(load_model_dir(folder), model, tokenizer)):
            logger.info("%s", line)
    return model


def _told(folder: Path, rows: dict[str, VocabMapping]) -> Iterator[str]:
    for side, matched in rows.items():
        start = f"starting from {folder}" if len(rows) == 1 else f"starting from {folder}, {side}"
        if matched.n_same == len(matched.parts):
            yield f"{start}: all {matched.n_same:,} pieces have their rows"
        else:
            shares = f"{matched.n_same:,} of {len(matched.parts):,} pieces have their rows"
            yield f"{start}: {shares}, {matched.n_mean:,} begin as the mean of their parts, {matched.n_new:,} as the mean of all"
