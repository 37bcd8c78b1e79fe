"""`mtkit data check`."""

from typing import Annotated

import typer

from mtkit.cli.common.corpus_arguments import CorpusOptions
from mtkit.cli.common.option_groups import takes_option_groups
from mtkit.cli.common.options import CorpusWorkersOption
from mtkit.cli.common.recipe_paths import corpus_paths


@takes_option_groups
def check(
    corpus: CorpusOptions,
    n_shown: Annotated[
        int,
        typer.Option(
            "--show", min=0, max=10, metavar="N", help="Examples to show for each finding"
        ),
    ] = 3,
    shift: Annotated[
        bool,
        typer.Option(
            "--shift/--no-shift",
            help="Look for lines after which the sides are shifted; the slowest check",
        ),
    ] = True,
    n_workers: CorpusWorkersOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Find what is wrong with a corpus.

    Shows lines that are damaged, missing, repeated, shifted, in the wrong language, or also in a
    test set, and suggests what to do. For a recipe, its validation and test sets are checked too.
    Exit status 1 if training would refuse the corpus.

    Examples:
        mtkit data check train.de train.en
        mtkit data check train.de train.en --test test.de test.en --show 5
        mtkit data check corpus.tsv --src-lang de --tgt-lang en
    """
    from mtkit.checking.check import check_corpora
    from mtkit.checking.report import to_json, to_text
    from mtkit.cli.common.output_guard import refuse_overwriting

    data = corpus.data_config()
    refuse_overwriting([], [*corpus_paths(data), corpus.recipe_path])
    report = check_corpora(
        data,
        n_shown=n_shown,
        find_shift=shift,
        n_workers=n_workers,
        test_overlap=corpus.test_overlap(),
    )
    print(to_json(report) if as_json else to_text(report))
    if not report.can_train:
        raise typer.Exit(1)
