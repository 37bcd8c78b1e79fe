"""Sums between two lines of the log."""

import pytest
import torch

from mtkit.training.distributed.parallel import Parallel
from mtkit.training.reporting.metric_accumulator import MetricAccumulator
from mtkit.training.step import StepResult


def result(loss, n_tokens, *, is_good=True, **parts):
    values = {name: torch.tensor(value) for name, value in parts.items()}
    return StepResult(
        torch.tensor(loss),
        torch.tensor(loss / 2),
        values,
        torch.tensor(3.0),
        torch.tensor(is_good),
        n_tokens,
    )


def test_means_are_per_token_and_leave_skipped_updates_out():
    tally = MetricAccumulator()
    for step in (result(30.0, 10), result(float("nan"), 7, is_good=False), result(10.0, 30)):
        tally.add(step)
    values = tally.as_dict()
    assert values["loss"] == pytest.approx(40 / 40)
    assert values["nll"] == pytest.approx(20 / 40)
    assert values["grad_norm"] == pytest.approx(3.0)
    assert values["n_skipped"] == 1


def test_accumulator_resumes_from_its_state():
    first = MetricAccumulator()
    first.add(result(30.0, 10, r_drop=5.0))
    second = MetricAccumulator(state=first.as_state())
    second.add(result(10.0, 10, r_drop=1.0))
    assert second.as_dict()["loss"] == pytest.approx(2.0)
    assert second.as_dict()["r_drop"] == pytest.approx(0.3)


def test_loss_with_other_parts_restarts_the_sums():
    first = MetricAccumulator()
    first.add(result(30.0, 10))
    second = MetricAccumulator(state=first.as_state())
    second.add(result(10.0, 10, r_drop=1.0))
    second.add(result(20.0, 10, r_drop=2.0))
    values = second.as_dict()
    assert (values["loss"], values["r_drop"]) == (pytest.approx(1.5), pytest.approx(0.15))
    assert values["n_skipped"] == 0
    assert second.n_steps == 2


def test_one_of_two_processes_estimates_the_means_from_its_share():
    class SecondOfTwo(Parallel):
        rank, world_size = 1, 2

        def all_reduce(self, tensor):
            raise AssertionError("the other process is not asked")

    tally = MetricAccumulator(SecondOfTwo())
    tally.add(result(15.0, 10))
    tally.add(result(5.0, 30))
    sums, counts = tally.local_sums(), tally.counts()
    # The sums are a snapshot, which results added later do not change.
    tally.add(result(50.0, 10))
    values = counts.metrics(sums)
    # 20 nats for its half of the 40 target tokens.
    assert values["loss"] == pytest.approx(1.0)
    assert (values["grad_norm"], values["n_skipped"]) == (pytest.approx(3.0), 0)
