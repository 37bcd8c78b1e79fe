"""Rate and time left, on a clock that the test sets."""

import math
import time

import pytest

from mtkit.training.reporting.formatting import format_progress, format_remaining, format_speed
from mtkit.training.reporting.throughput import Throughput


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets; in seconds."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def train(pace, clock, n, seconds):
    """n steps that take so many seconds each."""
    for _ in range(n):
        clock[0] += seconds
        pace.count(1, clock[0])


def test_slow_start_is_ignored(clock):
    pace = Throughput(0, 10_000, {})
    assert (pace.steps_per_s, pace.remaining_s, format_progress(pace)) == (None, None, "")
    train(pace, clock, 1, 300.0)  # a model is compiled
    train(pace, clock, 100, 0.5)
    assert pace.steps_per_s == pytest.approx(2.0)
    train(pace, clock, 700, 0.1)
    assert pace.steps_per_s == pytest.approx(10.0)
    assert pace.remaining_s == pytest.approx((10_000 - 801) / 10)


def test_the_rate_of_slow_steps_is_known_after_two(clock):
    pace = Throughput(0, 100, {})
    train(pace, clock, 2, 40.0)
    assert pace.steps_per_s == pytest.approx(1 / 40)
    assert format_speed(pace) == "40 s per step"


def test_interruptions_count_for_the_time_left_but_not_for_the_rate(clock):
    """20 steps a second; 30 s each for the validations at 1000, 2000, ... 10,000, and 4 s for each
    checkpoint between them.
    """
    pace = Throughput(0, 10_000, {"validating": 1000, "saving": 250})

    def stand_still(what, seconds):
        with pace.pause(what):
            assert pace.paused_for == what
            clock[0] += seconds
        assert pace.paused_for is None

    began = clock[0]
    left = {}
    for step in range(1, 10_001):
        train(pace, clock, 1, 0.05)
        if step % 1000 == 0:
            stand_still("validating", 30.0)
        elif step % 250 == 0:
            stand_still("saving", 4.0)
        left[step] = pace.remaining_s
    end = clock[0]
    assert end - began == pytest.approx(500 + 10 * 30 + 30 * 4)
    assert pace.steps_per_s == pytest.approx(20.0)
    assert left[10_000] == 0
    # From the first of each kind on it is exact.
    for done in (1000, 1001, 1250, 1999, 2000, 5500, 9999):
        rest = (10_000 - done) * 0.05 + sum(
            30 if step % 1000 == 0 else 4 for step in range(250, 10_001, 250) if step > done
        )
        assert left[done] == pytest.approx(rest)


def test_rate_restarts_after_a_rollback(clock):
    pace = Throughput(0, 1000, {})
    train(pace, clock, 100, 1.0)
    pace.rollback(40)
    assert (pace.done, pace.steps_per_s) == (40, None)
    train(pace, clock, 11, 2.0)
    assert pace.steps_per_s == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("seconds", "duration", "form"),
    [
        (90, "1 min 30 s", None),
        (7200, "2 h 00 min", "%H:%M"),
        (2.5 * 86400, "2 d 12 h", "%a %H:%M"),
        (9 * 86400, "9 d 00 h", "%Y-%m-%d"),
    ],
)
def test_long_estimate_shows_the_end_time(clock, seconds, duration, form):
    pace = Throughput(0, 11, {})
    train(pace, clock, 2, seconds / 9)
    end = "" if form is None else time.strftime(form, time.localtime(clock[0] + seconds))
    assert format_remaining(pace) == (
        f"{duration} left (until {end})" if end else f"{duration} left"
    )
    assert math.isclose(pace.remaining_s or 0.0, seconds)
