"""Measuring how fast the machine trains."""

import time

import pytest

from mtkit.config.auto.formatting import approximate_duration_range
from mtkit.config.auto.heuristics import Heuristics
from mtkit.config.auto.statistics import CorpusStatistics, Machine, SideStatistics
from mtkit.training.sizing import speed
from mtkit.training.step import Stepper


def plan(size="tiny"):
    side = SideStatistics("de", "latin", 8.0, 45.0, 90, 0.0, 1.0, 60, 50, 900)
    facts = CorpusStatistics(3000, 3000, 0.0, 0.0, 1.0, 1.5, side, side)
    return Heuristics(facts, Machine(n_cores=2, memory_gb=8), size)


def test_a_machine_that_is_twice_as_slow_has_half_the_operations(monkeypatch):
    step = Stepper.step
    monkeypatch.setattr(speed, "SECONDS", 0.3)
    wait_s, durations_s = 0.0, []

    def slow_step(self, *args):
        started_s = time.perf_counter()
        result = step(self, *args)
        durations_s.append(time.perf_counter() - started_s)
        time.sleep(wait_s)
        return result

    monkeypatch.setattr(Stepper, "step", slow_step)
    fast = speed.measure_flops(plan(), "cpu")
    wait_s = 3 * max(durations_s)
    slow = speed.measure_flops(plan(), "cpu")
    assert fast is not None and slow is not None
    assert fast > 1e6
    assert slow < fast / 2


def test_too_little_memory_is_not_an_error(monkeypatch):
    def fail(self, *args):
        raise MemoryError

    monkeypatch.setattr(Stepper, "step", fail)
    assert speed.measure_flops(plan(), "cpu") is None


@pytest.mark.parametrize("size", ["compact", "base"])
def test_a_deep_model_is_timed_with_few_layers(monkeypatch, size):
    monkeypatch.setattr(speed, "SECONDS", 0.0)
    monkeypatch.setattr(speed, "_MAX_POSITIONS", 64)
    assert speed.measure_flops(plan(size), "cpu") is not None


@pytest.mark.parametrize(
    ("least", "most", "words"),
    [
        (0.7, 1.5, "42 to 90 minutes"),
        (0.9, 4.0, "54 minutes to 4 hours"),
        (0.001, 0.01, "a minute"),
        (0.01, 0.1, "a minute to 6 minutes"),
    ],
)
def test_a_range_in_words(least, most, words):
    assert approximate_duration_range(least, most) == words
