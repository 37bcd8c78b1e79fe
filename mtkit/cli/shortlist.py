"""`mtkit shortlist`."""

from pathlib import Path
from typing import Annotated

import typer

from mtkit.cli.common.options import help_of
from mtkit.config.section import MAX_INT
from mtkit.config.shortlist import ShortlistConfig, default_value


def shortlist(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="RECIPE | SRC TGT",
            help="Recipe of the model, after `mtkit preprocess`; or two aligned text files",
        ),
    ],
    model_dir: Annotated[
        Path, typer.Option("--model", "-m", metavar="DIR", help="Model directory")
    ],
    output_path: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write",
            show_default="shortlist.safetensors in DIR",
        ),
    ] = None,
    n_candidates: Annotated[
        int,
        typer.Option(
            "--candidates",
            min=1,
            max=999,
            metavar="K",
            help=help_of(ShortlistConfig, "n_candidates"),
        ),
    ] = default_value("n_candidates"),
    n_frequent: Annotated[
        int,
        typer.Option(
            "--frequent",
            min=0,
            max=MAX_INT,
            metavar="N",
            help=help_of(ShortlistConfig, "n_frequent"),
        ),
    ] = default_value("n_frequent"),
    max_pairs: Annotated[
        int,
        typer.Option(min=1, max=MAX_INT, metavar="N", help=help_of(ShortlistConfig, "max_pairs")),
    ] = default_value("max_pairs"),
) -> None:
    """Build a lexical shortlist, which makes translation faster.

    Aligns the subwords of the training corpus, and keeps the most probable translations of each
    source subword. `mtkit translate --shortlist` then considers only these.

    Examples:
        mtkit shortlist de-en/recipe.yaml -m de-en/work/run/model
        mtkit shortlist train.de train.en -m de-en/work/run/model --candidates 50
    """
    from mtkit.checkpoint.find_model import MODEL_NAMES, SHORTLIST_NAME, refuse_no_model
    from mtkit.cli.common.corpus_arguments import make_source
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.config.data import DataConfig
    from mtkit.config.recipe import Recipe
    from mtkit.corpus.read.pairs import read_pairs
    from mtkit.corpus.store.token_store import TokenStore
    from mtkit.errors import MtkitError
    from mtkit.tokenizer.model_proto import TOKENIZER_DIR_NAME
    from mtkit.tokenizer.subword import Tokenizer

    refuse_no_model(model_dir)
    path = output_path or model_dir / SHORTLIST_NAME
    if str(path) == "-":
        raise typer.BadParameter("--output takes a file; a shortlist is not text")
    if len(paths) > 2:
        raise MtkitError(
            f"{len(paths)} paths, but a corpus is a recipe or two text files",
            "give RECIPE, or SRC and TGT",
        )
    store_dirs = [Recipe.load(paths[0]).store_dir] if len(paths) == 1 else []
    model_parts = [model_dir / name for name in sorted(MODEL_NAMES - {SHORTLIST_NAME})]
    refuse_overwriting([path], [*paths, *store_dirs, *model_parts], own=model_dir)
    tokenizer = Tokenizer.load(model_dir / TOKENIZER_DIR_NAME)
    from mtkit.search.shortlist.build import make_shortlist, store_of_pairs

    config = ShortlistConfig(n_candidates=n_candidates, n_frequent=n_frequent, max_pairs=max_pairs)
    if len(paths) == 1:
        recipe = Recipe.load(paths[0])
        store = TokenStore.open(recipe.store_dir)
        if store.manifest.get("tokenizer_sha256") != tokenizer.sha256:
            raise MtkitError(
                f"`{recipe.store_dir}`: was tokenized by another tokenizer than the model's",
                "give the two text files: SRC TGT",
            )
        made = make_shortlist(store, tokenizer, config)
    else:
        source = make_source(src=paths[0], tgt=paths[1])
        pairs = read_pairs(
            source, DataConfig(src_lang="src", tgt_lang="tgt", train=(source,), work_dir=Path())
        )
        with store_of_pairs(pairs, tokenizer) as store:
            made = make_shortlist(store, tokenizer, config)
    made.save(path)
    n_mean = made.candidates.shape[1]
    print(
        f"{path}: up to {n_mean:,} candidates for each of {len(made.candidates):,} source subwords,"
        f" {len(made.always):,} for all"
    )
