"""The plain lines of the log."""

import logging
import time

import pytest

from mtkit.training.reporting.log_lines import LogLines
from mtkit.training.reporting.throughput import Throughput
from mtkit.training.reporting.tracker import TrackedRun, ValidationSample

VALUES = {
    "train_s": 12.5,
    "loss": 3.9224,
    "nll": 3.3276,
    "grad_norm": 1.257,
    "n_skipped": 0,
    "tokens_per_s": 6374.2,
    "data_wait": 0.001,
    "lr": 0.001,
    "epoch": 12,
}


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets; in seconds."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def pace(clock):
    """200 of 500 steps are made, two each second."""
    pace = Throughput(0, 500, {})
    for _ in range(200):
        clock[0] += 0.5
        pace.count(1, clock[0])
    return pace


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level(logging.INFO, "mtkit")


def test_training_in_a_line(pace, caplog):
    lines = LogLines(pace)
    lines.log_metrics(200, "train", VALUES)
    lines.log_metrics(200, "train", VALUES | {"n_skipped": 2, "data_wait": 0.25, "agreement": 0.5})
    pace.done = 500
    lines.log_metrics(
        500,
        "train",
        {
            name: value
            for name, value in (VALUES | {"n_skipped": 50}).items()
            if name not in ("loss", "nll", "grad_norm")
        },
    )
    trouble = "lr 1.00e-03, epoch 12, 25 % of the time waiting for batches (batches.n_workers), 2 updates skipped"
    assert caplog.messages == [
        "step 200: loss 3.922, perplexity 27.87, gradient norm 1.26, 6,374 tok/s, lr 1.00e-03, epoch 12, 2 min 30 s left",
        f"step 200: loss 3.922, perplexity 27.87, agreement 0.500, gradient norm 1.26, 6,374 tok/s, {trouble}, 2 min 30 s left",
        "step 500: no update, 6,374 tok/s, lr 1.00e-03, epoch 12, 50 updates skipped",
    ]


def test_validation_and_samples_in_lines(pace, caplog):
    lines = LogLines(pace)
    lines.log_metrics(200, "validation", {"loss": 2.58, "bleu": 9.123, "chrf": 24.05, "best": 1.0})
    lines.log_metrics(200, "validation/news <2en>", {"loss": 2.5})
    lines.log_metrics(300, "validation", {"loss": 2.6, "best": 0.0})
    lines.log_samples(300, [ValidationSample("물\x1b[2J", "water", "w")])
    assert caplog.messages == [
        "step 200: validation loss 2.580, BLEU 9.12, chrF 24.05 (best so far)",
        "  news <2en>: loss 2.500",
        "step 300: validation loss 2.600",
        "  source:      물 [2J",
        "  reference:   water",
        "  translation: w",
    ]


def test_line_is_logged_after_ten_seconds_without_one(pace, clock, caplog):
    lines = LogLines(pace)
    lines.start(TrackedRun(None, {}, 1, 0))  # pyright: ignore[reportArgumentType]
    for _ in range(38):
        clock[0] += 0.5
        pace.count(1, clock[0])
        lines.update(clock[0], VALUES)
    lines.log_metrics(238, "train", VALUES)
    for _ in range(22):
        clock[0] += 0.5
        pace.count(1, clock[0])
        lines.update(clock[0], VALUES)
    first, regular, second = caplog.messages
    assert (
        first
        == "step 220 of 500, loss 3.922, perplexity 27.87, gradient norm 1.26, 6,374 tok/s, lr 1.00e-03, epoch 12, 2 steps/s, 2 min 20 s left"
    )
    assert regular.startswith("step 238: loss 3.922")
    assert second.startswith("step 258 of 500, loss 3.922")


def test_log_line_is_delayed_if_the_device_must_not_be_synchronized(pace, clock, caplog):
    lines = LogLines(pace)
    lines.start(TrackedRun(None, {}, 1, 0))  # pyright: ignore[reportArgumentType]
    for _ in range(30):
        clock[0] += 0.5
        pace.count(1, clock[0])
        lines.update(clock[0])
    assert caplog.messages == []
    clock[0] += 0.5
    pace.count(1, clock[0])
    lines.update(clock[0], VALUES)
    assert caplog.messages[0].startswith("step 231 of 500, loss 3.922")
    for _ in range(40):
        clock[0] += 0.5
        pace.count(1, clock[0])
        lines.update(clock[0])
    assert caplog.messages[1:] == ["step 271 of 500, 2 steps/s, 1 min 54 s left"]
