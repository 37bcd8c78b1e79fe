"""Translation quality: BLEU, chrF and TER as sacreBLEU computes them, with signatures."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from mtkit.errors import MtkitError
from mtkit.evaluation.bleu_tokenizers import load_bleu
from mtkit.evaluation.plausibility import warn_of_implausible_text
from mtkit.evaluation.score import Scores
from mtkit.io.logs import counted

if TYPE_CHECKING:
    from mtkit.evaluation.comparison import Comparison
    from mtkit.evaluation.resampling import Resampling

MetricName = Literal["bleu", "chrf", "ter", "chrf++"]
DEFAULT_SEED = 12345
"""Seed of resampling, that of sacreBLEU."""


def evaluate(
    hypotheses: Sequence[str],
    references: Sequence[str] | Sequence[Sequence[str]],
    metrics: Sequence[str] = ("bleu",),
    tokenize: str | None = None,
    *,
    n_bootstrap: int = 0,
    seed: int = DEFAULT_SEED,
    warns: bool = True,
) -> Scores:
    """Score translations against references. Both should be plain text, not tokenized.

    Args:
        hypotheses: One translation for each segment.
        references: One reference for each segment, or several such lists. A blank line counts as
            missing if another list has a reference for the segment.
        metrics: Any of bleu, chrf, ter, chrf++.
        tokenize: Tokenizer of BLEU, see `Tokenize`; default: 13a.
        n_bootstrap: Number of resamples for a confidence interval; 0 computes none.
        seed: Seed of the resamples.
        warns: Whether to log warnings about tokenized text, blank lines, and languages that need
            another tokenizer.
    Raises:
        MtkitError: The counts differ, there is nothing to evaluate, or see `check_metrics`.
    """
    hypotheses = _checked(hypotheses, "hypotheses")
    streams = _as_lists(references, "references")
    check_counts(len(hypotheses), streams)
    names = check_metrics(metrics, tokenize)
    if warns:
        warn_of_implausible_text(
            {"the translations": hypotheses}, streams, words_by_spaces=finds_words(names, tokenize)
        )
    # sacreBLEU and numpy take half a second to load.
    from mtkit.evaluation.comparison import System, score_systems
    from mtkit.evaluation.corpus_metric import sacrebleu_metrics
    from mtkit.evaluation.resampling import Resampling

    (result,) = score_systems(
        [System("", [hypotheses])],
        sacrebleu_metrics(names, streams, tokenize),
        Resampling(n_bootstrap=n_bootstrap, seed=seed),
    )
    return Scores({name: result.scores[name].score for name in names}, len(hypotheses))


def compare(
    systems: Mapping[str, Sequence[str] | Sequence[Sequence[str]]],
    references: Sequence[str] | Sequence[Sequence[str]],
    metrics: Sequence[str] = ("bleu", "chrf"),
    tokenize: str | None = None,
    resampling: "Resampling | None" = None,
) -> "Comparison":
    """Score systems on the same test set, and test their differences for significance.

    Args:
        systems: Translations of each system by its name, one for each segment; or several such
            lists, one for each training run of the system. The first system is the baseline.
        references: See `evaluate`.
        metrics: See `evaluate`.
        tokenize: See `evaluate`.
        resampling: Settings of intervals and tests; default: `Resampling()`.
    Raises:
        MtkitError: See `evaluate` and `compare_systems`.
    """
    names = check_metrics(metrics, tokenize)
    from mtkit.evaluation.comparison import System, compare_systems
    from mtkit.evaluation.corpus_metric import sacrebleu_metrics
    from mtkit.evaluation.resampling import Resampling

    streams = _as_lists(references, "references")
    runs = {name: _as_lists(texts, f"translations of {name}") for name, texts in systems.items()}
    for name, texts in runs.items():
        for run in texts:
            check_counts(len(run), streams, f"translations of {name}")
    return compare_systems(
        [System(name, texts) for name, texts in runs.items()],
        sacrebleu_metrics(names, streams, tokenize),
        resampling or Resampling(),
    )


def check_metrics(metrics: Sequence[str], tokenize: str | None = None) -> list[MetricName]:
    """Check metrics; call it before long work to find out whether they are available.

    Raises:
        MtkitError: A metric or tokenizer is unknown, the tokenizer is not installed, or it is given
            without BLEU.
    """
    names = _known_metrics(metrics)
    if tokenize is not None:
        if "bleu" not in names:
            raise MtkitError(
                f"tokenize {tokenize} is for BLEU, which is not one of the metrics",
                "add the metric bleu, or leave tokenize out",
            )
        load_bleu(tokenize)
    return names


def finds_words(metrics: Sequence[str], tokenize: str | None) -> bool:
    """Whether one of the metrics finds words by their spaces."""
    return "bleu" in metrics and tokenize in (None, "13a", "intl")


def check_counts(
    n_segments: int, references: Sequence[Sequence[str]], what: str = "translations"
) -> None:
    """Check that every list of references has one line for each segment.

    Args:
        n_segments: Number of translations, or of lines to translate.
        references: One list or several.
        what: Name of the segments in the error.
    Raises:
        MtkitError: The counts differ, or there is nothing to evaluate.
    """
    if not n_segments and not any(references):
        raise MtkitError(
            f"nothing to evaluate: no {what} and no references", "give at least one line of each"
        )
    for i, stream in enumerate(references, start=1):
        if len(stream) != n_segments:
            which = "references" if len(references) == 1 else f"lines in references {i}"
            raise MtkitError(
                f"{counted(n_segments, what)}, but {counted(len(stream), which)}",
                "line N of each file must translate the same source line; "
                "check for lost or split lines"
                if n_segments and stream
                else "one of them is empty; check that it is the right file",
            )


def _as_list(texts: Any) -> Any:
    """Return a generator as a list, which can be read several times."""
    return list(texts) if isinstance(texts, Iterator) else texts


def _as_lists(texts: Any, what: str) -> list[list[str]]:
    """Return one list of strings, or a list of such lists, as a list of lists."""
    texts = _as_list(texts)
    is_one_list = all(isinstance(text, str) for text in texts)
    if not is_one_list and any(isinstance(text, str) for text in texts):
        raise TypeError(f"{what}: one list of strings, or a list of such lists, not a mixture")
    return [_checked(stream, what) for stream in ([texts] if is_one_list else texts)]


def _checked(lines: Any, what: str) -> list[str]:
    if isinstance(lines, str):
        raise TypeError(f"{what}: a list of strings, not one string")
    lines = list(lines)
    if wrong := next((i for i, line in enumerate(lines, 1) if not isinstance(line, str)), 0):
        raise TypeError(f"{what}: item {wrong} is not a string; a missing text is the empty string")
    return lines


def _known_metrics(metrics: Sequence[str]) -> list[MetricName]:
    names, metrics = get_args(MetricName), _as_list(metrics)
    unknown = [metric for metric in metrics if metric not in names]
    if unknown or not metrics or isinstance(metrics, str):
        what = (
            f"unknown metric: {', '.join(unknown)}"
            if unknown and not isinstance(metrics, str)
            else f"metrics is {metrics!r}"
        )
        raise MtkitError(what, f"a list of any of: {', '.join(names)}")
    return list(cast(Sequence[MetricName], metrics))
