"""Scores for people to read, and for programs."""

import json

from mtkit.evaluation.metrics import Scores


def for_people(scores: Scores) -> str:
    """One line for each score, its signature with it; what a score is made of stands below. No line end at the end.

    ```
    BLEU   38.12   nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0
                   69.3/46.2/32.3/22.6 (BP = 0.976 ratio = 0.977 hyp_len = 12740 ref_len = 13046)
    TER    42.70   nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:2.6.0
    ```
    """
    lines = []
    for score in scores:
        lines.append(f"{score.name:<6} {score.value:>6.2f}   {score.signature}")
        if score.detail:
            lines.append(f"{'':<6} {'':>6}   {score.detail.strip()}")
    return "\n".join(lines)


def for_programs(scores: Scores) -> str:
    """A JSON object: n_segments, and each metric with its name, value (not rounded), signature and detail."""
    return json.dumps(
        {"n_segments": scores.n_segments, **scores.as_dict()}, ensure_ascii=False, indent=2
    )
