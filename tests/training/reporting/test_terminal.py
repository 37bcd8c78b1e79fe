"""The view on a terminal: what is drawn, where, and how often."""

import fcntl
import io
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from mtkit.training.reporting.formatting import sparkline
from mtkit.training.reporting.terminal import MAX_SHARE, REDRAW_EVERY_S, TerminalView, fits
from mtkit.training.reporting.throughput import Throughput
from mtkit.training.reporting.tracker import TrackedRun

VALUES = {
    "loss": 3.214,
    "nll": 2.66,
    "grad_norm": 1.26,
    "n_skipped": 0,
    "tokens_per_s": 51_234.0,
    "data_wait": 0.0,
    "lr": 7e-4,
    "epoch": 3,
}


def console_of(width=80, **options):
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        width=width,
        height=24,
        legacy_windows=False,
        **{"color_system": "standard", **options},
    )


def view_of(console):
    """A view in the middle of a run."""
    pace = Throughput(0, 20_000, {})
    for step in range(1, 1241):
        pace.count(1, 100 + step / 8)
    view = TerminalView(pace, console)
    for loss in (6.0, 5.0, 4.0, 3.214):
        view.log_metrics(1, "train", VALUES | {"loss": loss})
    for step, score, best in ((400, 14.5, 1.0), (800, 12.5, 0.0), (1000, 13.0, 0.0)):
        scores = {"loss": 4 - step / 1000, "bleu": score, "chrf": 30.0, "best": best}
        view.log_metrics(step, "validation", scores)
    return view


def shown(view):
    """The lines of a view, without colors."""
    console = view.console
    with console.capture() as capture:
        console.print(view.render())
    return [re.sub(r"\x1b\[[\d;]*m", "", line).rstrip() for line in capture.get().splitlines()]


def test_all_that_matters_in_80_columns():
    lines = shown(view_of(console_of()))
    assert lines[1].startswith("Training ━━")
    assert lines[1].endswith("━   6 %  1,240 of 20,000 steps")
    end = time.strftime("%H:%M", time.localtime(time.time() + 18_760 / 8))
    text = " ".join(lines[2:])
    # The minute may change in between.
    assert re.sub(r"\d\d:\d\d", end, text) == (
        "loss 3.214 █▅▃▁, perplexity 14.30, gradient norm 1.26, 51,234 tok/s, lr 7.00e-04, epoch 3 "
        f"8 steps/s, 39 min 05 s left (until {end}) "
        "validation: step 1,000, loss 3.000, BLEU 13.00, chrF 30.00 "
        "best validation: step 400, loss 3.600, BLEU 14.50, chrF 30.00 (best so far)"
    )


@pytest.mark.parametrize("width", [72, 79, 99, 200])
def test_no_line_is_as_wide_as_the_terminal(width):
    widths = [cell_len(line) for line in shown(view_of(console_of(width)))]
    assert max(widths) == widths[1] == min(width - 1, 100)


def test_bar_without_color_has_an_end_mark():
    plain, colored = (
        shown(view_of(console_of(color_system=system)))[1] for system in (None, "standard")
    )
    assert plain.count("━") == pytest.approx(0.062 * colored.count("━"), abs=1)


def test_parts_of_the_loss_and_skipped_updates_are_shown():
    view = view_of(console_of(200))
    view.log_metrics(1240, "train", VALUES | {"agreement": 0.25, "n_skipped": 12})
    text = " ".join(shown(view))
    assert "agreement 0.250" in text and "12 updates skipped" in text


def test_view_at_the_start():
    lines = shown(TerminalView(Throughput(0, 10, {}), console_of()))
    assert re.fullmatch(r"Training ━+   0 %  0 of 10 steps", lines[1])
    assert lines[2:] == []


def test_a_rollback_forgets_later_validations():
    view = view_of(console_of())
    view.rollback(15)
    assert "validation" not in " ".join(shown(view))


def test_sparklines():
    assert sparkline([]) == ""
    assert sparkline([2.0, 2.0]) == "▁▁"
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"


@pytest.fixture
def console():
    return console_of()


