"""Cross-entropy and its gradient by both implementations, against float64.

Without a GPU the Triton kernel runs in Triton's interpreter, if Triton is installed.
"""

import os

import pytest
import torch
import torch.nn.functional as F

from mtkit.training.loss import cross_entropy
from mtkit.training.loss.output_layer import logit_gradient_scale
from mtkit.training.loss.token_loss import label_smoothed_loss

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# The interpreter rounds to bf16 towards zero.
ROUNDING = {torch.float32: 1e-5, torch.float16: 2**-11, torch.bfloat16: 2**-7}
# The interpreter computes with numpy, which warns of values that the kernel handles.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.fixture(params=["torch", "triton"])
def implementation(request, monkeypatch):
    if request.param == "torch":
        monkeypatch.setattr(cross_entropy, "can_use_triton", lambda device: False)
        return cross_entropy.softmax_cross_entropy
    if DEVICE.type == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"  # read when Triton is imported
    pytest.importorskip("triton")
    monkeypatch.setattr(cross_entropy, "can_use_triton", lambda device: True)
    from mtkit.training.loss import kernel

    return kernel.softmax_cross_entropy


# The kernel reads 4,096 logits at a time.
@pytest.mark.parametrize("vocab_size", [37, 4096, 9001])
@pytest.mark.parametrize("dtype", ROUNDING, ids=str)
@pytest.mark.parametrize("confidence", [1.0, 0.9])
def test_each_token(implementation, vocab_size, dtype, confidence):
    chance = torch.Generator().manual_seed(vocab_size)
    logits = 4 * torch.randn(6, vocab_size, generator=chance) + 20
    targets = torch.randint(vocab_size, (6,), generator=chance)
    # The lowest and the highest logits: probabilities of nearly 0, exactly 0 and nearly 1.
    logits[0, targets[0]], logits[1, targets[1]], logits[2, targets[2]] = -9.0, -300.0, 60.0
    exact = logits.double().requires_grad_()
    nll = F.cross_entropy(exact, targets, reduction="none")
    target_logits = exact.gather(1, targets[:, None])[:, 0]
    (nll + (1 - confidence) * target_logits).sum().backward()
    found = implementation(logits.clone().to(DEVICE), targets.to(DEVICE), confidence, dtype)
    ours, our_target_logits, gradient = (tensor.cpu() for tensor in found)
    torch.testing.assert_close(ours.double(), nll.detach(), rtol=1e-6, atol=4e-6)
    assert our_target_logits.equal(logits.gather(1, targets[:, None])[:, 0])
    assert gradient.dtype == dtype
    assert exact.grad is not None
    ours = gradient.double() / logit_gradient_scale(dtype)
    atol = 1.2e-10 if dtype == torch.float16 else 1e-30
    # The probability of the target and the confidence may cancel out.
    at_targets = ours.gather(1, targets[:, None])
    expected = exact.grad.gather(1, targets[:, None])
    torch.testing.assert_close(at_targets, expected, rtol=ROUNDING[dtype], atol=2e-7)
    others = ours.scatter(1, targets[:, None], expected)
    torch.testing.assert_close(others, exact.grad, rtol=ROUNDING[dtype], atol=atol)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("has_bias", [False, True])
def test_sums_and_gradients_of_all_tokens(implementation, smoothing, has_bias):
    chance = torch.Generator().manual_seed(2)
    leaves = [
        torch.randn(*size, generator=chance).to(DEVICE).requires_grad_()
        for size in [(30, 16), (101, 16), (101,)][: 3 if has_bias else 2]
    ]
    targets = torch.randint(101, (30,), generator=chance).to(DEVICE)
    states, weight, *bias = leaves
    loss = label_smoothed_loss(states, weight, targets, smoothing, *bias)
    exact = [leaf.detach().double().requires_grad_() for leaf in leaves]
    states, weight, *bias = exact
    logits = F.linear(states, weight, *bias)
    expected = F.cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing)
    torch.testing.assert_close(loss.total.double(), expected, rtol=1e-6, atol=0.0)
    nll = F.cross_entropy(logits, targets, reduction="sum")
    torch.testing.assert_close(loss.nll.double(), nll.detach(), rtol=1e-6, atol=0.0)
    ours, theirs = torch.autograd.grad(loss.total, leaves), torch.autograd.grad(expected, exact)
    for gradient, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(gradient.double(), expected, rtol=1e-5, atol=1e-5)


def test_not_a_number_is_not_hidden(implementation):
    logits = torch.randn(3, 40)
    logits[0, 7], logits[1, 5] = float("nan"), float("inf")
    targets = torch.tensor([1, 2, 3]).to(DEVICE)
    nll, *_ = implementation(logits.to(DEVICE), targets, 0.9, torch.float32)
    assert nll.isfinite().tolist() == [False, False, True]


def test_gradients_below_the_range_of_fp16_survive(implementation):
    # One logit far above the others, which have a probability of e^-18 = 1.5e-8 each.
    weight = torch.full((9, 1), -18.0).to(DEVICE)
    weight[0] = 0.0
    weight.requires_grad_()
    states = torch.ones(2, 1).to(DEVICE).requires_grad_()
    targets = torch.zeros(2, dtype=torch.long, device=DEVICE)
    with torch.autocast(DEVICE.type, torch.float16):
        total = label_smoothed_loss(states, weight, targets, 0.0).total
    loss_scale = 2.0**16
    (gradient,) = torch.autograd.grad(total * loss_scale, weight)
    expected = torch.full((8, 1), 2 * 1.523e-8, device=DEVICE)
    torch.testing.assert_close(gradient[1:] / loss_scale, expected, rtol=0.03, atol=0.0)
