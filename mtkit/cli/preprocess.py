"""`mtkit preprocess`."""

from mtkit.cli.options import OverridesOption, RecipeArgument


def preprocess(recipe_path: RecipeArgument, overrides: OverridesOption = None) -> None:
    """Clean and tokenise the training corpus.

    Reports what was dropped and why. Makes the tokenizer first when it is missing or stale. `mtkit train` does all this itself; this is
    for looking at a corpus.
    """
    from mtkit.config.recipe import Recipe
    from mtkit.corpus.preprocess import preprocess as preprocess_corpus

    print(preprocess_corpus(Recipe.load(recipe_path, overrides or ())))
