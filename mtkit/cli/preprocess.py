"""`mtkit preprocess`."""

from typing import Annotated

import typer

from mtkit.cli.common.options import CorpusWorkersOption, OverridesOption, RecipeArgument
from mtkit.cli.common.recipe_paths import refuse_overwriting_inputs


def preprocess(
    recipe_path: RecipeArgument,
    overrides: OverridesOption = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help=(
                "Process only shard I of N, on one of several machines; a run without --shard then"
                " merges the shards"
            ),
        ),
    ] = None,
    n_workers: CorpusWorkersOption = None,
    n_samples: Annotated[
        int,
        typer.Option(
            "--show", min=0, max=5, metavar="N", help="Dropped pairs to show for each rule"
        ),
    ] = 0,
) -> None:
    """Clean and tokenize the training corpus.

    Reports what was dropped and why. Makes the tokenizer first if it is missing or out of date.
    After an interruption, the same command resumes. `mtkit train` also runs this step if it is
    needed; use this command to inspect a corpus, and for large corpora.

    Examples:
        mtkit preprocess de-en/recipe.yaml
        mtkit preprocess de-en/recipe.yaml --show 3 --set clean.max_chars=500
        mtkit preprocess de-en/recipe.yaml --shard 1/4
    """
    from mtkit.config.recipe import Recipe
    from mtkit.corpus.store.preprocess import preprocess as preprocess_corpus
    from mtkit.corpus.store.preprocess import preprocess_shard
    from mtkit.corpus.store.shards import Shard

    recipe = Recipe.load(recipe_path, overrides or ())
    refuse_overwriting_inputs(recipe_path, recipe, ["tokenizer", "store", "parts"])
    if shard is None:
        report = preprocess_corpus(recipe, n_workers=n_workers)
        print("\n".join(report.lines(n_samples)))
    else:
        print(preprocess_shard(recipe, Shard.parse(shard), n_workers=n_workers))
