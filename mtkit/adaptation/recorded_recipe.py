"""The recipe by which a model was trained, where that still exists."""

from pathlib import Path

from mtkit.checkpoint.model_config import ModelDirConfig, read_model_config
from mtkit.config.data import DataConfig
from mtkit.config.init_from import differences
from mtkit.config.recipe import Recipe
from mtkit.corpus.read.pairs import describe_source
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger

logger = get_logger(__name__)


def recorded_data(model_dir: Path) -> DataConfig | None:
    """Return the corpora that a model was trained on, where they and its recipe still exist.

    Logs their names, or the first file that is missing.

    Raises:
        MtkitError: The model cannot be read.
    """
    recipe = recorded_recipe(model_dir, read_model_config(model_dir))
    if recipe is None:
        return None
    data = recipe.data
    sources = (*data.train, *data.validation, *data.test)
    files = [path for one in sources for path in (one.src, one.tgt, one.file) if path is not None]
    if missing := next((path for path in files if not path.is_file()), None):
        logger.warning("the corpora of the model's recipe are not used: `%s` is missing", missing)
        return None
    names = ", ".join(describe_source(source) for source in data.train)
    logger.info("general text: the corpora of the model's recipe: %s", names)
    return data


def recorded_recipe(model_dir: Path, config: ModelDirConfig) -> Recipe | None:
    """Return the recipe next to a model that it was trained with, or None.

    `mtkit train` writes a recipe into the run directory, whose `model` is the model.

    Args:
        model_dir: The model.
        config: Its configuration, whose languages and dimensions must be those of the recipe.
    """
    path = Path(model_dir).absolute().parent / "recipe.yaml"
    if not path.is_file():
        return None
    try:
        recipe = Recipe.load(path)
    except MtkitError as exc:
        logger.warning("the recipe next to the model is not used: %s", exc.message)
        return None
    langs = recipe.data.src_lang, recipe.data.tgt_lang
    fits = not differences(recipe.model.model_dump(), config.model.model_dump())
    return recipe if fits and langs == (config.src_lang, config.tgt_lang) else None
