"""Updates equal to torch's; the learning rate: the formula of the paper, torch's schedulers, bounds."""

import copy
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import Adam, AdamW

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.config.training import TrainingConfig
from mtkit.training.optimizer import learning_rate, make_optimizer


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


@pytest.mark.parametrize(("name", "optimizer_class"), [("adam", Adam), ("adamw", AdamW)])
def test_updates_and_state_equal_those_of_torch(name, optimizer_class):
    torch.manual_seed(1)
    model = torch.nn.Linear(5, 3)
    plain = copy.deepcopy(model)
    config = TrainingConfig(optimizer=name, weight_decay=0.1, learning_rate=0.01)
    ours = make_optimizer(model, config)
    theirs = optimizer_class(
        [
            {"params": [plain.weight], "weight_decay": 0.1},
            {"params": [plain.bias], "weight_decay": 0.0},
        ],
        lr=0.01,
        betas=config.adam_betas,
        eps=config.adam_eps,
        fused=True,
    )
    for _ in range(3):
        batch = torch.randn(7, 5)
        for one, optimizer in (model, ours), (plain, theirs):
            optimizer.zero_grad()
            one(batch).square().sum().backward()
            optimizer.step()
            assert all(parameter.grad_fn is None for parameter in one.parameters())
    torch.testing.assert_close(model.state_dict(), plain.state_dict(), rtol=0, atol=0)
    state = ours.state_dict()
    torch.testing.assert_close(state["state"], theirs.state_dict()["state"], rtol=0, atol=0)
    ours.load_state_dict(state)
    assert ours.state_dict()["param_groups"] == theirs.state_dict()["param_groups"]


WITHOUT_COMPILER = """
import sys
from pathlib import Path
from mtkit.checkpoint.model_dir import load_model_dir
from mtkit.config.training import TrainingConfig
from mtkit.training.optimizer import make_optimizer
import mtkit.training.train
model = load_model_dir(Path(sys.argv[1])).model
optimizer = make_optimizer(model, TrainingConfig())
model.output_weight.sum().backward()
optimizer.step()
optimizer.load_state_dict(optimizer.state_dict())
optimizer.zero_grad()
print([name for name in ("torch._dynamo", "sympy") if name in sys.modules])
"""


def test_loading_and_training_do_not_load_a_compiler(make_trained, tmp_path):
    """It takes longer than all the rest."""
    save_model_dir(tmp_path / "model", make_trained())
    command = [sys.executable, "-c", WITHOUT_COMPILER, tmp_path / "model"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


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
