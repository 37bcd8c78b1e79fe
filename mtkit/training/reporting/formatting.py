"""Metrics of training as text."""

import math
import re
import time
from collections.abc import Iterator, Sequence

from mtkit.io.logs import counted
from mtkit.io.progress import format_duration, format_rate
from mtkit.training.reporting.throughput import Throughput

_NOT_LOSSES = {
    "loss",
    "nll",
    "grad_norm",
    "n_skipped",
    "tokens_per_s",
    "data_wait",
    "lr",
    "epoch",
    "train_s",
}
"""Metrics of training; all others are auxiliary losses."""
_SCORES = {"bleu": "BLEU", "chrf": "chrF"}
_LONG_WAIT = 0.05
"""Fraction of the time from which on waiting for batches is mentioned."""
_SHOWS_CLOCK_S = 15 * 60.0
_DAY_S = 24 * 3600.0
_BARS = "▁▂▃▄▅▆▇█"


def format_training(values: dict[str, float], loss_curve: str = "") -> str:
    """Format the metrics of training.

    For example `loss 3.922, perplexity 27.87, gradient norm 1.26, 6,374 tok/s, lr 1.00e-03,
    epoch 12`. A loss curve is inserted after the loss.
    """
    parts = list(_losses(values, loss_curve)) or ["no update"]
    parts += [
        f"{values['tokens_per_s']:,.0f} tok/s",
        f"lr {values['lr']:.2e}",
        f"epoch {values['epoch']:.0f}",
    ]
    if values["data_wait"] > _LONG_WAIT:
        share = 100 * values["data_wait"]
        parts.append(f"{share:.0f} % of the time waiting for batches (batches.n_workers)")
    if values["n_skipped"]:
        parts.append(f"{counted(round(values['n_skipped']), 'updates')} skipped")
    return ", ".join(parts)


def _losses(values: dict[str, float], loss_curve: str) -> Iterator[str]:
    if "loss" in values:
        yield f"loss {values['loss']:.3f} {loss_curve}".rstrip()
        yield f"perplexity {format_perplexity(values['nll'])}"
        for name, value in values.items():
            if name not in _NOT_LOSSES:
                yield f"{name.replace('_', ' ')} {value:.3f}"
        yield f"gradient norm {values['grad_norm']:.2f}"


def format_validation(values: dict[str, float]) -> str:
    """Format validation scores, for example `loss 2.580, BLEU 9.12, chrF 24.05 (best so far)`."""
    scores = "".join(
        f", {label} {values[name]:.2f}" for name, label in _SCORES.items() if name in values
    )
    return f"loss {values['loss']:.3f}{scores}{' (best so far)' if values.get('best') else ''}"


def format_perplexity(nll: float) -> str:
    """Format the perplexity of a negative log-likelihood per token, in nats."""
    value = math.exp(min(nll, 100.0))
    return f"{value:.2f}" if value < 1000 else f"{value:,.0f}" if value < 1e6 else f"{value:.1e}"


def format_progress(throughput: Throughput) -> str:
    """Format speed and remaining time, for example `12.1 steps/s, 2 h 58 min left (until 17:42)`.

    Empty until both are known.
    """
    parts = (format_speed(throughput), format_remaining(throughput))
    return ", ".join(part for part in parts if part)


def format_speed(throughput: Throughput) -> str:
    """Format the speed, such as `12.1 steps/s` or `31.4 s per step`; empty if unknown."""
    rate = throughput.steps_per_s
    if not rate:
        return ""
    if rate < 0.1:
        return f"{format_duration(1 / rate)} per step"
    return f"{format_rate(rate)} steps/s"


def format_remaining(throughput: Throughput) -> str:
    """Format the remaining time, for example `3 min 10 s left` or `2 h 58 min left (until 17:42)`.

    Empty if unknown, and at the end.
    """
    seconds = throughput.remaining_s
    if seconds is None or throughput.done >= throughput.total:
        return ""
    left = f"{format_duration(seconds)} left"
    if seconds < _SHOWS_CLOCK_S:
        return left
    form = "%H:%M" if seconds < _DAY_S / 2 else "%a %H:%M" if seconds < 6 * _DAY_S else "%Y-%m-%d"
    return f"{left} (until {time.strftime(form, time.localtime(time.time() + seconds))})"


def sparkline(values: Sequence[float]) -> str:
    """Draw finite values as a row of bars, the lowest and the highest as such."""
    if not values:
        return ""
    low, high = min(values), max(values)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((value - low) * scale)] for value in values)


def on_one_line(text: str) -> str:
    """Replace control characters, which would move the cursor, by spaces."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text)
