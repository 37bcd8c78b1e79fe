"""The recipe that trains on genuine and synthetic pairs."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mtkit.config.data import CorpusSource, DataConfig, Stage, corpus_name
from mtkit.config.recipe import Recipe
from mtkit.corpus.read.pairs import NumberedPairs
from mtkit.corpus.tags import check_tags
from mtkit.errors import MtkitError

NAME = "bt"


class Mixture(NamedTuple):
    """How synthetic pairs are mixed with genuine ones."""

    tag: str = "<bt>"
    """Tag before each synthetic source (Caswell et al. 2019); empty for none."""
    ratio: float = 1.0
    """Maximum number of synthetic pairs in an epoch for each genuine one. If there are more,
    each epoch takes others."""
    until_epoch: int | None = None
    """Last epoch with synthetic pairs; None for all epochs."""

    def check(self, data: DataConfig) -> None:
        """Check that the mixture fits the corpora of a recipe.

        Raises:
            MtkitError: The recipe has stages already, or the tag is none.
        """
        if self.tag:
            check_tags("the tag of the synthetic corpus", (self.tag,))
        if self.until_epoch is not None and data.stages:
            raise MtkitError(
                "the recipe has data.stages already, to which no other can be added",
                "leave out --until-epoch, and edit the stages of the recipe that is written",
            )

    def weight(self, n_genuine: float, n_synthetic: int) -> float:
        """Return the weight of the synthetic corpus, at most 1."""
        return min(1.0, float(f"{self.ratio * n_genuine / n_synthetic:.3g}"))


def synthetic_name(data: DataConfig) -> str:
    """Return a name for the synthetic corpus that no corpus of a recipe has."""
    names = {corpus_name(source) for source in data.train}
    return next(
        name
        for name in (NAME, *(f"{NAME}-{number}" for number in range(2, len(names) + 3)))
        if name not in names
    )


def count_genuine_pairs(data: DataConfig) -> float:
    """Count the training pairs of an epoch of a recipe, by the weights of its corpora."""
    pairs = NumberedPairs(data, "Counting pairs")
    for _ in pairs:
        pass
    return sum(pairs.n_read[index] * source.weight for index, source in enumerate(data.train))


def mixed_recipe(
    recipe: Recipe,
    name: str,
    paths: tuple[Path, Path],
    mixture: Mixture,
    weight: float,
    *,
    has_documents: bool = False,
) -> Recipe:
    """Return a recipe that trains on its own corpora and on a synthetic one.

    Args:
        recipe: The recipe of the genuine corpora.
        name: Name of the synthetic corpus.
        paths: Its files, in the directory of the recipe.
        mixture: How it is mixed.
        weight: Its weight.
        has_documents: Whether blank lines divide its files into documents.
    """
    tags = (mixture.tag,) if mixture.tag else ()
    src, tgt = (Path(path.name) for path in paths)
    documents = has_documents or not recipe.data.context
    source = CorpusSource(
        name=name, src=src, tgt=tgt, tags=tags, weight=weight, documents=documents
    )
    stages = recipe.data.stages
    if mixture.until_epoch is not None:
        stages = (Stage(until_epoch=mixture.until_epoch), Stage(weights={name: 0.0}))
    return with_corpora(recipe, (*recipe.data.train, source), stages)


def with_corpora(
    recipe: Recipe, train: Sequence[CorpusSource], stages: Sequence[Stage] = ()
) -> Recipe:
    """Return a recipe with other corpora and a `work_dir` next to itself."""
    data = recipe.data.model_copy(
        update={"train": tuple(train), "stages": tuple(stages), "work_dir": Path("work")}
    )
    return recipe.model_copy(update={"data": data})