def test_view_is_drawn_rarely_and_more_rarely_on_a_slow_terminal(console, monkeypatch):
    now = [50.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    view = TerminalView(Throughput(0, 100_000, {}), console)
    view.start(TrackedRun(Path("nowhere"), {}, 1))
    draws = []
    cost_s = [0.0]

    def refresh():
        draws.append(now[0])
        now[0] += cost_s[0]

    monkeypatch.setattr(view.live, "refresh", refresh)
    for _ in range(10_000):
        now[0] += 0.001
        view.update(now[0])
    assert len(draws) <= 10 / REDRAW_EVERY_S + 1
    draws.clear()
    cost_s[0] = 0.1
    began = now[0]
    for _ in range(100_000):
        now[0] += 0.001
        view.update(now[0])
    assert 2 < len(draws) <= 1.1 * MAX_SHARE * (now[0] - began) / cost_s[0] + 1
    view.finish("finished")


def test_the_loss_is_in_the_view_after_the_first_update(console):
    view = TerminalView(Throughput(0, 100, {}), console)
    view.start(TrackedRun(Path("nowhere"), {}, 1))
    view.update(time.monotonic(), VALUES)
    assert "loss 3.214" in " ".join(shown(view))
    view.finish("finished")


def test_closed_terminal_does_not_end_training(console, monkeypatch):
    view = TerminalView(Throughput(0, 10, {}), console)
    view.start(TrackedRun(Path("nowhere"), {}, 1))

    def broken(text):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(console.file, "write", broken)
    view.draw()
    view.update(time.monotonic())
    view.finish("failed")


@pytest.mark.parametrize(
    ("width", "height", "is_fitting"), [(72, 10, True), (71, 40, False), (100, 9, False)]
)
def test_a_small_terminal_gets_lines(width, height, is_fitting):
    assert (
        fits(Console(file=io.StringIO(), force_terminal=True, width=width, height=height))
        == is_fitting
    )


class Terminal:
    """A program in a pseudo terminal of 80 columns and 30 lines.

    Args:
        command: The program.
        variables: Of the environment.
    """

    def __init__(self, command, **variables):
        master, slave = pty.openpty()
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("COLUMNS", "LINES", "NO_COLOR")
        }
        environment |= {"TERM": "xterm-256color", "PYTHONUTF8": "1"} | variables
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 80, 0, 0))
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)
        self.master = master
        self.output = b""

    def read_until(self, wanted):
        """Whether it came before the end."""
        while wanted not in self.output:
            try:
                data = os.read(self.master, 65536)
            except OSError:  # the other side is closed
                return False
            if not data:
                return False
            self.output += data
        return True

    def finish(self):
        self.read_until(b"\0never")
        os.close(self.master)
        return self.process.wait(timeout=60)


def train_command(recipe_path, *changes):
    settings = [word for change in changes for word in ("--set", change)]
    return [
        sys.executable,
        "-m",
        "mtkit",
        "train",
        str(recipe_path),
        "--device",
        "cpu",
        "--threads",
        "1",
        *settings,
    ]


@pytest.mark.slow
@pytest.mark.parametrize("n_signals", [0, 1, 2])
def test_a_run_in_a_terminal_leaves_it_in_order(tiny_recipe_path, n_signals):
    steps = 20 if not n_signals else 4000
    terminal = Terminal(
        train_command(
            tiny_recipe_path,
            f"training.max_steps={steps}",
            "training.save_every_steps=4000",
            "validation.every_steps=4000",
        )
    )
    assert terminal.read_until(b"step 5: loss ")
    for _ in range(n_signals):
        os.killpg(terminal.process.pid, signal.SIGINT)
        time.sleep(0.05)
    status = terminal.finish()
    assert status == (130 if n_signals else 0)
    text = terminal.output.decode()
    assert "Training" in text and "━" in text
    # The cursor is hidden while the view is there.
    assert 0 <= text.rfind("\x1b[?25l") < text.rfind("\x1b[?25h")
    assert (
        "saved" if n_signals == 1 else "kept" if n_signals else "next:  mtkit translate"
    ) in text.rsplit("\x1b[?25h", 1)[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "is_drawn"),
    [({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, True), ({"COLUMNS": "40"}, False)],
)
def test_terminals_of_little_ability(tiny_recipe_path, variables, is_drawn):
    terminal = Terminal(train_command(tiny_recipe_path), **variables)
    status, text = terminal.finish(), terminal.output.decode()
    assert status == 0, text
    assert ("Training" in text) == is_drawn
    assert "translation: " in text
    if "COLUMNS" not in variables:
        assert not re.search(r"\x1b\[[\d;]*[34][0-8][;m]", text)
