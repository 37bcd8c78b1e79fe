"""The learning rate over the steps: the paper's formula, torch's schedulers, and the ends."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mtkit.config.training import TrainingConfig
from mtkit.training.optimizer import learning_rate


@given(
    step=st.integers(1, 200_000),
    warmup=st.integers(1, 20_000),
    d_model=st.sampled_from([256, 512, 1024]),
)
def test_inverse_sqrt_is_the_paper_s(step, warmup, d_model):
    """Vaswani et al. 2017, section 5.3: d_model^-0.5 * min(step^-0.5, step * warmup^-1.5)."""
    config = TrainingConfig(
        schedule="inverse_sqrt", learning_rate=(d_model * warmup) ** -0.5, warmup_steps=warmup
    )
    assert learning_rate(step, config) == pytest.approx(
        d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)
    )


def rates_of_torch(scheduler_type, n_steps, **arguments):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = scheduler_type(optimizer, **arguments)
    rates = []
    for _ in range(n_steps):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("schedule", "scheduler_type", "arguments"),
    [
        ("cosine", torch.optim.lr_scheduler.CosineAnnealingLR, {"T_max": 61}),
        (
            "linear",
            torch.optim.lr_scheduler.LinearLR,
            {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 61},
        ),
    ],
)
def test_learning_rate_after_warmup_equals_torchs_schedules(schedule, scheduler_type, arguments):
    config = TrainingConfig(schedule=schedule, learning_rate=1.0, warmup_steps=40, max_steps=100)
    ours = [learning_rate(step, config) for step in range(40, 101)]
    assert ours == pytest.approx(rates_of_torch(scheduler_type, 61, **arguments), abs=1e-12)
    assert ours[0] == 1.0
    # The update after the last would be the first without effect.
    assert ours[-1] > 0.0
    assert learning_rate(101, config) == pytest.approx(0.0, abs=1e-12)


schedules = st.sampled_from(["inverse_sqrt", "linear", "cosine", "constant"])


@given(schedule=schedules, warmup=st.integers(1, 5000), share=st.floats(0, 1))
def test_the_warmup_is_a_line_from_zero(schedule, warmup, share):
    step = max(1, round(share * warmup))
    config = TrainingConfig(
        schedule=schedule, learning_rate=0.002, warmup_steps=warmup, max_steps=10_000
    )
    assert learning_rate(step, config) == pytest.approx(0.002 * step / warmup)


@given(
    schedule=schedules,
    warmup=st.integers(0, 3000),
    max_steps=st.integers(1, 3000),
    step=st.integers(1, 6000),
)
def test_learning_rate_stays_within_bounds_and_never_rises_after_warmup(
    schedule, warmup, max_steps, step
):
    config = TrainingConfig(
        schedule=schedule, learning_rate=0.5, warmup_steps=warmup, max_steps=max_steps
    )
    rate = learning_rate(step, config)
    assert 0.0 <= rate <= 0.5
    if step >= warmup:
        assert learning_rate(step + 1, config) <= rate
        assert schedule != "constant" or rate == 0.5


@pytest.mark.parametrize("schedule", ["inverse_sqrt", "linear", "cosine", "constant"])
def test_without_warmup_it_starts_near_the_top(schedule):
    config = TrainingConfig(schedule=schedule, learning_rate=1.0, warmup_steps=0, max_steps=1000)
    assert learning_rate(1, config) == pytest.approx(1.0, abs=0.002)
