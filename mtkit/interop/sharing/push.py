"""Sharing a model: a copy with a model card and a manifest."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mtkit.checkpoint.model_dir import load_model_dir
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.interop.model_card import CARD_NAME
from mtkit.interop.sharing.card import CardFacts, make_card
from mtkit.interop.sharing.destinations import find_destination
from mtkit.interop.sharing.measured_scores import read_scores
from mtkit.interop.sharing.package import count_bytes, make_package, read_card
from mtkit.io.find_model import WEIGHTS_NAME
from mtkit.io.logs import get_logger
from mtkit.io.text import sha256_file

logger = get_logger(__name__)


class PushedModel(NamedTuple):
    """A model that was pushed."""

    place: str
    """Path, or address on the hub."""
    n_files: int
    n_bytes: int


def push(
    model_dir: Path | str,
    destination: Path | str,
    *,
    license_name: str | None = None,
    score_paths: Sequence[Path | str] = (),
    card_path: Path | str | None = None,
    upload: bool = False,
    private: bool = True,
) -> PushedModel:
    """Write a model with a model card and a manifest to a directory, an archive, or the hub.

    Only the files of the model are copied. A model that was pushed to the same place before is
    replaced, but its card is kept, except for the parts that mtkit writes.

    Args:
        model_dir: A model directory.
        destination: A directory; an archive, .tar or .tar.gz; or with `upload` the name of a model
            on the Hugging Face hub.
        license_name: License of the model, for the card.
        score_paths: Output of `mtkit evaluate --json`, for the card.
        card_path: Text of the card, in place of the one at the destination or in the model
            directory.
        upload: Whether to upload the model to the hub.
        private: Whether a new model on the hub is private.
    Raises:
        MtkitError: The model is damaged, scores are not of this model, something else is at the
            destination, or it cannot be written.
    """
    model_dir = Path(model_dir)
    trained = load_model_dir(model_dir)
    weights_sha256 = sha256_file(model_dir / WEIGHTS_NAME)
    scores = [score for path in score_paths for score in read_scores(Path(path), weights_sha256)]
    own_card = model_dir / CARD_NAME
    place = find_destination(str(destination), is_hub=upload, is_private=private)
    found = Path(card_path) if card_path is not None else place.find_card()
    if found is None and own_card.is_file():
        found = own_card
    facts = CardFacts(
        trained,
        weights_sha256,
        _recipe_of(model_dir),
        license_name,
        scores,
        place.pull_arguments and f"mtkit pull {place.pull_arguments}",
    )
    card = make_card(facts, found and read_card(found))
    contents = make_package(model_dir, card)
    return PushedModel(place.write(contents), len(contents), count_bytes(contents))


def _recipe_of(model_dir: Path) -> Recipe | None:
    """Return the recipe of the training run whose model this is, if it is still there."""
    path = model_dir.absolute().parent / "recipe.yaml"
    if model_dir.absolute().name != "model" or not path.is_file():
        return None
    try:
        return Recipe.load(path)
    except MtkitError as exc:
        logger.warning("the card has no settings of the recipe: %s", exc.message)
        return None
