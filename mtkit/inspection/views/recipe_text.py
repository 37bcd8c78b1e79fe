"""Facts about a recipe as text for a terminal."""

from collections.abc import Iterator, Sequence

import numpy as np

from mtkit.inspection.recipe.facts import RecipeFacts
from mtkit.inspection.recipe.positions import PositionFacts
from mtkit.inspection.views.statements import logit_gap, position_statements
from mtkit.io.columns import align

_BARS = "▁▂▃▄▅▆▇█"
_SHADES = " ░▒▓█"
_N_BARS = 60
_N_ROWS, _N_COLUMNS = 16, 32
"""Size of the heat map of positions."""
_OFFSETS = (0, 1, 2, 4, 8, 16, 32, 64)


def facts_to_text(facts: RecipeFacts) -> str:
    """Return the facts as text, without a final line end."""
    schedule = facts.schedule
    sections = {
        f"Learning rate: {schedule.name}, warmup of {schedule.warmup_steps:,} updates": _schedule(
            facts
        ),
        f"Parameters by part (vocabulary: {facts.vocab_origin})": _parameters(facts),
        f"Positions: {facts.positions.kind}": list(_positions(facts.positions)),
        f"Label smoothing: {facts.label_smoothing.smoothing:g}": _label_smoothing(facts),
        "Dropout": _dropout(facts),
    }
    lines = [f"{facts.path}: {facts.languages}, {facts.n_parameters:,} parameters"]
    for title, body in sections.items():
        lines += ["", title, *(f"  {line}".rstrip() for line in body)]
    return "\n".join(lines)


def _schedule(facts: RecipeFacts) -> list[str]:
    schedule = facts.schedule
    rates = [point.rate for point in schedule.points]
    chosen = np.linspace(0, len(rates) - 1, min(_N_BARS, len(rates))).round().astype(int)
    highest = max(rates) or 1.0
    bars = "".join(_BARS[min(7, int(8 * rates[i] / highest))] for i in chosen)
    rows = [[name, f"{point.step:,}", f"{point.rate:.3g}"] for name, point in schedule.milestones]
    return [
        f"{bars}  update 1 to {schedule.max_steps:,}",
        f"after the warmup: {schedule.formula}",
        *align(rows, right=(1,)),
    ]


def _parameters(facts: RecipeFacts) -> list[str]:
    rows = [
        [one.part, f"{one.n_parameters:,}", f"{100 * one.share:.1f} %", f"= {one.formula}"]
        for one in facts.parameters
    ]
    return align([*rows, ["together", f"{facts.n_parameters:,}"]], right=(1, 2))


def _positions(facts: PositionFacts) -> Iterator[str]:
    yield from position_statements(facts)
    if facts.vectors is None or facts.products is None:
        return
    yield ""
    width = facts.vectors.shape[1]
    # Sines alternate with cosines, which look like them, half a wave later.
    columns = 2 * np.linspace(0, width // 2 - 1, min(_N_COLUMNS, width // 2)).round().astype(int)
    function = "cosines" if facts.kind == "rotary" else "sines"
    yield (
        f"heat map, -1 to 1: positions 0 to {_N_ROWS - 1} (rows), {function} from the shortest to"
        " the longest wavelength (columns)"
    )
    for position in range(_N_ROWS):
        yield f"{position:>2} {_shaded(facts.vectors[position, columns].tolist())}"
    yield ""
    what = "score" if facts.kind == "rotary" else "dot product"
    yield f"{what} of position p and p + k"
    rows = [["p", *(f"k = {k}" for k in _OFFSETS)]]
    for start, products in zip(facts.starts, facts.products, strict=True):
        rows.append([f"{start:,}", *(f"{products[k]:.3f}" for k in _OFFSETS)])
    yield from align(rows, right=range(len(_OFFSETS) + 1))


def _shaded(values: Sequence[float]) -> str:
    return "".join(_SHADES[min(4, max(0, int((value + 1) / 2 * 5)))] for value in values)


def _label_smoothing(facts: RecipeFacts) -> list[str]:
    one = facts.label_smoothing
    rows = [
        ["target probability of the correct token", f"{one.correct:.6f}"],
        [f"of each of the other {one.vocab_size - 1:,} tokens", f"{one.other:.3g}"],
        ["lowest possible loss, in nats", f"{one.floor:.4f}"],
        ["loss of a guess, ln V", f"{one.uniform_loss:.4f}"],
        ["loss of a model that is 99.9999 % sure and right", f"{one.loss_if_certain:.4f}"],
        ["best distance of the correct logit from the others", logit_gap(one.best_logit_gap)],
    ]
    return align(rows, right=(1,))


def _dropout(facts: RecipeFacts) -> list[str]:
    rows = [["key", "rate", "factor of the rest", "noise", "acts on"]]
    for one in facts.dropout:
        rate = f"{one.rate:g}"
        if one.rate_on_cpu != one.rate:
            rate += f" ({one.rate_on_cpu:.4f} on a CPU)"
        rows.append([one.key, rate, f"{one.scale:.4f}", f"{one.noise:.4f}", one.where])
    rows.append(["model.layer_drop", f"{facts.layer_drop:g}", "", "", "whole layers"])
    return align(rows, right=(2, 3))
