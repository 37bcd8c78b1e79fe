"""The label-smoothed loss: values and gradients of F.cross_entropy, without its memory."""

import pytest
import torch
import torch.nn.functional as F

from mtkit.training.loss import label_smoothed_loss

D, V = 16, 37


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(5)


def inputs(n_tokens):
    states = torch.randn(n_tokens, D, requires_grad=True)
    weight = torch.randn(V, D, requires_grad=True)
    return states, weight, torch.randint(V, (n_tokens,))


def gradients_of(total, *leaves):
    return torch.autograd.grad(total, leaves)


# 512 tokens are made at a time.
@pytest.mark.parametrize("n_tokens", [1, 7, 511, 512, 513, 1300])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_value_and_gradients_are_those_of_cross_entropy(n_tokens, smoothing):
    states, weight, targets = inputs(n_tokens)
    expected = F.cross_entropy(states @ weight.T, targets, reduction="sum", label_smoothing=smoothing)
    loss = label_smoothed_loss(states, weight, targets, smoothing)
    torch.testing.assert_close(loss.total, expected, rtol=1e-5, atol=1e-4)
    # Any factor may stand behind the loss, such as one over the number of tokens.
    torch.testing.assert_close(
        gradients_of(loss.total / n_tokens * 3, states, weight), gradients_of(expected / n_tokens * 3, states, weight), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_nll_is_without_smoothing_and_without_a_gradient(smoothing):
    states, weight, targets = inputs(600)
    loss = label_smoothed_loss(states, weight, targets, smoothing)
    torch.testing.assert_close(loss.nll, F.cross_entropy(states @ weight.T, targets, reduction="sum").detach(), rtol=1e-5, atol=1e-4)
    assert loss.total.requires_grad
    assert not loss.nll.requires_grad


def test_by_hand():
    """One token, logits (log 1, log 3): probabilities 1/4 and 3/4; the target is the second, smoothing 0.2 leaves it 0.9."""
    states, weight = torch.ones(1, 1), torch.tensor([1.0, 3.0]).log()[:, None]
    loss = label_smoothed_loss(states, weight, torch.tensor([1]), smoothing=0.2)
    expected = -(0.9 * torch.tensor(0.75).log() + 0.1 * torch.tensor(0.25).log())
    torch.testing.assert_close(loss.total, expected)
    torch.testing.assert_close(loss.nll, -torch.tensor(0.75).log())


def test_the_loss_of_two_halves_is_the_loss_of_the_whole():
    states, weight, targets = inputs(100)
    whole = label_smoothed_loss(states, weight, targets, 0.1).total
    halves = sum(label_smoothed_loss(states[half], weight, targets[half], 0.1).total for half in (slice(30), slice(30, 100)))
    torch.testing.assert_close(halves, whole)
    torch.testing.assert_close(gradients_of(halves, states, weight), gradients_of(whole, states, weight), rtol=1e-4, atol=1e-5)


def test_without_gradients_it_is_the_same_number():
    states, weight, targets = inputs(600)
    with torch.no_grad():
        loss = label_smoothed_loss(states, weight, targets, 0.1)
    assert not loss.total.requires_grad
    torch.testing.assert_close(loss.total, label_smoothed_loss(states, weight, targets, 0.1).total.detach())


@pytest.mark.parametrize("frozen", ["states", "weight"])
def test_either_side_may_be_frozen(frozen):
    states, weight, targets = inputs(20)
    free = weight if frozen == "states" else states
    expected = gradients_of(F.cross_entropy(states @ weight.T, targets, reduction="sum"), free)
    (states if frozen == "states" else weight).requires_grad_(False)
    torch.testing.assert_close(gradients_of(label_smoothed_loss(states, weight, targets, 0.0).total, free), expected, rtol=1e-4, atol=1e-5)


def test_large_logits_stay_finite():
    states, weight, targets = inputs(50)
    loss = label_smoothed_loss(1000 * states, weight, targets, 0.1)
    assert loss.total.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients_of(loss.total, states, weight))


def test_bf16_is_close_and_its_gradients_are_float32():
    states, weight, targets = inputs(600)
    exact = label_smoothed_loss(states, weight, targets, 0.1)
    with torch.autocast("cpu", torch.bfloat16):
        rough = label_smoothed_loss(states, weight, targets, 0.1)
    assert rough.total.dtype == torch.float32
    torch.testing.assert_close(rough.total, exact.total, rtol=0.01, atol=0.0)
    for rough_gradient, gradient in zip(gradients_of(rough.total, states, weight), gradients_of(exact.total, states, weight), strict=True):
        assert rough_gradient.dtype == torch.float32
        assert F.cosine_similarity(rough_gradient.flatten(), gradient.flatten(), dim=0).item() > 0.999
