"""The model that is adapted."""

from pathlib import Path
from typing import NamedTuple

from mtkit.adaptation.direction import Direction, Languages, choose_direction
from mtkit.adaptation.recorded_recipe import recorded_recipe
from mtkit.checkpoint.model_dir import ModelDirConfig, load_without_weights
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.evaluation.bleu_tokenizers import DEFAULT_TOKENIZE, load_bleu, tokenizer_of_language
from mtkit.io.logs import get_logger
from mtkit.tokenizer.subword import Tokenizer

logger = get_logger(__name__)


class BaseModel(NamedTuple):
    """A model directory without its weights."""

    path: Path
    config: ModelDirConfig
    tokenizer: Tokenizer
    recipe: Recipe | None
    """Recipe in the run directory, or next to the model; None if there is none."""
    direction: Direction

    @property
    def langs(self) -> Languages:
        """Codes of the source and the target language."""
        return self.direction.langs

    @classmethod
    def load(cls, path: Path, direction: Direction | None = None) -> "BaseModel":
        """Read a model directory.

        Args:
            path: The directory.
            direction: Direction of the adaptation; None if the model has only one.
        Raises:
            MtkitError: It is missing or damaged; see also `choose_direction`.
        """
        direction = choose_direction(path) if direction is None else direction
        trained = load_without_weights(path)
        config = trained.config
        recipe = recorded_recipe(path, config)
        if recipe is None and (config.masks or config.term_symbols):
            logger.warning(
                "`%s`: knows placeholders or terms, but there is no recipe next to it that says how"
                " it learned them: the adapted model will not know them",
                path,
            )
        return cls(path, config, trained.tokenizer, recipe, direction)

    def metrics(self) -> tuple[tuple[str, ...], str | None]:
        """Return the metrics for the target language, the main one first, and BLEU's tokenizer.

        BLEU is the main metric where words are found by spaces and punctuation, else chrF.
        """
        tokenize = tokenizer_of_language(self.langs[1])
        if tokenize == DEFAULT_TOKENIZE:
            return ("bleu", "chrf"), None
        try:
            load_bleu(tokenize)
        except MtkitError as exc:
            logger.warning("without BLEU, for which %s; %s", exc.message, exc.hint)
            return ("chrf",), None
        return ("chrf", "bleu"), tokenize
