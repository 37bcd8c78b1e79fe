"""The view on a terminal: what is drawn, where, and how often."""

import fcntl
import io
import json
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

from mtkit.training.reporting.dashboard import Dashboard
from mtkit.training.reporting.sparkline import sparkline
from mtkit.training.reporting.terminal import MAX_SHARE, REDRAW_EVERY_S, TerminalView, fits
from mtkit.training.reporting.throughput import Throughput
from mtkit.training.reporting.tracker import TrackedRun, ValidationSample

SAMPLES = [
    ValidationSample("나는 학교에 간다." * 8, "I go to school.", "I am going to the school."),
    ValidationSample("물", "water", "water\t\x1b[31m"),
]


@pytest.fixture
def screen():
    """Of a run in its middle."""
    pace = Throughput(0, 20_000, {})
    for step in range(1, 1241):
        pace.count(1, 100 + step / 8)
    screen = Dashboard(pace)
    screen.train = {
        "loss": 3.214,
        "nll": 2.66,
        "grad_norm": 1.26,
        "n_skipped": 0,
        "tokens_per_s": 51_234.0,
        "data_wait": 0.0,
        "lr": 7e-4,
        "epoch": 3,
    }
    screen.losses.extend([6.0, 5.0, 4.0, 3.214])
    screen.validations = [
        (step, {"loss": 4 - step / 1000, "bleu": score, "chrf": 30.0, "best": best})
        for step, score, best in SCORES
    ]
    screen.shown = SAMPLES
    return screen


SCORES = [(200, 5.0, 1.0), (400, 14.5, 1.0), (600, 12.0, 0.0), (800, 12.5, 0.0), (1000, 13.0, 0.0)]


def shown(screen, width=79, height=40, **options):
    return [line.plain.rstrip() for line in screen.lines(width, height, **options)]


def test_all_that_matters_in_80_columns(screen):
    lines = shown(screen)
    assert lines[1].startswith("Training      ━━━")
    assert lines[1].endswith("━   6 %  1,240 of 20,000 steps")
    duration, end = "39 min 05 s", time.strftime("%H:%M", time.localtime(time.time() + 18_760 / 8))
    # The minute may change in between.
    assert (
        re.sub(r"\(\d\d:\d\d\)", f"({end})", lines[2])
        == f"time left     {duration} ({end})   speed         51,234 tok/s, 8 steps/s"
    )
    assert lines[3:6] == [
        "loss          3.214  █▅▃▁           gradient norm 1.26",
        "perplexity    14.30                 learning rate 7.00e-04",
        "epoch         3",
    ]
    # The last ones, and the best although it is older.
    assert lines[7:11] == [
        "validation         BLEU     chrF     loss  perplexity",
        "step 400          14.50    30.00    3.600       36.60   best",
        "step 800          12.50    30.00    3.200       24.53",
        "step 1,000        13.00    30.00    3.000       20.09",
    ]
    assert re.fullmatch(r"source        (나는 학교에 간다\.){3}나는 학교에 +…", lines[12])
    assert lines[13:15] == [
        "reference     I go to school.",
        "translation   I am going to the school.",
    ]
    assert lines[18] == "translation   water  [31m"


@pytest.mark.parametrize("width", [72, 79, 99, 200])
def test_no_line_is_wider_than_the_terminal_and_korean_counts_twice(screen, width):
    widths = [cell_len(line.plain) for line in screen.lines(width, 40)]
    assert max(widths) <= min(width, 100)
    assert cell_len(shown(screen, width)[1]) == min(width, 100)


@pytest.mark.parametrize(
    ("height", "n_lines"),
    [(5, 5), (6, 6), (10, 6), (11, 11), (14, 11), (15, 15), (19, 19), (40, 19)],
)
def test_a_low_terminal_shows_what_matters_most(screen, height, n_lines):
    assert shown(screen, height=height) == shown(screen)[:n_lines]


def test_without_colour_the_bar_has_an_end(screen):
    assert shown(screen, has_colour=False)[1].count("━") == int(0.062 * shown(screen)[1].count("━"))


