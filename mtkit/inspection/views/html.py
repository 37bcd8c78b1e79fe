"""Traces and recipe facts as self-contained HTML pages."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from mtkit.inspection.recipe.facts import RecipeFacts
from mtkit.inspection.recipe.positions import N_SHOWN, PositionFacts
from mtkit.inspection.trace.translation_trace import AttentionMap, TranslationTrace
from mtkit.inspection.views.beam_drawing import NODE_HEIGHT, NODE_WIDTH, beam_drawings
from mtkit.inspection.views.drawing import (
    Chart,
    HeatMap,
    alignment_drawing,
    line_chart,
    signed_map,
    weights_map,
)
from mtkit.inspection.views.statements import position_statements
from mtkit.inspection.views.trace_text import SUBLAYERS, norm_rows
from mtkit.version import __version__

_MAX_TABLE_TOKENS = 40
"""Number of subwords up to which weights are also listed as tables."""
_HEADINGS = {
    "encoder": (
        "Encoder self-attention",
        "Source subwords (rows) look at source subwords (columns).",
    ),
    "decoder": (
        "Decoder self-attention",
        (
            "Target subwords look at themselves and at earlier ones. The causal mask sets the"
            " scores of later subwords to minus infinity, so the upper right half is empty."
        ),
    ),
    "cross": (
        "Cross-attention",
        (
            "Target subwords (rows) look at the source (columns). A row shows the subword that was"
            " read last: its attention serves to predict the subword of the next row."
        ),
    ),
}


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mtkit.inspection.views"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {
        "zip": lambda one, other: zip(one, other, strict=True),
        "exp": math.exp,
        "numbers": lambda values, is_whole: " ".join(
            f"{value:.0f}" if is_whole else f"{value:.3f}" for value in values
        ),
        "groupby_stage": lambda tensors: [
            (stage, list(group)) for stage, group in groupby(tensors, key=attrgetter("stage"))
        ],
    }
    environment.globals["version"] = __version__
    return environment


_SECTIONS = {
    "subwords": "Subwords",
    "shapes": "Shapes",
    "attention": "Attention",
    "predictions": "Next token",
    "beam": "Beam search",
    "alignment": "Word alignment",
    "layers": "Inside the layers",
}
"""Names of the sections about a translation, by their identifiers."""


def traces_to_html(traces: Sequence[TranslationTrace]) -> str:
    """Return a page about the translations of sentences, with every layer and head."""
    reports = [_report(trace, i if len(traces) > 1 else 0) for i, trace in enumerate(traces, 1)]
    sections = (
        reports[0]["sections"]
        if len(reports) == 1
        else [(report["id"], report["trace"].text) for report in reports]
    )
    return (
        _environment()
        .get_template("trace.html.j2")
        .render(
            reports=reports,
            sections=sections,
            node_width=NODE_WIDTH,
            node_height=NODE_HEIGHT,
            sublayers=SUBLAYERS,
        )
    )


def _report(trace: TranslationTrace, number: int) -> dict[str, Any]:
    """Return the values that the template shows about a translation.

    Args:
        trace: The trace.
        number: Number of the sentence, from 1; 0 if it is the only one.
    """
    prefix = f"sentence-{number}-" if number else ""
    return {
        "id": prefix.rstrip("-"),
        "prefix": prefix,
        "sections": [(f"{prefix}{id_}", name) for id_, name in _SECTIONS.items()],
        "trace": trace,
        "attention": [
            (kind, *heading, list(_layers(trace, kind))) for kind, heading in _HEADINGS.items()
        ],
        "beams": beam_drawings(trace.beam),
        "alignment": alignment_drawing(trace.src_words, trace.tgt_words, trace.alignment),
        "norms": list(norm_rows(trace)),
        "largest_norm": max(max(one.residual_norm, one.output_norm) for one in trace.layers),
    }


def _layers(
    trace: TranslationTrace, kind: str
) -> Iterator[tuple[int, list[HeatMap], list[dict[str, Any]]]]:
    """Yield number, heat maps and tables of each layer of one kind of attention."""
    for one in trace.attention:
        if one.kind != kind:
            continue
        heads = range(1, len(one.weights) + 1)
        has_tables = max(len(one.rows), len(one.columns)) <= _MAX_TABLE_TOKENS
        tables = [
            {
                "columns": one.columns,
                "rows": list(zip(one.rows, one.weights[head - 1].tolist(), strict=True)),
            }
            for head in heads
            if has_tables
        ]
        yield one.layer, [_map(one, head) for head in heads], tables


def _map(one: AttentionMap, head: int) -> HeatMap:
    weights = one.weights[head - 1].tolist()
    strongest = [(row.index(max(row)), max(row)) for row in weights]
    links = "; ".join(
        f"{label} to {one.columns[i]} {100 * weight:.0f} %"
        for label, (i, weight) in zip(one.rows, strongest, strict=True)
    )
    kind = _HEADINGS[one.kind][0]
    description = f"{kind}, layer {one.layer}, head {head}; largest weight of each row: {links}"
    return weights_map(f"Head {head}", description, weights, one.rows, one.columns)


def recipe_to_html(facts: RecipeFacts) -> str:
    """Return a page about what follows from a recipe."""
    positions, schedule, smoothing = facts.positions, facts.schedule, facts.label_smoothing
    steps, rates = zip(*((point.step, point.rate) for point in schedule.points), strict=True)
    probabilities, losses, plain = zip(*smoothing.curve, strict=True)
    lines = [("without label smoothing", probabilities, plain)]
    if smoothing.smoothing:
        lines.insert(0, (f"label smoothing {smoothing.smoothing:g}", probabilities, losses))
    return (
        _environment()
        .get_template("recipe.html.j2")
        .render(
            facts=facts,
            sections=[
                ("rate", "Learning rate"),
                ("parameters", "Parameters"),
                ("positions", "Positions"),
                ("smoothing", "Label smoothing"),
                ("dropout", "Dropout"),
            ],
            rate_chart=line_chart(
                f"Learning rate by update: {schedule.name}, peak {schedule.peak:g}",
                f"Learning rate by update: rises to {schedule.peak:g} at update"
                f" {schedule.warmup_steps:,}, and ends at {rates[-1]:.3g}.",
                ("update", "learning rate"),
                [("learning rate", steps, rates)],
            ),
            statements=position_statements(positions),
            position_map=position_map(positions),
            product_chart=product_chart(positions),
            distance_chart=distance_chart(positions),
            loss_chart=line_chart(
                "Loss by the probability of the correct token, in nats; the rest is spread evenly",
                "Loss by the probability of the correct token; the lowest is"
                f" {smoothing.floor:.3f} at {smoothing.correct:.3f}.",
                ("probability of the correct token", "loss"),
                lines,
            ),
        )
    )


def position_map(facts: PositionFacts) -> HeatMap | None:
    """Draw the position vectors, the sines first; None if they are learned."""
    if facts.vectors is None:
        return None
    width = facts.vectors.shape[1]
    names = ("cosines", "sines") if facts.kind == "rotary" else ("sines", "cosines")
    halves = [*facts.vectors[:, 0::2].T.tolist(), *facts.vectors[:, 1::2].T.tolist()]
    values = [list(row) for row in zip(*halves, strict=True)]
    return signed_map(
        f"Positions 0 to {N_SHOWN - 1} (rows); {names[0]} (left half) and {names[1]} (right half),"
        " each from the shortest to the longest wavelength",
        f"Heat map of {N_SHOWN} position vectors: fast waves at the left of each half become slow"
        " ones to the right.",
        values,
        [(i, str(i)) for i in range(0, N_SHOWN, 8)],
        [(width // 4, names[0]), (3 * width // 4, names[1])],
        size=6.0,
    )


def product_chart(facts: PositionFacts) -> Chart | None:
    """Draw the products of vectors at p and p + k; None if positions are learned."""
    what = "Score of a query and a key" if facts.kind == "rotary" else "Dot product of the vectors"
    return _by_offset(facts, facts.products, f"{what} at p and p + k")


def distance_chart(facts: PositionFacts) -> Chart | None:
    """Draw the distances of vectors at p and p + k; None if there are none."""
    return _by_offset(facts, facts.distances, "Euclidean distance of the vectors at p and p + k")


def _by_offset(facts: PositionFacts, values: Any, title: str) -> Chart | None:
    if values is None:
        return None
    offsets = list(range(values.shape[1]))
    return line_chart(
        f"{title}: the lines for different p lie on each other",
        f"{title}, for k from 0 to {offsets[-1]}: equal for every p.",
        ("k", title.partition(" of ")[0]),
        [
            (f"p = {start:,}", offsets, row.tolist())
            for start, row in zip(facts.starts, values, strict=True)
        ],
    )
