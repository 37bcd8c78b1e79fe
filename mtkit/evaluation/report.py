"""Reports of scores as text and as JSON."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from mtkit.evaluation.robustness import AlteredScores
from mtkit.evaluation.score import Scores
from mtkit.evaluation.tables import Table, TableFormat, render, signature_table
from mtkit.io.columns import align


def to_text(scores: Scores) -> str:
    """Return a line for each score with its signature, then its interval and details.

    ```
    BLEU   38.12   nrefs:1|bs:1000|seed:12345|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0
                   95 % interval [36.80, 39.51]
                   69.3/46.2/32.3/22.6 (BP = 0.976 ratio = 0.977 hyp_len = 12740 ref_len = 13046)
    TER    42.70   nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:2.6.0
    ```
    """
    rows = []
    for score in scores:
        value = f"{score.value:>6.{score.n_digits}f}"
        rows.append([f"{score.name:<6}", value, f"  {score.signature}"])
        if score.interval:
            low, high = (
                f"{end:.{score.n_digits}f}" for end in (score.interval.low, score.interval.high)
            )
            rows.append(["", "", f"  95 % interval [{low}, {high}]"])
        if score.detail:
            rows.append(["", "", f"  {score.detail.strip()}"])
    return "\n".join(align(rows, right=(1,), gap=" "))


def to_json(scores: Scores, inputs: dict[str, Any]) -> str:
    """Return a JSON object: n_segments, and each metric with name, value, signature and detail.

    Values are not rounded.

    Args:
        scores: The scores.
        inputs: What was evaluated: files, models and search settings.
    """
    return json.dumps(_as_dict(scores) | {"inputs": inputs}, ensure_ascii=False, indent=2)


def robustness_to_tables(clean: Scores, altered: Sequence[AlteredScores], form: TableFormat) -> str:
    """Return a table of scores and their changes from the original test set, and the signatures.

    ```
    Scores of the test set, and of altered versions of it
    test set    lines   BLEU  change  chrF2  change
    clean        1000  38.12          61.20
    upper_case   1000  12.03  -26.09  30.11  -31.09
    typos         998  33.90   -4.22  57.84   -3.36
    ```
    """
    title = "Scores of the test set, and of altered versions of it"
    header = ["test set", "lines", *(cell for score in clean for cell in (score.name, "change"))]
    rows = [["clean", str(clean.n_segments), *_score_cells(clean)]]
    for name, n_altered, scores in altered:
        cells = _score_cells(scores, clean) if scores else ["-"] * (2 * len(clean))
        rows.append([name, str(n_altered), *cells])
    signatures = signature_table((score.name, score.signature) for score in clean)
    return "\n\n".join(render(table, form) for table in (Table(title, header, rows), signatures))


def _score_cells(scores: Scores, clean: Scores | None = None) -> Iterator[str]:
    """Yield the value of each score, and its change from that of the original test set."""
    changes = [f"{change:+.2f}" for change in _differences(clean, scores)] if clean else None
    for score, change in zip(scores, changes or [""] * len(scores), strict=True):
        yield from (f"{score.value:.2f}", change)


def robustness_to_json(clean: Scores, altered: Sequence[AlteredScores]) -> str:
    """Return a JSON object with the metrics of `to_json` for `clean` and each alteration.

    Each alteration also has n_altered, and the differences of its scores to those of `clean`.
    """
    report: dict[str, Any] = {"clean": _as_dict(clean)}
    for name, n_altered, scores in altered:
        report[name] = {"n_altered": n_altered}
        if scores is not None:
            report[name] |= _as_dict(scores)
            for metric, change in zip(scores.by_metric, _differences(clean, scores), strict=True):
                report[name][metric]["difference"] = change
    return json.dumps(report, ensure_ascii=False, indent=2)


def _as_dict(scores: Scores) -> dict[str, Any]:
    return {"n_segments": scores.n_segments, **scores.as_dict()}


def _differences(clean: Scores, altered: Scores) -> list[float]:
    return [score.value - reference.value for score, reference in zip(altered, clean, strict=True)]
