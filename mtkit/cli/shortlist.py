"""`mtkit shortlist`."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli.common.option_groups import option_group, takes_option_groups
from mtkit.cli.common.options import setting_option
from mtkit.config.section import MAX_INT
from mtkit.config.shortlist import ShortlistConfig

if TYPE_CHECKING:
    from mtkit.corpus.store.token_store import TokenStore
    from mtkit.tokenizer.subword import Tokenizer


_setting = partial(setting_option, ShortlistConfig)
_DEFAULT = ShortlistConfig()


@option_group()
class PathOptions:
    """Corpus, model and output."""

    paths: Annotated[list[Path], typer.Argument(metavar="RECIPE | SRC TGT | FILE")]
    """Recipe of the model, after `mtkit preprocess`; or a corpus: two aligned text files, or a file
    with both sides (TSV, CSV, JSON Lines, Parquet, TMX, XLIFF, PO). Further files add to it."""
    model_dir: Annotated[Path, typer.Option("--model", "-m", metavar="DIR")]
    """Model directory."""
    output_path: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", show_default="shortlist.safetensors in DIR"),
    ] = None
    """File to write."""


@option_group()
class ShortlistOptions:
    """The settings, as in `ShortlistConfig`."""

    n_candidates: Annotated[
        int, _setting("n_candidates", "--candidates", min=1, max=999, metavar="K")
    ] = _DEFAULT.n_candidates
    n_frequent: Annotated[
        int, _setting("n_frequent", "--frequent", min=0, max=MAX_INT, metavar="N")
    ] = _DEFAULT.n_frequent
    max_pairs: Annotated[int, _setting("max_pairs", min=1, max=MAX_INT, metavar="N")] = (
        _DEFAULT.max_pairs
    )


@takes_option_groups
def shortlist(files: PathOptions, settings: ShortlistOptions) -> None:
    """Build a lexical shortlist, which makes translation faster.

    Aligns the subwords of the training corpus, and keeps the most probable translations of each
    source subword. `mtkit translate --shortlist` then considers only these.

    Examples:
        mtkit shortlist de-en/recipe.yaml -m de-en/work/run/model
        mtkit shortlist train.de train.en -m de-en/work/run/model --candidates 50
    """
    from mtkit.cli.common.corpus_arguments import refuse_other_order_than
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.config.recipe import Recipe
    from mtkit.io.find_model import (
        MODEL_NAMES,
        SHORTLIST_NAME,
        languages_of_model,
        refuse_no_model,
    )
    from mtkit.io.paths import is_recipe_name
    from mtkit.io.tokenizer_files import TOKENIZER_DIR_NAME
    from mtkit.tokenizer.subword import Tokenizer

    paths, model_dir = files.paths, files.model_dir
    refuse_no_model(model_dir)
    path = files.output_path or model_dir / SHORTLIST_NAME
    if str(path) == "-":
        raise typer.BadParameter("--output takes a file; a shortlist is not text")
    if any(map(is_recipe_name, paths)) and len(paths) > 1:
        raise typer.BadParameter("a recipe specifies its files; do not give others")
    refuse_other_order_than(model_dir, paths)
    store_dirs = [Recipe.load(path).store_dir for path in paths if is_recipe_name(path)]
    model_parts = [model_dir / name for name in sorted(MODEL_NAMES - {SHORTLIST_NAME})]
    refuse_overwriting([path], [*paths, *store_dirs, *model_parts], own=model_dir)
    tokenizer = Tokenizer.load(model_dir / TOKENIZER_DIR_NAME)
    from mtkit.checkpoint.model_manifest import update_manifest
    from mtkit.search.shortlist.build import make_shortlist

    with _token_store(paths, tokenizer, languages_of_model(model_dir)) as store:
        made = make_shortlist(store, tokenizer, ShortlistConfig(**vars(settings)))
    made.save(path)
    if path.resolve() == (model_dir / SHORTLIST_NAME).resolve():
        update_manifest(model_dir, SHORTLIST_NAME)
    n_mean = made.candidates.shape[1]
    print(
        f"{path}: up to {n_mean:,} candidates for each of {len(made.candidates):,} source subwords,"
        f" {len(made.always):,} for all"
    )


@contextmanager
def _token_store(
    paths: list[Path], tokenizer: "Tokenizer", langs: tuple[str, str]
) -> Iterator["TokenStore"]:
    """Open the token store of a recipe, or make one of a corpus for as long as it is used."""
    from mtkit.cli.common.corpus_arguments import make_sources
    from mtkit.config.data import DataConfig
    from mtkit.config.recipe import Recipe
    from mtkit.corpus.read.pairs import read_pairs
    from mtkit.corpus.store.token_store import TokenStore
    from mtkit.errors import MtkitError
    from mtkit.io.paths import is_recipe_name
    from mtkit.search.shortlist.build import store_of_pairs

    if is_recipe_name(paths[0]):
        store_dir = Recipe.load(paths[0]).store_dir
        store = TokenStore.open(store_dir)
        if store.manifest.get("tokenizer_sha256") != tokenizer.sha256:
            raise MtkitError(
                f"`{store_dir}`: was tokenized by another tokenizer than the model's",
                "give the corpus itself: SRC TGT, or FILE",
            )
        yield store
    else:
        sources = make_sources(paths)
        data = DataConfig(src_lang=langs[0], tgt_lang=langs[1], train=sources, work_dir=Path())
        pairs = chain.from_iterable(read_pairs(source, data) for source in sources)
        with store_of_pairs(pairs, tokenizer) as store:
            yield store
