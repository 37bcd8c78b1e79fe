"""`mtkit rerank`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mtkit.cli.common.option_groups import option_group, takes_option_groups
from mtkit.cli.common.options import DeviceOptions
from mtkit.cli.common.pair_score_options import PairScoreOptions

if TYPE_CHECKING:
    from mtkit.quality.features import Feature
    from mtkit.quality.nbest_lists import NbestList

_LIST, _MBR = "score", "mbr"
"""Names of the features that need no model."""


@option_group()
class RerankOptions:
    """Input and output."""

    src_path: Annotated[Path, typer.Argument(metavar="SRC")]
    """Source text, one segment per line; may be compressed; - is stdin."""
    nbest_path: Annotated[Path, typer.Argument(metavar="NBEST")]
    """Its n-best translations, as `mtkit translate --n-best` writes them; - is stdin."""
    output_path: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", show_default="stdout")
    ] = None
    """File to write."""
    output_format: Annotated[Literal["text", "jsonl"], typer.Option("--format")] = "text"
    """The best translation of each line, or a JSON object with its features, weighted sum and rank
    in the list."""


@option_group("Weights")
class WeightOptions:
    """Weights of the features, and their tuning."""

    weights_path: Annotated[Path | None, typer.Option("--weights", metavar="FILE")] = None
    """Weights that --tune wrote."""
    weights: Annotated[
        list[str] | None,
        typer.Option("--weight", metavar="NAME=W", show_default="1 for score and each model"),
    ] = None
    """Weight of a feature: score (that of the list), mbr (mean chrF with the other translations of
    the line), forward, reverse, or the name of a program; repeatable."""
    tune_path: Annotated[Path | None, typer.Option("--tune", metavar="FILE")] = None
    """Search for the weights with the best score on this text, which must be validation data, and
    write them to a file."""
    reference_path: Annotated[Path | None, typer.Option("--reference", "-r", metavar="FILE")] = None
    """For --tune: reference translations."""
    metric: Annotated[
        Literal["bleu", "chrf"] | None, typer.Option("--metric", show_default="chrf")
    ] = None
    """For --tune: metric to maximize."""
    tgt_lang: Annotated[str | None, typer.Option("--tgt-lang", metavar="CODE")] = None
    """For --tune: target language, which selects the tokenizer of BLEU."""
    n_trials: Annotated[
        int | None, typer.Option("--trials", min=1, metavar="N", show_default="2000")
    ] = None
    """For --tune: number of random weights to try."""
    seed: Annotated[int | None, typer.Option("--seed", min=0, show_default="1")] = None
    """For --tune: seed of these."""

    def check(self, options: RerankOptions) -> None:
        """Check that the options go together.

        Raises:
            typer.BadParameter: They do not.
        """
        given = {
            "--reference": self.reference_path,
            "--metric": self.metric,
            "--tgt-lang": self.tgt_lang,
            "--trials": self.n_trials,
            "--seed": self.seed,
        }
        if self.tune_path is None:
            if names := [name for name, value in given.items() if value is not None]:
                raise typer.BadParameter(f"{names[0]} is for --tune")
            if self.weights_path is not None and self.weights:
                raise typer.BadParameter("give either --weights or --weight")
            return
        if self.reference_path is None:
            raise typer.BadParameter("--tune needs --reference")
        if self.weights_path is not None or self.weights:
            raise typer.BadParameter("--tune finds the weights: leave out --weights and --weight")
        if options.output_path is not None or options.output_format != "text":
            raise typer.BadParameter(
                "--tune writes no translations: leave out --output and --format"
            )

    def load(self, scores: PairScoreOptions) -> dict[str, float]:
        """Return the weights: those of the file, those given, or 1 for each.

        Raises:
            MtkitError: The file is not one of weights.
            typer.BadParameter: A weight is not a number or is given twice, or a program has none.
        """
        from mtkit.quality.weights import load_weights

        if self.weights_path is not None:
            return load_weights(self.weights_path)
        if self.weights:
            pairs = list(map(_parse_weight, self.weights))
            names = [name for name, _ in pairs]
            if twice := next((name for name in names if names.count(name) > 1), None):
                raise typer.BadParameter(f"--weight {twice}: is given twice")
            return dict(pairs)
        if scores.scorers:
            raise typer.BadParameter(
                "the scores of a program have a scale of their own: tune the weights with --tune, "
                "or give --weight for each feature"
            )
        return dict.fromkeys((_LIST, *scores.model_names), 1.0)


@takes_option_groups
def rerank(
    options: RerankOptions,
    weights: WeightOptions,
    scores: PairScoreOptions,
    devices: DeviceOptions,
) -> None:
    """Choose the best of n-best translations by further scores.

    Each translation gets a weighted sum of features: its score in the list, the scores of a model
    of the opposite direction, of programs such as a language model, and its similarity to the other
    translations (minimum Bayes risk). Writes the best one for each line. --tune finds the weights
    on validation data.

    Examples:
        mtkit rerank new.de new.nbest --reverse-model en-de/model -o new.en
        mtkit rerank dev.de dev.nbest --reverse-model M --tune w.json -r dev.en
        mtkit rerank new.de new.nbest --reverse-model M --weights w.json -o new.en
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.io.text import read_lines, write_lines

    weights.check(options)
    inputs = [options.src_path, options.nbest_path, weights.weights_path, weights.reference_path]
    refuse_overwriting([options.output_path, weights.tune_path], [*inputs, *scores.model_dirs])
    chosen = {} if weights.tune_path is not None else weights.load(scores)
    sources = list(read_lines(options.src_path, what="the source text"))
    from mtkit.quality.nbest_lists import read_nbest_lists

    lists = read_nbest_lists(options.nbest_path, sources)
    scores.check_direction(options.src_path, sources)
    if weights.tune_path is not None:
        _tune(lists, weights, scores, devices)
        return
    from mtkit.quality.rerank import check_weights, rerank

    names = scores.names()
    check_weights(chosen, (_LIST, _MBR, *names), required=names)
    choices = rerank(lists, _features(scores, devices), chosen)
    if options.output_format == "text":
        write_lines(options.output_path, (choice.text for choice in choices))
    else:
        from mtkit.translation.lines.output import json_text

        write_lines(options.output_path, (json_text(choice.to_json()) for choice in choices))


