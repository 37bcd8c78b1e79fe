"""What is told of training, as people read it."""

import math
import re
import time
from collections.abc import Iterator

from mtkit.io.progress import format_duration, format_rate
from mtkit.training.reporting.throughput import Throughput

KNOWN = {
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
"""Values of training; all others are parts of the loss."""
SCORES = {"bleu": "BLEU", "chrf": "chrF"}
"""Names of scores, as they are written."""
_MUCH_WAITING = 0.05
"""Share of the time."""
_CLOCK_FROM_S = 15 * 60.0
_DAY_S = 24 * 3600.0


def training_in_words(values: dict[str, float]) -> str:
    """For example `loss 3.922, perplexity 27.87, gradient norm 1.26, 6,374 tok/s, lr 1.00e-03, epoch 12`."""
    parts = (
        [*_losses(values), f"gradient norm {values['grad_norm']:.2f}"]
        if "loss" in values
        else ["no update"]
    )
    parts += [
        f"{values['tokens_per_s']:,.0f} tok/s",
        f"lr {values['lr']:.2e}",
        f"epoch {values['epoch']:.0f}",
    ]
    if values["data_wait"] > _MUCH_WAITING:
        parts.append(
            f"{100 * values['data_wait']:.0f} % of the time waiting for batches (batches.n_workers)"
        )
    if values["n_skipped"]:
        parts.append(f"{values['n_skipped']:.0f} updates skipped")
    return ", ".join(parts)


def training_in_few_words(values: dict[str, float]) -> str:
    """The same within 80 columns, for where the rest is seen anyway."""
    return ", ".join(
        [
            *list(_losses(values))[:2],
            f"{values['tokens_per_s']:,.0f} tok/s",
            f"epoch {values['epoch']:.0f}",
        ]
    )


def _losses(values: dict[str, float]) -> Iterator[str]:
    if "loss" in values:
        yield f"loss {values['loss']:.3f}"
        yield f"perplexity {perplexity(values['nll'])}"
        for name, value in values.items():
            if name not in KNOWN:
                yield f"{name.replace('_', ' ')} {value:.3f}"


def validation_in_words(values: dict[str, float]) -> str:
    """For example `loss 2.580, BLEU 9.12, chrF 24.05 (best so far)`."""
    scores = "".join(
        f", {shown} {values[name]:.2f}" for name, shown in SCORES.items() if name in values
    )
    return f"loss {values['loss']:.3f}{scores}{' (best so far)' if values.get('best') else ''}"


def on_one_line(text: str) -> str:
    """A text of the corpus, without signs that would move the cursor."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text)


def perplexity(nll: float) -> str:
    """Of a negative log-likelihood per token, in nats; in four figures at least."""
    value = math.exp(min(nll, 100.0))
    return f"{value:.2f}" if value < 1000 else f"{value:,.0f}" if value < 1e6 else f"{value:.1e}"


def speed(pace: Throughput) -> str:
    """`12.1 steps/s`, or when one takes long `31.4 s a step`; empty until it is known."""
    rate = pace.steps_per_s
    if not rate:
        return ""
    return f"{format_rate(rate)} steps/s" if rate >= 0.1 else f"{format_duration(1 / rate)} a step"


def time_left(pace: Throughput) -> tuple[str, str]:
    """`3 min 10 s` and nothing; when it is long, with the clock's time at the end: `2 h 58 min`, `17:42`. Both empty until it is known."""
    seconds = pace.remaining_s
    if seconds is None or seconds < _CLOCK_FROM_S:
        return "" if seconds is None else format_duration(seconds), ""
    form = "%H:%M" if seconds < _DAY_S / 2 else "%a %H:%M" if seconds < 6 * _DAY_S else "%Y-%m-%d"
    return format_duration(seconds), time.strftime(form, time.localtime(time.time() + seconds))


def time_left_in_words(pace: Throughput) -> str:
    """`2 h 58 min left (until 17:42)`; empty until it is known, and at the end."""
    left, end = time_left(pace)
    if not left or pace.done >= pace.total:
        return ""
    return f"{left} left (until {end})" if end else f"{left} left"