def test_corpora_parts_of_the_loss_and_skipped_updates_have_their_place(screen):
    screen.train["agreement"] = 0.25
    screen.n_skipped = 12
    screen.corpora = {f"news {i}": {"loss": 1.0, "bleu": 2.0, "chrf": 3.0} for i in range(6)}
    lines = shown(screen)
    assert "epoch         3                     skipped       12 updates" in lines
    assert "agreement     0.250" in lines
    assert "news 0             2.00     3.00    1.000        2.72" in lines
    assert "... and 2 more" in lines


def test_at_the_beginning_there_is_little_to_see():
    lines = shown(Dashboard(Throughput(0, 10, {})))
    assert re.fullmatch(r"Training      ━+   0 %  0 of 10 steps", lines[1])
    assert lines[2:] == ["time left                           speed"]


def test_sparklines():
    assert sparkline([]) == ""
    assert sparkline([2.0, 2.0]) == "▁▁"
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"


@pytest.fixture
def console():
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        width=80,
        height=24,
        color_system="standard",
        legacy_windows=False,
    )


def test_it_is_drawn_seldom_and_on_a_slow_terminal_more_seldom(console, monkeypatch):
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
        view.look(now[0])
    assert len(draws) <= 10 / REDRAW_EVERY_S + 1
    draws.clear()
    cost_s[0] = 0.1
    began = now[0]
    for _ in range(100_000):
        now[0] += 0.001
        view.look(now[0])
    assert 2 < len(draws) <= 1.1 * MAX_SHARE * (now[0] - began) / cost_s[0] + 1
    view.finish("finished")


def test_the_loss_is_in_the_view_after_the_first_update(console):
    view = TerminalView(Throughput(0, 100, {}), console)
    view.start(TrackedRun(Path("nowhere"), {}, 1))
    values: dict[str, float] = {
        "loss": 9.125,
        "nll": 9.0,
        "grad_norm": 2.5,
        "n_skipped": 0,
        "tokens_per_s": 100.0,
        "data_wait": 0.0,
        "lr": 1e-4,
        "epoch": 1,
    }
    view.look(time.monotonic(), lambda: values)
    # Updates on the way to the next line of the log are not counted twice.
    view.look(time.monotonic() + 1, lambda: values | {"n_skipped": 3})
    assert view.screen.n_skipped == 0
    assert "loss          9.125" in "\n".join(shown(view.screen))
    view.finish("finished")


def test_a_terminal_that_goes_away_does_not_end_training(console, monkeypatch):
    view = TerminalView(Throughput(0, 10, {}), console)
    view.start(TrackedRun(Path("nowhere"), {}, 1))

    def broken(text):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(console.file, "write", broken)
    view.draw()
    view.look(time.monotonic())
    view.finish("failed")


def test_a_resumed_run_shows_the_validations_before(console, tmp_path):
    entries = [
        {"step": step, "kind": "validation", "loss": 2.0, "bleu": 1.0, "chrf": 1.0, "best": True}
        for step in (10, 20, 30)
    ]
    lines = [
        {"step": 5, "kind": "train", "loss": 1.0},
        *entries,
        {"step": 40, "kind": "validation", "loss": None, "best": False},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    view = TerminalView(Throughput(20, 100, {}), console)
    view.start(TrackedRun(tmp_path, {}, 1, step=20))
    view.finish("finished")
    assert [step for step, _ in view.screen.validations] == [10, 20]
    view.rollback(15)
    assert [step for step, _ in view.screen.validations] == [10]


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
    assert ("kept" if n_signals else "next:  mtkit translate") in text.rsplit("\x1b[?25h", 1)[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "is_drawn"),
    [({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, True), ({"COLUMNS": "40"}, False)],
)
def test_terminals_of_little_ability(tiny_recipe_path, variables, is_drawn):
    terminal = Terminal(train_command(tiny_recipe_path), **variables)
    status, text = terminal.finish(), terminal.output.decode()
    assert status == 0, text
    assert ("time left" in text) == is_drawn
    assert ("translation: " in text) == (not is_drawn)
    if "COLUMNS" not in variables:
        assert not re.search(r"\x1b\[[\d;]*[34][0-8][;m]", text)