def _features(scores: PairScoreOptions, devices: DeviceOptions) -> "dict[str, Feature]":
    from mtkit.quality.features import list_scores, of_pairs, similarities

    functions = scores.load(devices, reserved=(_LIST, _MBR))
    features: dict[str, Feature] = {_LIST: list_scores, _MBR: similarities}
    return features | {name: of_pairs(function) for name, function in functions.items()}


def _tune(
    lists: "list[NbestList]",
    options: WeightOptions,
    scores: PairScoreOptions,
    devices: DeviceOptions,
) -> None:
    """Find weights, write them, and print the scores before and after."""
    from mtkit.evaluation.bleu_tokenizers import tokenizer_of_language
    from mtkit.evaluation.corpus_metric import sacrebleu_metrics
    from mtkit.evaluation.metrics import check_counts
    from mtkit.io.text import read_lines
    from mtkit.quality.features import FeatureTable
    from mtkit.quality.weights import save_weights, tune_weights

    assert options.tune_path is not None and options.reference_path is not None
    references = list(read_lines(options.reference_path, what="the references"))
    check_counts(len(lists), [references], "lines in the source text")
    key, lang = options.metric or "chrf", options.tgt_lang or scores.langs[1]
    tokenize = tokenizer_of_language(lang) if key == "bleu" and lang else None
    [metric] = sacrebleu_metrics([key], [references], tokenize).values()
    table = FeatureTable.compute(lists, _features(scores, devices))
    n_trials, seed = options.n_trials or 2000, 1 if options.seed is None else options.seed
    found = tune_weights(lists, table, metric, n_trials, seed)
    about = {
        "metric": metric.signature(),
        "n_lines": len(lists),
        "first": round(found.first, 4),
        "tuned": round(found.tuned, 4),
        "n_trials": n_trials,
        "seed": seed,
    }
    save_weights(options.tune_path, found.weights, about)
    print(f"{metric.name} of the first translations: {found.first:.{metric.n_digits}f}")
    print(f"{metric.name} of the best by the weights: {found.tuned:.{metric.n_digits}f}")
    print("weights: " + ", ".join(f"{name} {weight:g}" for name, weight in found.weights.items()))


def _parse_weight(text: str) -> tuple[str, float]:
    from mtkit.io.json_lines import is_number

    name, _, value = text.rpartition("=")
    try:
        weight = float(value)
    except ValueError:
        weight = None
    if not name or not is_number(weight):
        raise typer.BadParameter(f"--weight {text}: not of the form NAME=W, such as reverse=0.5")
    return name, float(value)
