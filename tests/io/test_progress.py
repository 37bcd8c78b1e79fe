import io
import logging
import time

import pytest
from rich.console import Console

from mtkit.io.progress import (
    ProgressBar,
    TerminalBar,
    drawable_terminal,
    format_duration,
    format_rate,
    progress,
)


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets; in seconds."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_pipe_gets_plain_lines_now_and_then(clock, caplog):
    caplog.set_level(logging.INFO, "mtkit")
    with progress("Translating", total=1000) as bar:
        for _ in range(100):
            clock[0] += 1
            bar.advance(4)
    assert caplog.messages == [
        "Translating: 20 of 1,000 lines, 4 lines/s, 4 min 05 s left",
        "Translating: 140 of 1,000 lines, 4 lines/s, 3 min 35 s left",
        "Translating: 260 of 1,000 lines, 4 lines/s, 3 min 05 s left",
        "Translating: 380 of 1,000 lines, 4 lines/s, 2 min 35 s left",
        "Translating: 400 lines in 1 min 40 s",
    ]


def test_no_output_for_short_work(clock, caplog):
    caplog.set_level(logging.INFO, "mtkit")
    with progress("Reading") as bar:
        bar.advance()
    assert caplog.messages == []


def test_interrupted_work_is_not_reported_as_done(clock, caplog):
    caplog.set_level(logging.INFO, "mtkit")
    with pytest.raises(KeyboardInterrupt), progress("Reading") as bar:
        clock[0] += 10
        bar.advance(20)
        raise KeyboardInterrupt
    assert caplog.messages == ["Reading: 20 lines, 2 lines/s"]


def test_a_terminal_gets_a_bar():
    screen = io.StringIO()
    bar = TerminalBar(
        "Training [x]", 10, "steps", Console(file=screen, force_terminal=True, width=100)
    )
    bar.advance(5)
    bar._finish(finished=True)
    assert "Training [x]" in screen.getvalue()
    assert "5 of 10 steps" in screen.getvalue()


def test_pipe_is_not_a_terminal_even_with_forced_color(monkeypatch, capsys, caplog):
    caplog.set_level(logging.INFO, "mtkit")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert drawable_terminal() is None
    with progress("Reading", 3) as bar:
        bar.advance(3)
    assert capsys.readouterr() == ("", "")


def test_no_rate_without_elapsed_time(clock):
    bar = ProgressBar("x", None, "lines")
    bar.advance(3)
    assert bar.describe() == "3 lines"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (12000, "3 h 20 min"),
        (172_800, "2 d 00 h"),
        (273_600, "3 d 04 h"),
    ],
)
def test_durations(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(("rate", "text"), [(0.254, "0.254"), (31.42, "31.4"), (12500.4, "12,500")])
def test_rates(rate, text):
    assert format_rate(rate) == text
