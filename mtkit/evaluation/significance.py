"""Scores on altered test sets beside those on the test set as it is."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from mtkit.evaluation.metrics import Scores


class AlteredScores(NamedTuple):
    """The verdict on a test set altered in one way."""

    name: str
    """The way."""
    n_altered: int
    """Lines that it changed."""
    scores: Scores | None
    """None where it changed no line."""


def comparison_for_people(clean: Scores, altered: Sequence[AlteredScores]) -> str:
    """A table: for each test set its lines and scores, with the difference to the clean one beside. Signatures stand below. No line end at the end.

    ```
                            lines   BLEU           chrF2
    clean                    1000  38.12           61.20
    upper_case               1000  12.03  -26.09   30.11  -31.09
    typos                     998  33.90   -4.22   57.84   -3.36
    BLEU    nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0
    chrF2   nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0
    ```
    """
    width = max(len(name) for name in ("clean", *(one.name for one in altered)))
    lines = [
        f"{'':<{width}}  {'lines':>6}" + "".join(f"  {score.name:>6}        " for score in clean)
    ]
    lines.append(
        f"{'clean':<{width}}  {clean.n_segments:>6}"
        + "".join(f"  {score.value:>6.2f}        " for score in clean)
    )
    for name, n_altered, scores in altered:
        cells = (
            ["  no line altered"]
            if scores is None
            else [
                f"  {s.value:>6.2f} {d:>+7.2f}"
                for s, d in zip(scores, _differences(clean, scores), strict=True)
            ]
        )
        lines.append(f"{name:<{width}}  {n_altered:>6}" + "".join(cells))
    lines += [f"{score.name:<6}  {score.signature}" for score in clean]
    return "\n".join(line.rstrip() for line in lines)


def comparison_for_programs(clean: Scores, altered: Sequence[AlteredScores]) -> str:
    """A JSON object: for `clean` and each way its metrics as `for_programs` gives them; of a way also n_altered and differences to clean."""
    told: dict[str, Any] = {"clean": {"n_segments": clean.n_segments, **clean.as_dict()}}
    for name, n_altered, scores in altered:
        told[name] = {"n_altered": n_altered}
        if scores is not None:
            metrics = {
                metric: score | {"difference": difference}
                for (metric, score), difference in zip(
                    scores.as_dict().items(), _differences(clean, scores), strict=True
                )
            }
            told[name] |= {"n_segments": scores.n_segments, **metrics}
    return json.dumps(told, ensure_ascii=False, indent=2)


def _differences(clean: Scores, altered: Scores) -> list[float]:
    return [score.value - reference.value for score, reference in zip(altered, clean, strict=True)]
