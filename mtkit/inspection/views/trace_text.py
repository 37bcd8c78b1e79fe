"""Trace of a translation as text for a terminal."""

import math
from collections.abc import Iterator, Sequence

from mtkit.inspection.trace.forward_recorder import AttentionKind
from mtkit.inspection.trace.layer_statistics import LayerStatistics, NormStatistics
from mtkit.inspection.trace.translation_trace import (
    AttentionMap,
    BeamHypothesis,
    BeamStep,
    Token,
    TranslationTrace,
)
from mtkit.inspection.views.text_table import percent_map, wrap
from mtkit.io.columns import align

KINDS: dict[AttentionKind, str] = {
    "encoder": "encoder self-attention",
    "decoder": "decoder self-attention (no weight on later tokens)",
    "cross": "cross-attention: target (rows) to source (columns)",
}
SUBLAYERS = {
    "self_attention": "self-attention",
    "cross_attention": "cross-attention",
    "feed_forward": "feed-forward",
}
_N_KEPT, _N_PRUNED = 3, 1
"""Number of hypotheses of a step to show, of those kept and of those pruned."""


def traces_to_text(
    traces: Sequence[TranslationTrace],
    width: int,
    layer: int | None = None,
    head: int | None = None,
) -> str:
    """Return the traces of sentences as text; several are numbered. See `trace_to_text`."""
    texts = [trace_to_text(trace, width, layer, head) for trace in traces]
    if len(texts) == 1:
        return texts[0]
    return "\n\n\n".join(
        f"Sentence {number} of {len(texts)}\n{text}" for number, text in enumerate(texts, start=1)
    )


def trace_to_text(
    trace: TranslationTrace, width: int, layer: int | None = None, head: int | None = None
) -> str:
    """Return a trace as text, without a final line end.

    Args:
        trace: The trace.
        width: Columns of the terminal.
        layer: The only layer whose attention is shown, from 1.
        head: The only head whose attention is shown, from 1. Without layer and head, the most
            focused head of each kind of attention is shown.
    """
    sections = {
        "Subwords and their ids": _subwords(trace, width),
        "Shapes (axes, shape, first numbers; further layers repeat those of layer 1)": _shapes(
            trace
        ),
        "Attention in percent": _attention(trace, width, layer, head),
        "Next token, in each step": _predictions(trace),
        f"Beam search: {_search(trace)}": _beam(trace),
        "Word alignment, by attention": _alignment(trace, width),
        "Sublayers (mean norms of input, added output, and gradient, with its direct part through"
        " the residual connection)": _sublayers(trace),
        "Layer norms (trained gain and offset), and active units of the feed-forward networks": (
            _norms(trace)
        ),
    }
    lines = [
        f"{trace.text} -> {trace.translation}",
        f"log-probability {trace.log_prob:.3f}, score {trace.score:.3f}",
    ]
    for title, body in sections.items():
        lines += ["", title, *(f"  {line}".rstrip() for line in body)]
    return "\n".join(lines)


def chosen_heads(
    trace: TranslationTrace, layer: int | None, head: int | None
) -> list[tuple[AttentionMap, int]]:
    """Return the attention maps to show, each with the number of a head from 1."""
    n_heads = len(trace.attention[0].weights)
    chosen: list[tuple[AttentionMap, int]] = []
    for kind in KINDS:
        maps = [one for one in trace.attention if one.kind == kind and layer in (None, one.layer)]
        if layer is None and head is None:
            best_layer, best_head = trace.focused_head(kind)
            chosen.append((trace.map(kind, best_layer), best_head))
        else:
            heads = range(1, n_heads + 1) if head is None else [head]
            chosen += [(one, number) for one in maps for number in heads]
    return chosen


def _subwords(trace: TranslationTrace, width: int) -> Iterator[str]:
    for name, tokens in ("source", trace.src_tokens), ("target", trace.tgt_tokens):
        shown = "  ".join(f"{token.text} {token.id}" for token in tokens)
        yield from wrap(f"{name}  {shown}", width - 2, indent=" " * 8)


def _shapes(trace: TranslationTrace) -> Iterator[str]:
    stages: dict[str, list[list[str]]] = {}
    for one in trace.tensors:
        shape = f"({', '.join(map(str, one.shape))})"
        digits = 0 if one.name == "ids" else 3
        numbers = " ".join(f"{number:.{digits}f}" for number in one.numbers)
        stages.setdefault(one.stage, []).append([f"  {one.name}", one.axes, shape, numbers])
    rows = iter(align([row for rows in stages.values() for row in rows]))
    for stage, body in stages.items():
        yield stage
        for _ in body:
            yield next(rows)


