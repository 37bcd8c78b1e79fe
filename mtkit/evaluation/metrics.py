"""Translation quality: BLEU, chrF and TER as sacreBLEU computes them, with signatures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from mtkit.errors import MtkitError
from mtkit.evaluation.plausibility import (
    warn_of_blank_references,
    warn_of_blank_translations,
    warn_of_tokenized_text,
    warn_of_words_by_spaces,
)

MetricName = Literal["bleu", "chrf", "ter"]
Tokenize = Literal[
    "13a", "intl", "char", "zh", "ja-mecab", "ko-mecab", "flores101", "flores200", "none"
]
"""Tokenizers of BLEU: 13a is the standard for text with spaces; ko-mecab, ja-mecab and zh are for
their languages, char for any."""


@dataclass(frozen=True)
class Score:
    """Score of a corpus in one metric."""

    name: str
    """Name in reports: BLEU, chrF2 or TER."""
    value: float
    """Percentage; for TER, lower is better, and it may exceed 100."""
    signature: str
    """Signature of sacreBLEU; scores are comparable only if their signatures are equal."""
    detail: str = ""
    """For BLEU: precisions, brevity penalty and lengths."""

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return f"{self.name} {self.value:.2f} ({self.signature})"


@dataclass(frozen=True)
class Scores:
    """Scores of one evaluation, in the requested order."""

    by_metric: dict[MetricName, Score]
    """Scores by metric: bleu, chrf, ter."""
    n_segments: int
    """Number of translations."""

    @property
    def bleu(self) -> Score:
        """BLEU (Papineni et al. 2002)."""
        return self._get("bleu")

    @property
    def chrf(self) -> Score:
        """chrF (Popović 2015)."""
        return self._get("chrf")

    @property
    def ter(self) -> Score:
        """Translation edit rate (Snover et al. 2006); lower is better."""
        return self._get("ter")

    def __iter__(self) -> Iterator[Score]:
        return iter(self.by_metric.values())

    def __len__(self) -> int:
        return len(self.by_metric)

    def as_dict(self) -> dict[str, dict[str, str | float]]:
        """Return name, value, signature and detail of each metric, for JSON."""
        return {metric: vars(score).copy() for metric, score in self.by_metric.items()}

    def _get(self, metric: MetricName) -> Score:
        if metric not in self.by_metric:
            raise AttributeError(
                f"{metric} was not computed; request it: evaluate(..., metrics=[..., '{metric}'])"
            )
        return self.by_metric[metric]


def evaluate(
    hypotheses: Sequence[str],
    references: Sequence[str] | Sequence[Sequence[str]],
    metrics: Sequence[str] = ("bleu",),
    tokenize: str | None = None,
    *,
    warns: bool = True,
) -> Scores:
    """Score translations against references. Both should be plain text, not tokenized.

    Args:
        hypotheses: One translation for each segment.
        references: One reference for each segment, or several such lists.
        metrics: Any of bleu, chrf, ter.
        tokenize: Tokenizer of BLEU, see `Tokenize`; default: 13a.
        warns: Whether to log warnings about tokenized text, blank lines, and languages that need
            another tokenizer.
    Raises:
        MtkitError: The counts differ, there is nothing to evaluate, or see `make_scorers`.
    """
    hypotheses, references = _as_list(hypotheses), _as_list(references)
    streams = _as_reference_streams(hypotheses, references)
    check_counts(len(hypotheses), streams)
    scorers = make_scorers(metrics, tokenize)
    if warns:
        _warn(
            hypotheses,
            streams,
            words_by_spaces="bleu" in scorers and tokenize in (None, "13a", "intl"),
        )
    by_metric: dict[MetricName, Score] = {}
    for metric, scorer in scorers.items():
        result = scorer.corpus_score(list(hypotheses), streams)
        by_metric[metric] = Score(
            result.name,
            float(result.score),
            scorer.get_signature().format(),
            _detail(result) if metric == "bleu" else "",
        )
    return Scores(by_metric, len(hypotheses))


def make_scorers(metrics: Sequence[str], tokenize: str | None = None) -> dict[MetricName, Any]:
    """Load sacreBLEU's metrics; call it before long work to check that they are available.

    Raises:
        MtkitError: A metric or tokenizer is unknown, the tokenizer is not installed, or it is given
            without BLEU.
    """
    names = _check_metrics(metrics)
    if tokenize is not None and "bleu" not in names:
        raise MtkitError(
            f"tokenize {tokenize} is for BLEU, which is not one of the metrics",
            "add the metric bleu, or leave tokenize out",
        )
    return {metric: _scorer(metric, tokenize) for metric in names}


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
                f"{n_segments} {what}, but {len(stream)} {which}",
                "line N of each file must translate the same source line; "
                "check for lost or split lines",
            )


def _warn(hypotheses: Sequence[str], streams: list[list[str]], *, words_by_spaces: bool) -> None:
    warn_of_tokenized_text("the translations", hypotheses)
    warn_of_blank_translations(hypotheses, streams)
    for i, stream in enumerate(streams, start=1):
        whose = "the references" if len(streams) == 1 else f"references {i}"
        warn_of_tokenized_text(whose, stream)
        warn_of_blank_references(whose, stream)
    if words_by_spaces:
        warn_of_words_by_spaces(streams[0])


def _detail(bleu: Any) -> str:
    lengths = f"ratio = {bleu.ratio:.3f} hyp_len = {bleu.sys_len} ref_len = {bleu.ref_len}"
    return f"{bleu.prec_str} (BP = {bleu.bp:.3f} {lengths})"


def _as_list(texts: Any) -> Any:
    """Return a generator as a list, which can be read several times."""
    return list(texts) if isinstance(texts, Iterator) else texts


def _as_reference_streams(
    hypotheses: Sequence[str], references: Sequence[str] | Sequence[Sequence[str]]
) -> list[list[str]]:
    """Return the references as a list of lists."""
    if isinstance(hypotheses, str) or isinstance(references, str):
        raise TypeError("hypotheses and references are lists of strings, not one string")
    is_one_list = all(isinstance(reference, str) for reference in references)
    if not is_one_list and any(isinstance(reference, str) for reference in references):
        raise TypeError(
            "references are one list of strings, or a list of such lists, not a mixture"
        )
    streams = [
        list(cast(Sequence[str], stream))
        for stream in ([references] if is_one_list else references)
    ]
    for what, lines in ("hypotheses", hypotheses), *(("references", stream) for stream in streams):
        if wrong := next((i for i, line in enumerate(lines, 1) if not isinstance(line, str)), 0):
            raise TypeError(
                f"{what}: item {wrong} is not a string; a missing text is the empty string"
            )
    return streams


def _check_metrics(metrics: Sequence[str]) -> list[MetricName]:
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


def _scorer(metric: MetricName, tokenize: str | None) -> Any:
    # sacrebleu takes half a second to load.
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    if metric == "chrf":
        return CHRF()
    if metric == "ter":
        return TER()
    _check_tokenize(tokenize)
    try:
        # sacreBLEU warns of tokenized text only from 100 lines on; ours has been logged.
        return BLEU(tokenize=tokenize, force=True)
    except (RuntimeError, ImportError, OSError, AssertionError) as error:
        raise _unavailable(tokenize or "13a", error) from error


def _unavailable(tokenize: str, error: Exception) -> MtkitError:
    """Return the error for a tokenizer of sacreBLEU that cannot be loaded."""
    if tokenize.startswith("flores"):
        path = _flores_path(tokenize)
        return MtkitError(
            f"`{path}`: the model of tokenize {tokenize} is damaged",
            "remove the file, and download it again with sacrebleu; or use char",
        )
    extra = f'"sacrebleu[{tokenize.partition("-")[0]}]"'
    if isinstance(error, ImportError) or "pip install" in str(error):
        return MtkitError(
            f"tokenize {tokenize} needs an extra that is not installed",
            f"pip install {extra}, or use char",
        )
    reason = next(iter(str(error).split("\n")), "") or type(error).__name__
    return MtkitError(
        f"tokenize {tokenize} does not work: {reason}",
        f"pip install --force-reinstall {extra}, or use char",
    )


def _check_tokenize(tokenize: str | None) -> None:
    if tokenize is None:
        return
    if tokenize not in get_args(Tokenize):
        raise MtkitError(
            f"unknown tokenize: {tokenize}", f"one of: {', '.join(get_args(Tokenize))}"
        )
    if tokenize.startswith("flores") and not (path := _flores_path(tokenize)).exists():
        raise MtkitError(
            f"`{path}`: the model of tokenize {tokenize} is missing; mtkit does not download it",
            f"`echo x | sacrebleu --tokenize {tokenize} <(echo x)` downloads it once; or use char",
        )


def _flores_path(tokenize: str) -> Path:
    from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS
    from sacrebleu.utils import SACREBLEU_DIR

    return Path(SACREBLEU_DIR) / "models" / Path(SPM_MODELS[tokenize]["url"]).name
