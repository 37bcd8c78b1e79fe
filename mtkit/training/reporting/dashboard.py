"""What the terminal view shows, and how it looks."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.text import Text

from mtkit.training.reporting.formatting import (
    KNOWN,
    SCORES,
    on_one_line,
    perplexity,
    speed,
    time_left,
)
from mtkit.training.reporting.sparkline import sparkline
from mtkit.training.reporting.throughput import Throughput
from mtkit.training.reporting.tracker import ValidationSample

N_LOSSES = 12
N_VALIDATIONS = 3
N_CORPORA = 4
MAX_WIDTH = 100
"""Of what is drawn; a very wide terminal makes it no clearer."""
_NAME_WIDTH, _VALUE_WIDTH = 14, 22
_LABEL = "dim"


@dataclass
class Dashboard:
    """What there is to see."""

    pace: Throughput
    train: dict[str, float] = field(default_factory=dict)
    """The newest values."""
    losses: deque[float] = field(default_factory=lambda: deque(maxlen=N_LOSSES))
    """The newest training losses, the last one last."""
    n_skipped: int = 0
    """Updates, since this process began."""
    validations: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    """Step and values of all of them."""
    corpora: dict[str, dict[str, float]] = field(default_factory=dict)
    """The newest values of each validation corpus, where there are several."""
    shown: Sequence[ValidationSample] = ()
    """The newest translations."""

    def lines(self, width: int, height: int, *, has_colour: bool = True) -> list[Text]:
        """All of it that fits, the most important first."""
        width = min(width, MAX_WIDTH)
        lines = [Text(), self._bar(width, has_colour=has_colour), *self._figures()]
        for section in self._sections():
            if len(lines) + 1 + len(section) > height:
                break
            lines += [Text(), *section]
        for line in lines:
            line.truncate(width, overflow="ellipsis")
        return lines[:height]

    def _bar(self, width: int, *, has_colour: bool) -> Text:
        pace = self.pace
        share = min(pace.done / pace.total, 1.0)
        counts = f" {100 * share:3.0f} %  {pace.done:,} of {pace.total:,} steps"
        line = _label(
            {None: "Training", "validating": "Validating", "saving": "Saving"}[pace.paused_for],
            "bold",
        )
        n = max(width - cell_len(line.plain) - len(counts), 0)
        n_full = int(n * share)
        line.append("━" * n_full, "bar.complete" if share < 1 else "bar.finished")
        # Without colour the two parts of the bar would look the same.
        line.append(("━" if has_colour else " ") * (n - n_full), "bar.back")
        return line.append(counts)

    def _figures(self) -> list[Text]:
        """Names and values, in two columns."""
        train, pace = self.train, self.pace
        tokens = f"{train['tokens_per_s']:,.0f} tok/s" if train else ""
        duration, end = time_left(pace)
        left = [("time left", f"{duration} ({end})" if end else duration)]
        right = [("speed", ", ".join(part for part in (tokens, speed(pace)) if part))]
        if "loss" in train:
            left += [
                ("loss", f"{train['loss']:.3f}  {sparkline(self.losses)}"),
                ("perplexity", perplexity(train["nll"])),
            ]
            right += [
                ("gradient norm", f"{train['grad_norm']:.2f}"),
                ("learning rate", f"{train['lr']:.2e}"),
            ]
        if train:
            left.append(("epoch", f"{train['epoch']:.0f}"))
            right.append(("skipped", f"{self.n_skipped:,} updates") if self.n_skipped else ("", ""))
        pairs = [*zip(left, right, strict=True)]
        parts = [
            (name.replace("_", " "), f"{value:.3f}")
            for name, value in train.items()
            if name not in KNOWN
        ]
        pairs += zip(parts[::2], [*parts[1::2], ("", "")], strict=False)
        return [
            _label(name).append(_fitted(value, _VALUE_WIDTH)).append(_label(other)).append(more)
            for (name, value), (other, more) in pairs
        ]

    def _sections(self) -> Iterable[list[Text]]:
        if self.validations:
            yield list(self._table())
        for sample in self.shown:
            pairs = (
                ("source", sample.src),
                ("reference", sample.reference),
                ("translation", sample.hypothesis),
            )
            yield [
                _label(name).append(on_one_line(text), "bold" if name == "translation" else "")
                for name, text in pairs
            ]

    def _table(self) -> Iterable[Text]:
        """The last validations and the best; the newest of each corpus."""
        columns = [name for name in SCORES if name in self.validations[-1][1]]
        yield _label("validation").append(
            "".join(f"{SCORES[name]:>9}" for name in columns) + f"{'loss':>9}{'perplexity':>12}",
            _LABEL,
        )
        best = max(
            (row for row in self.validations if row[1].get("best")),
            key=lambda row: row[0],
            default=None,
        )
        rows = self.validations[-N_VALIDATIONS:]
        if best is not None and best not in rows:
            rows = [best, *rows[1:]]
        for step, values in rows:
            yield _row(f"step {step:,}", columns, values).append(
                "   best" if best is not None and step == best[0] else "", "bold green"
            )
        for name, values in list(self.corpora.items())[:N_CORPORA]:
            yield _row(name, columns, values)
        if len(self.corpora) > N_CORPORA:
            yield Text(f"... and {len(self.corpora) - N_CORPORA} more", _LABEL)


def _label(name: str, style: str = _LABEL) -> Text:
    return Text().append(_fitted(name, _NAME_WIDTH), style)


def _row(name: str, columns: Sequence[str], values: dict[str, float]) -> Text:
    return _label(name).append(
        "".join(f"{values[column]:9.2f}" for column in columns)
        + f"{values['loss']:9.3f}{perplexity(values['loss']):>12}"
    )


def _fitted(text: str, width: int) -> str:
    """In exactly so many columns, with a space at the end."""
    fitted = Text(text)
    fitted.truncate(width - 1, overflow="ellipsis", pad=True)
    return fitted.plain + " "