def _attention(
    trace: TranslationTrace, width: int, layer: int | None, head: int | None
) -> Iterator[str]:
    is_best = layer is None and head is None
    for number, (one, shown) in enumerate(chosen_heads(trace, layer, head)):
        if number:
            yield ""
        most = ", the most focused one" if is_best else ""
        yield f"{KINDS[one.kind]}, layer {one.layer}, head {shown}{most}"
        yield from percent_map(one.weights[shown - 1].tolist(), one.rows, one.columns, width - 2)


def _predictions(trace: TranslationTrace) -> list[str]:
    rows = [
        [
            f"after {read.text}",
            one.token.text,
            f"{100 * math.exp(one.log_prob):.1f} %",
            "then " + ", ".join(_with_percent(*other) for other in one.alternatives[1:]),
        ]
        for read, one in zip(trace.tgt_tokens, trace.predictions, strict=True)
    ]
    return align(rows, right=(2,))


def _with_percent(token: Token, probability: float) -> str:
    return f"{token.text} {100 * probability:.2f} %"


def _search(trace: TranslationTrace) -> str:
    search = trace.search
    penalty = search["length_penalty"]
    alpha = "" if penalty == "none" else f", alpha {search['alpha']:g}"
    return f"beam {search['beam_size']}, length penalty {penalty}{alpha}"


def _beam(trace: TranslationTrace) -> list[str]:
    rows = [["step", "", "log-prob", "score", "hypothesis"]]
    for number, step in enumerate(trace.beam, start=1):
        rows += [[str(number) if i == 0 else "", *row] for i, row in enumerate(_step_rows(step))]
    legend = "* leads to the translation   ] has ended   x is pruned: the best of those not kept"
    return [*align(rows, right=(0, 2, 3)), legend]


def _step_rows(step: BeamStep) -> Iterator[list[str]]:
    shown = [one for i, one in enumerate(step.kept) if i < _N_KEPT or one.is_best_path]
    for one in shown:
        yield _beam_row("*" if one.is_best_path else "", one)
    if more := len(step.kept) - len(shown):
        yield ["", "", "", f"... and {more} more"]
    for one in step.finished:
        yield _beam_row("*]" if one.is_best_path else "]", one)
    for one in step.pruned[:_N_PRUNED]:
        yield _beam_row("x", one)


def _beam_row(mark: str, one: BeamHypothesis) -> list[str]:
    return [mark, f"{one.log_prob:.3f}", f"{one.score:.3f}", one.text]


def _alignment(trace: TranslationTrace, width: int) -> Iterator[str]:
    links: dict[int, list[str]] = {}
    for i, j in trace.alignment:
        links.setdefault(i, []).append(trace.tgt_words[j])
    pairs = [
        f"{word} - {' '.join(links.get(i, ['(none)']))}" for i, word in enumerate(trace.src_words)
    ]
    yield from wrap("  ".join(pairs), width - 2)


def _sublayers(trace: TranslationTrace) -> list[str]:
    rows = [["", "input", "output", "cosine", "gradient", "of it direct"]]
    rows += [
        [
            _name(one),
            f"{one.residual_norm:.2f}",
            f"{one.output_norm:.2f}",
            f"{one.similarity:.2f}",
            f"{one.gradient.total:.4f}",
            f"{one.gradient.direct:.4f}",
        ]
        for one in trace.layers
    ]
    return align(rows, right=range(1, 6))


def _norms(trace: TranslationTrace) -> list[str]:
    rows = [["", "gain", "offset", "active units"]]
    for name, norm, active, _ in norm_rows(trace):
        offset = (
            "" if norm.offset_min is None else f"{norm.offset_min:.2f} to {norm.offset_max:.2f}"
        )
        gain = f"{norm.gain_min:.2f} to {norm.gain_max:.2f}"
        rows.append([name, gain, offset, "" if active is None else f"{100 * active:.1f} %"])
    return align(rows, right=range(1, 4))


def norm_rows(
    trace: TranslationTrace,
) -> Iterator[tuple[str, NormStatistics, float | None, float | None]]:
    """Yield name and statistics of each norm, with the shares of active and never active units."""
    for one in trace.layers:
        yield _name(one), one.norm, one.active_share, one.always_inactive_share
    for side, norm in trace.final_norms.items():
        yield f"{side}, after the last layer", norm, None, None


def _name(one: LayerStatistics) -> str:
    return f"{one.side} {one.layer}, {SUBLAYERS[one.sublayer]}"
