"""The model that is adapted, and the recipe by which it was trained, where that still exists."""

from pathlib import Path
from typing import NamedTuple

from mtkit.checkpoint.model_dir import ModelDirConfig, load_without_weights
from mtkit.config.data import DataConfig
from mtkit.config.init_from import differences
from mtkit.config.recipe import Recipe
from mtkit.corpus.read.pairs import describe_source
from mtkit.errors import MtkitError
from mtkit.evaluation.bleu_tokenizers import DEFAULT_TOKENIZE, load_bleu, tokenizer_of_language
from mtkit.io.logs import get_logger
from mtkit.tokenizer.subword import Tokenizer

logger = get_logger(__name__)

_GUIDE = "fine-tune it with a recipe, as docs/guides/fine-tuning.md explains"


class BaseModel(NamedTuple):
    """A model directory without its weights."""

    path: Path
    config: ModelDirConfig
    tokenizer: Tokenizer
    recipe: Recipe | None
    """Recipe in the run directory, or next to the model; None if there is none."""

    @property
    def langs(self) -> tuple[str, str]:
        """Codes of the source and the target language."""
        return self.config.src_lang, self.config.tgt_lang

    @classmethod
    def load(cls, path: Path) -> "BaseModel":
        """Read a model directory.

        Raises:
            MtkitError: It is missing or damaged, or its sources need tags or previous sentences.
        """
        trained = load_without_weights(path)
        config = trained.config
        if config.tag_required or config.tgt_tags:
            raise MtkitError(
                f"`{path}`: a model of several languages, which `mtkit adapt` does not support",
                _GUIDE,
            )
        if config.context:
            raise MtkitError(
                f"`{path}`: was trained with data.context, but a memory has no documents", _GUIDE
            )
        recipe = recorded_recipe(path, config)
        if recipe is None and (config.masks or config.term_symbols):
            logger.warning(
                "`%s`: knows placeholders or terms, but there is no recipe next to it that says how"
                " it learned them: the adapted model will not know them",
                path,
            )
        return cls(path, config, trained.tokenizer, recipe)

    def metrics(self) -> tuple[tuple[str, ...], str | None]:
        """Return the metrics for the target language, the main one first, and BLEU's tokenizer.

        BLEU is the main metric where words are found by spaces and punctuation, else chrF.
        """
        tokenize = tokenizer_of_language(self.config.tgt_lang)
        if tokenize == DEFAULT_TOKENIZE:
            return ("bleu", "chrf"), None
        try:
            load_bleu(tokenize)
        except MtkitError as exc:
            logger.warning("without BLEU, for which %s; %s", exc.message, exc.hint)
            return ("chrf",), None
        return ("chrf", "bleu"), tokenize


def recorded_data(model_dir: Path) -> DataConfig | None:
    """Return the corpora that a model was trained on, where they and its recipe still exist.

    Logs their names, or the first file that is missing.

    Raises:
        MtkitError: See `BaseModel.load`.
    """
    recipe = BaseModel.load(model_dir).recipe
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
